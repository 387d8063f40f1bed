"""Calls of Python functions: like programs, but in a worker that a keeper keeps warm between them."""

import os
import socket

from perdure_executor.attempt import RUNNING
from perdure_executor.warden.frames import BACK, Inbox, pack
from perdure_executor.warden.keeper import Keeper
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import Order, Record
from perdure_executor.workers.calls import DONE, EXITED, REJECTED, Answer
from perdure_executor.workers.process import WorkerGone, WorkerProcess

LOG = "warden.log"
PATIENCE_SECONDS = 0.02
"""What is behind a call that takes longer is given back: elsewhere it may start sooner."""


class Warm:
    """The worker of a keeper, or none."""

    __slots__ = ("streams", "worker")

    def __init__(self) -> None:
        """Have none yet."""
        self.worker: WorkerProcess | None = None
        self.streams: dict[int, int] = {}
        """Pipes from the worker, once it was called: they serve all its calls."""

    def ready(self, path: list[str]) -> WorkerProcess:
        """Give a worker that can be called, the one we have when it is good for these modules.

        Raises:
            OSError: when none can be started.
        """
        worker = self.worker
        if worker is None or worker.path != tuple(path) or worker.is_outdated():
            worker = self.fresh(path)
        return worker

    def fresh(self, path: list[str]) -> WorkerProcess:
        """Give a new worker, in the place of the one we have.

        Raises:
            OSError: when none can be started.
        """
        self.end()
        self.worker = WorkerProcess(path, os.environ)
        return self.worker

    def lost(self) -> None:
        """It is gone, and was waited for."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def end(self) -> None:
        """Have none any more."""
        for file in self.streams:
            os.close(file)
        self.streams = {}
        if self.worker is not None:
            self.worker.end()
            self.worker = None


class CallKeeper(Keeper):
    """One attempt that is a call, from its start to its record."""

    def __init__(
        self,
        key: str,
        order: Order,
        control: socket.socket,
        inbox: Inbox,
        lease: Lease,
        *,
        warm: Warm,
    ) -> None:
        """Prepare; `warm` is the keeper's worker, for the others see `Keeper`."""
        super().__init__(key, order, control, inbox, lease)
        self._warm = warm
        self._answer: Answer | None = None
        self._hears = True
        """Whether the worker's answer is waited for."""

    def _start(self) -> None:
        path = self._order.python_path
        try:
            worker = self._warm.ready(path)
            try:
                self._call(worker)
            except WorkerGone:  # it died while it had nothing to do
                worker = self._warm.fresh(path)
                self._call(worker)
        except WorkerGone as error:
            raise OSError("it ends at once") from error
        self._worker = worker
        self._spent = worker.spent
        self._pid, self._pidfd = worker.pid, worker.pidfd
        self._listen(worker.fileno())
        self._patient_until = boottime() + PATIENCE_SECONDS

    def _call(self, worker: WorkerProcess) -> None:
        """Call it, with pipes if it has none yet."""
        self._streams = self._warm.streams
        ends = [] if self._streams else self._open_streams()
        try:
            worker.call(self._order.call or b"", ends)
        finally:
            for end in ends:
                os.close(end)

    def _due(self, now: float) -> list[float | None]:
        return [*super()._due(now), self._patient_until if self._inbox.orders else None]

    def _tick(self, now: float) -> None:
        super()._tick(now)
        if now >= self._patient_until:
            while (frame := self._inbox.next()) is not None:
                self._control.sendall(pack(BACK, frame[1]))

    def _close(self) -> None:
        if self._returned:
            self._streams = {}  # they stay open for the next call
        else:
            super()._close()

    def _excuse(self, record: Record, error: OSError | ValueError) -> None:
        record.broken = f"The executor could not start a Python worker: {error}."

    def _answered(self) -> None:
        answer = self._hear_worker() if self._hears else None
        if answer is None:
            return
        if answer.keep and self._attempt.phase == RUNNING:
            self._cpu += answer.cpu
            self._peak = max(self._peak, answer.peak)
            self._returned = True
        else:
            self._worker.kill()

    def _hear_worker(self) -> Answer | None:
        """Take the answer when it has come; nothing more is heard then, nor from a worker that is gone."""
        try:
            self._answer = self._worker.answer()
        except WorkerGone:
            self._poll.unregister(self._worker)
            self._hears = False
            return None
        if self._answer is not None:
            self._poll.unregister(self._worker)
            self._hears = False
        return self._answer

    def _let_go(self) -> None:
        if self._hears and self._hear_worker() is None and self._hears:
            self._poll.unregister(self._worker)
            self._hears = False
        self._cpu -= self._spent  # what it had used before
        self._warm.lost()

    def _conclude(self, record: Record) -> None:
        answer = self._answer
        if answer is None:
            super()._conclude(record)
            if not self._worker.ready and record.why is None:
                record.broken = f"The Python worker did not start: see {LOG} of the executor."
        elif record.why is not None:
            return  # what it answered then is only how it took its end
        elif answer.outcome == DONE:
            record.exit_code = 0
        elif answer.outcome == EXITED:
            record.exit_code = answer.code
        elif answer.outcome == REJECTED:
            record.rejected = answer.message
        else:
            record.broken = answer.message
