"""Starting, watching and ending the processes of the stack."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

from perdure_devstack import launch

LOG_TAIL_BYTES: Final = 20_000
"""How far back the last words of a process are looked for."""


@dataclass(frozen=True, slots=True)
class User:
    """The user and group that a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """How one process is started."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str]
    death_signal: signal.Signals
    """What the process gets when the one that started it is gone."""
    user: User | None = None
    """None keeps the present user."""


class Child:
    """One started process; it ends when the process that started it does."""

    def __init__(
        self, command: Command, process: asyncio.subprocess.Process, log_from: int
    ) -> None:
        self.command = command
        self._process = process
        self._log_from = log_from

    @classmethod
    async def start(cls, command: Command, stdin: bytes = b"") -> "Child":
        """Start the process in a session of its own, so that Ctrl-C does not reach it.

        Args:
            command: what to start.
            stdin: all that it can read.
        """
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            return await cls._start(command, file)

    @classmethod
    async def _start(cls, command: Command, stdin: IO[bytes]) -> "Child":
        user = command.user or User(-1, -1)
        argv = (
            sys.executable, "-I", "-S", launch.__file__,
            str(int(command.death_signal)), str(os.getpid()), str(user.uid), str(user.gid),
            str(command.directory), *command.argv,
        )  # fmt: skip
        with command.log.open("ab") as log:
            log_from = log.tell()
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=dict(command.environment),
                start_new_session=True,
            )
        return cls(command, process, log_from)

    @classmethod
    async def start_waiting(cls, command: Command) -> tuple["Child", int]:
        """Start a process that waits for a byte; gives the end of the pipe to write it into."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as pipe:
            try:
                return await cls._start(command, pipe), writing
            except BaseException:
                os.close(writing)
                raise

    @property
    def pid(self) -> int:
        """The process id; it stays the same when the launcher becomes the program."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for the end and give the exit code, negative for a signal."""
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, give its seconds to end, and KILL at last."""
        for number, seconds in steps:
            if self.code is not None:
                return
            self.send(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
                return
        if self.code is None:
            self.send(signal.SIGKILL)
            await self._process.wait()

    def last_words(self, wanted: Callable[[str], bool] = bool) -> str:
        """Give the last fitting line that the process printed since its start, else ''."""
        with self.command.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_from, size - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if wanted(line.strip())), "")


@asynccontextmanager
async def ended_on_failure(child: Child) -> AsyncIterator[None]:
    """End the process when the block fails or is cancelled, so that none is left behind."""
    try:
        yield
    except BaseException:
        await child.stop((signal.SIGTERM, 2.0))
        raise


def how_it_ended(code: int) -> str:
    """Put an exit code into words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def find(fits: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Find the processes that fit, passing over what may not be looked at or is gone."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and fits(process):
                found.append(process)
    return found


async def end_all(
    processes: Iterable[psutil.Process], number: signal.Signals, seconds: float
) -> None:
    """End processes that are no children of ours: a signal, some seconds, then KILL."""
    living = list(processes)
    for step, limit in ((number, seconds), (signal.SIGKILL, 5.0)):
        for process in living:
            with suppress(psutil.Error):
                process.send_signal(step)
                # A stopped one could not obey.
                process.send_signal(signal.SIGCONT)
        deadline = asyncio.get_running_loop().time() + limit
        while living and asyncio.get_running_loop().time() < deadline:
            living = [process for process in living if lives(process)]
            if living:
                await asyncio.sleep(0.02)


def lives(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that only waits to be reaped does not."""
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
