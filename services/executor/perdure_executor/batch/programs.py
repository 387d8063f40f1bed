"""A lane that starts a program for each item."""

import errno
import os
import selectors
import signal

from perdure_contract.binding import UnknownField, bound_text
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.ear import Ear
from perdure_executor.batch.lane import Surroundings, failed_by_status, succeeded
from perdure_executor.batch.plan import Programs
from perdure_executor.batch.supply import Ending
from perdure_executor.errors import Rejected
from perdure_executor.programs import find_program

REPORT_FD = 3
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_OUT_OF_RESOURCES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class ProgramLane:
    """Carries one program at a time; what it prints goes straight to the log of the run."""

    def __init__(self, each: Programs, around: Surroundings) -> None:
        """Start idle."""
        self._each = each
        self._around = around
        self._pid = 0
        self._pidfd = -1
        self._ear: Ear | None = None

    def begin(self, item: ItemToDo) -> Ending | None:
        """Start the program of an item."""
        each, plan = self._each, self._around.plan
        try:
            argv = [bound_text(argument, item) for argument in each.argv]
            program = each.program or find_program(
                argv[0], each.places, each.allowed, plan.executor
            )
        except (Rejected, UnknownField) as error:
            return Ending("failed", str(error))
        ear = Ear(self._around.pass_on)
        try:
            self._pid = os.posix_spawn(
                program,
                argv,
                self._around.environment(item),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, each.stdin, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, ear.write, REPORT_FD),
                ],
                setsid=True,
                setsigdef=_PYTHON_IGNORES,
            )
        except (OSError, ValueError) as error:
            ear.close()
            return _not_started(program, error)
        ear.close_write()
        self._ear = ear
        self._pidfd = os.pidfd_open(self._pid)
        for file in (ear.read, self._pidfd):
            self._around.selector.register(file, selectors.EVENT_READ, self)
        return None

    def hear(self, file: int) -> Ending | None:
        """Read what the program says, or take its status."""
        ear = self._ear
        if ear is None:
            return None
        if file == ear.read:
            if not ear.hear():
                self._around.selector.unregister(file)
            return None
        _, status = os.waitpid(self._pid, 0)
        said = ear.outcome()
        for open_file in (ear.read, self._pidfd):
            if open_file in self._around.selector.get_map():
                self._around.selector.unregister(open_file)
        ear.close()
        os.close(self._pidfd)
        self._ear = None
        return succeeded(said) if status == 0 else failed_by_status(status)


def _not_started(program: str, error: OSError | ValueError) -> Ending:
    if isinstance(error, ValueError):
        return Ending("failed", f"{program} cannot be started: {error}.")
    words = f"{program} cannot be started: {error.strerror}."
    return Ending("failed", words, "error" if error.errno in _OUT_OF_RESOURCES else None)
