"""A lane that calls a function for each item, in a worker of its own that stays warm."""

import os
import selectors

from perdure_contract.binding import UnknownField, bound
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.ear import Ear
from perdure_executor.batch.lane import (
    NothingCanRun,
    Surroundings,
    exited,
    failed_by_status,
    succeeded,
)
from perdure_executor.batch.plan import Functions
from perdure_executor.batch.supply import Ending
from perdure_executor.workers.calls import EXITED, RAISED, REJECTED, Answer, Call, encode_call
from perdure_executor.workers.process import WorkerGone, WorkerProcess

STDOUT = 1
STDERR = 2
STARTS = 2
"""A worker that died while it was idle is replaced so often for one item."""


class FunctionLane:
    """Carries one call at a time; a worker that dies under an item fails it, and is replaced."""

    def __init__(self, each: Functions, around: Surroundings) -> None:
        """Start idle; the worker is started with the first item."""
        self._each = each
        self._around = around
        self._ear = Ear(around.pass_on)
        self._worker: WorkerProcess | None = None
        self._calling = False
        around.selector.register(self._ear.read, selectors.EVENT_READ, self)

    def begin(self, item: ItemToDo) -> Ending | None:
        """Have the function called for an item."""
        each = self._each
        try:
            call = Call(
                func=each.func,
                args=[bound(value, item) for value in each.args],
                kwargs={name: bound(value, item) for name, value in each.kwargs.items()},
                env=self._around.environment(item),
                cwd=each.cwd,
                allowed=None if each.allowed is None else list(each.allowed),
            )
        except UnknownField as error:
            return Ending("failed", str(error))
        body = encode_call(call)
        for _ in range(STARTS):
            try:
                worker = self._worker or self._start()
                worker.call([body], (STDOUT, STDERR, self._ear.write))
            except WorkerGone:
                self._end_worker()
            except OSError as error:
                return Ending("failed", f"no worker can be started: {error.strerror}", "error")
            else:
                self._calling = True
                return None
        return Ending("failed", "no worker stays alive", "error")

    def hear(self, file: int) -> Ending | None:
        """Read what the function says, its answer, or how its worker has ended."""
        if file == self._ear.read:
            self._ear.hear()
            return None
        worker = self._worker
        if worker is None or file not in (worker.fileno(), worker.pidfd):
            return None
        try:
            answer = worker.answer()
        except WorkerGone:
            return self._worker_gone(worker)
        if answer is None:
            return self._worker_gone(worker) if file == worker.pidfd else None
        self._calling = False
        said = self._ear.outcome()
        if not answer.keep:
            self._end_worker()
        if answer.outcome == REJECTED:
            raise NothingCanRun(answer.message)
        if answer.outcome in (EXITED, RAISED):
            return _failed(answer)
        return succeeded(said)

    def _start(self) -> WorkerProcess:
        plan = self._around.plan
        worker = self._worker = WorkerProcess(self._each.path, plan.env)
        for file in (worker.fileno(), worker.pidfd):
            self._around.selector.register(file, selectors.EVENT_READ, self)
        return worker

    def _worker_gone(self, worker: WorkerProcess) -> Ending | None:
        """Take the status of a worker that has ended, or that has closed its socket and must end.

        Raises:
            NothingCanRun: it did not even start, nor would another.
        """
        worker.kill()
        _, status = os.waitpid(worker.pid, 0)
        self._end_worker()
        if not worker.ready:
            raise NothingCanRun("The Python worker did not start: see the log.", "error")
        was_calling, self._calling = self._calling, False
        self._ear.outcome()
        if not was_calling:
            return None
        return failed_by_status(status) if status else exited(0)

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            for file in (worker.fileno(), worker.pidfd):
                self._around.selector.unregister(file)
            worker.end()


def _failed(answer: Answer) -> Ending:
    if answer.outcome == EXITED:
        return exited(answer.code or 1)
    return Ending("failed", answer.message, "error")
