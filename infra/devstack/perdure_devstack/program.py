"""The `perdure` program as child processes, each with what is meant for it in its environment."""

import asyncio
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import psutil

from perdure_devstack.directories import Directories
from perdure_devstack.errors import CannotStart, ServerDied
from perdure_devstack.processes import (
    Child,
    Command,
    end_all,
    ended_on_failure,
    find,
    how_it_ended,
)
from perdure_devstack.settings import Settings

MODULE: Final = "perdure_cli.main"
WARMED: Final = "perdure_devstack.warmed"
PERDURE: Final = (sys.executable, "-m", MODULE)
COMMAND_SECONDS: Final = 120.0
SAID_WHY: Final = 2
"""The exit code of a program that cannot start and has said why in its last line."""

SERVERS: Final = ("PERDURE_DATABASE_URL", "PERDURE_MIGRATE_URL", "PERDURE_NATS_URL")
"""Given only to those they are meant for: an executor has no database."""


@dataclass(frozen=True, slots=True)
class Program:
    """How `perdure` is started below this supervisor."""

    settings: Settings
    directories: Directories
    argv: tuple[str, ...] = PERDURE

    def command(self, name: str, **variables: str) -> Command:
        """Describe `perdure <name>` as a child; its output goes to the log of that name."""
        return Command(
            name=name,
            argv=(*self.argv, name),
            # The present directory: jobs.yaml and the users' Python modules are found from there.
            directory=Path.cwd(),
            log=self.directories.log(name),
            environment=self._environment(variables),
            death_signal=signal.SIGTERM,
        )

    def warmed(self, command: Command, module: str) -> Command | None:
        """Describe the same child as one that imports a module first and waits to be let go.

        None where another program stands in for `perdure`.
        """
        if self.argv != PERDURE:
            return None
        return replace(command, argv=(sys.executable, "-m", WARMED, module, command.name))

    async def run(self, name: str, **variables: str) -> None:
        """Run `perdure <name>` to its end.

        Raises:
            ServerDied: when it fails; the text is its last line.
        """
        child = await Child.start(self.command(name, **variables))
        async with ended_on_failure(child), asyncio.timeout(COMMAND_SECONDS):
            code = await child.ended()
        if code != 0:
            raise ServerDied(why(child))

    async def ask(self, *words: str, key: str, **variables: str) -> str:
        """Run `perdure <words> --json` and give one text of the object that it prints.

        Raises:
            CannotStart: when it fails or prints something else.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv,
            *words,
            "--json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(variables),
        )
        output, errors = await process.communicate()
        try:
            return str(msgspec.json.decode(output, type=dict[str, object])[key])
        except (msgspec.DecodeError, KeyError) as error:
            said = " ".join(errors.decode(errors="replace").split()[-40:])
            message = f"`perdure {' '.join(words)}` failed: {said}"
            raise CannotStart(message) from error

    async def end_orphans(self) -> None:
        """End services of this data directory that outlived a killed supervisor for a moment."""
        data_dir = str(self.directories.root)

        def is_ours(process: psutil.Process) -> bool:
            line = process.cmdline()
            return (
                (MODULE in line or WARMED in line)
                and line[-1] in ("api", "executor")
                and process.environ().get("PERDURE_DATA_DIR") == data_dir
            )

        await end_all(find(is_ours), signal.SIGTERM, 5)

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        given = self.settings.environment
        return (
            {name: value for name, value in given.items() if name not in SERVERS}
            | {"PERDURE_DATA_DIR": str(self.directories.root), "PYTHONUNBUFFERED": "1"}
            | variables
        )


def why(child: Child) -> str:
    """Make one line of how a service ended and what it said last."""
    said = child.last_words()
    if said and child.code == SAID_WHY:
        return said.removeprefix("Error: ")
    ended = how_it_ended(child.code or 0)
    return f"perdure {child.command.name} ended ({ended}): {said or f'see {child.command.log}'}"
