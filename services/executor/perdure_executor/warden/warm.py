"""The worker of a keeper, kept warm between calls, and what the two share."""

import os
from collections.abc import Sequence

from perdure_executor.warden.streams import open_pipes
from perdure_executor.warden.tally import Tally
from perdure_executor.workers.process import WorkerGone, WorkerProcess


class Warm:
    """The worker of a keeper, or none."""

    __slots__ = ("_turn", "pipes", "tally", "trust", "worker")

    def __init__(self, tally: Tally) -> None:
        """Have none yet; the tally is for all that will be."""
        self.worker: WorkerProcess | None = None
        self.pipes: dict[int, int] = {}
        """From the worker, once it was called: they serve all its calls."""
        self.tally = tally
        self.trust = 1
        """How many calls go to it together: more while nobody has to look at them."""
        self._turn = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def call(self, path: list[str], keys: list[str], calls: Sequence[bytes]) -> WorkerProcess:
        """Have functions called, in the worker that we have when it is good for these modules.

        Nobody reads the streams until a call is answered, or its turn was taken.

        Raises:
            OSError: when none can be started.
        """
        worker = self.worker
        if worker is None or worker.path != tuple(path) or worker.is_outdated():
            worker = self.fresh(path)
        if len(calls) > 1:
            self.take_turn()
            os.eventfd_write(self._turn, 1)
            self.tally.begin(keys)
        try:
            self._send(worker, calls)
        except WorkerGone:  # it died while it had nothing to do
            worker = self.fresh(path)
            try:
                self._send(worker, calls)
            except WorkerGone as error:
                raise OSError("it ends at once") from error
        return worker

    def take_turn(self) -> bool:
        """Look at the call that the worker carries: it begins no other then; not while it ends one."""
        try:
            os.eventfd_read(self._turn)
        except BlockingIOError:
            return False
        return True

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
        for file in self.pipes:
            os.close(file)
        self.pipes = {}
        if self.worker is not None:
            self.worker.end()
            self.worker = None

    def _send(self, worker: WorkerProcess, calls: Sequence[bytes]) -> None:
        """Send them, with pipes if it has none yet."""
        if self.pipes:
            worker.call(calls)
            return
        self.pipes, ends = open_pipes()
        try:
            worker.call(calls, [*ends, self.tally.file, self._turn])
        finally:
            for end in ends:
                os.close(end)
