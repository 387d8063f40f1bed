"""Keeps a call of a Python function: like a program, but in a worker that stays warm after it."""

import socket

from perdure_executor.attempt import RUNNING
from perdure_executor.warden.frames import BACK, Inbox, pack
from perdure_executor.warden.keeper import Keeper
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import Record
from perdure_executor.warden.trip import Trip, conclude
from perdure_executor.warden.warm import Warm
from perdure_executor.workers.calls import Answer
from perdure_executor.workers.process import WorkerGone

LOG = "warden.log"
PATIENCE_SECONDS = 0.02
"""What is behind a call that takes longer is given back: elsewhere it may start sooner."""


class CallKeeper(Keeper):
    """One attempt that is a call, from its start to its record."""

    def __init__(
        self, trip: Trip, control: socket.socket, inbox: Inbox, lease: Lease, warm: Warm
    ) -> None:
        """Take over the call that a trip has stopped at; for the others see `Keeper`."""
        super().__init__(trip.key, trip.order, control, inbox, lease)
        self._started = trip.started
        self._trip = trip
        self._warm = warm
        self._answer: Answer | None = None
        self._hears = trip.answer is None
        """Whether the worker's answer is waited for."""

    def _start(self) -> None:
        worker = self._warm.worker
        if self._trip.error is not None or worker is None:
            raise self._trip.error or OSError("it ended at once")
        self._worker = worker
        self._pid, self._pidfd = worker.pid, worker.pidfd
        self._streams.pipes = self._warm.pipes
        self._listen(*((worker.fileno(),) if self._hears else ()))
        self._patient_until = boottime() + PATIENCE_SECONDS

    def _watch(self) -> None:
        if self._trip.answer is not None:
            self._judge(self._trip.answer)
        if not self._returned:
            self._heed()
            super()._watch()

    def _due(self, now: float) -> list[float | None]:
        return [*super()._due(now), self._patient_until if self._inbox.orders else None]

    def _tick(self, now: float) -> None:
        super()._tick(now)
        if now >= self._patient_until:
            while (frame := self._inbox.next()) is not None:
                self._control.sendall(pack(BACK, frame[1]))

    def _close(self) -> None:
        if self._returned:
            self._streams.pipes = {}  # they stay open for the next call
        else:
            super()._close()

    def _excuse(self, record: Record, error: OSError | ValueError) -> None:
        record.broken = f"The executor could not start a Python worker: {error}."

    def _answered(self) -> None:
        answer = self._hear_worker() if self._hears else None
        if answer is not None:
            self._judge(answer)

    def _judge(self, answer: Answer) -> None:
        """Let it be over, unless it left something behind."""
        self._answer = answer
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
            self._hears = self._answer is None
        except WorkerGone:
            self._hears = False
        if not self._hears:
            self._poll.unregister(self._worker)
        return self._answer

    def _let_go(self) -> None:
        if self._hears and self._hear_worker() is None and self._hears:
            self._poll.unregister(self._worker)
            self._hears = False
        self._cpu -= self._trip.spent  # what it had used before
        self._warm.lost()

    def _conclude(self, record: Record) -> None:
        answer = self._answer
        if answer is None:
            super()._conclude(record)
            if not self._worker.ready and record.why is None:
                record.broken = f"The Python worker did not start: see {LOG} of the executor."
        elif record.why is not None:
            return  # what it answered then is only how it took its end
        else:
            conclude(record, answer)
