"""The composition root: settings → servers checked → parts → duties and server, until told to stop."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import uvicorn
import uvloop

from perdure_api.app import create_app
from perdure_api.commands import Commands
from perdure_api.duties import Core
from perdure_api.errors import CannotStart
from perdure_api.followers.partitions import Partitions
from perdure_api.followers.projector import Projector
from perdure_api.followers.relay import Relay
from perdure_api.followers.unused_inputs import UnusedInputs
from perdure_api.intake.jobs_file import JobsFileWatch
from perdure_api.messaging.controls import Controls
from perdure_api.messaging.hub import Hub
from perdure_api.projections.run_list import RunList
from perdure_api.routes.http_protocol import GuardedProtocol
from perdure_api.security.link_note import LinkNote
from perdure_api.security.sessions import Sessions
from perdure_api.security.tokens import Tokens
from perdure_api.services import Services
from perdure_api.settings import Settings
from perdure_api.store import event_log
from perdure_api.store.database import Database
from perdure_api.store.migrate import pending_in
from perdure_api.store.writer import Writer
from perdure_runtime import logs
from perdure_runtime.loop import Loop
from perdure_runtime.nats_connection import NatsConnection, server_version

log = logs.get(__name__)

POSTGRES_FLOOR: Final = 15
NATS_FLOOR: Final = (2, 12)
STOP_SECONDS: Final = 1
"""How long answers under way may take at the stop; streams end at once."""
BACKLOG: Final = 2048
EXIT_CANNOT_START: Final = 2


def main() -> None:
    """Run the api until it is told to stop; what keeps it from starting is one line and code 2."""
    logs.configure(service="api")
    try:
        settings = Settings.from_environment()
        logs.configure(service="api", level=settings.log_level)
        uvloop.run(serve(settings))
    except CannotStart as reason:
        sys.stderr.write(f"perdure api: {reason}\n")
        sys.exit(EXIT_CANNOT_START)


async def serve(settings: Settings) -> None:
    """Serve and do every duty until SIGTERM or SIGINT.

    Raises:
        CannotStart: when a server cannot be used or the address is taken.
    """
    stop = _stop_signal()
    with contextlib.closing(_listen(settings)) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        await _check_postgres(settings.database_url)
        await _check_nats(settings.nats_url)
        database = await Database.connect(settings.database_url)
        nats = NatsConnection(settings.nats_url, name="perdure api")
        try:
            await _run(settings, database, nats, listener, stop)
        finally:
            await _leave(database, nats)


async def _run(
    settings: Settings,
    database: Database,
    nats: NatsConnection,
    listener: socket.socket,
    stop: asyncio.Event,
) -> None:
    core = Core(
        database,
        nats,
        lease_seconds=settings.lease_seconds,
        stuck_after_seconds=settings.stuck_after_seconds,
        backup_roots=settings.backup_roots,
    )
    hub = Hub(database, nats)
    relay = Relay(database.url, nats, core.writer.tail)
    projector = Projector(database.url, [RunList()])
    head = await event_log.head(database.pool)
    services = Services(
        settings=settings,
        database=database,
        writer=core.writer,
        commands=core.commands,
        jobs=core.jobs,
        schedules=core.schedules,
        hosts=core.hosts,
        seconds_since_schedules=lambda: core.schedule_clock.seconds_since_look,
        nats=nats,
        hub=hub,
        tokens=Tokens(database.pool),
        sessions=Sessions(database.pool, store_id=head.store_id, is_https=settings.is_https),
        link_note=LinkNote(database.pool, settings.data_dir, settings.address),
        store_id=head.store_id,
        stopping=stop,
    )

    def look() -> None:
        relay.wake()
        projector.wake()
        hub.wake()

    core.on_news(look)
    await services.link_note.replace()
    server = _server(create_app(services), settings.address)
    # What lives as long as the process is not looked at by every collection again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        async with asyncio.TaskGroup() as group:
            duties = [
                *core.duties(),
                nats.connect(),
                hub.run(),
                relay.run(),
                projector.run(),
                Loop("login link", services.link_note.tick).run(),
                JobsFileWatch(database, core.commands, settings.jobs_file).run(),
                Loop("unused inputs", UnusedInputs(database.pool).tick).run(),
                Loop("partitions", Partitions(database.pool).tick).run(),
            ]
            tasks = [group.create_task(duty) for duty in duties]
            serving = group.create_task(server.serve(sockets=[listener]))
            await stop.wait()
            server.should_exit = True
            await serving
            for task in tasks:
                task.cancel()
    finally:
        services.link_note.remove()
    log.info("api stopped")


@contextlib.asynccontextmanager
async def offline(database_url: str) -> AsyncIterator[tuple[Commands, Database]]:
    """Give the commands without serving: for a command line beside the database.

    Raises:
        CannotStart: when the database cannot be used.
    """
    await _check_postgres(database_url)
    database = await Database.connect(database_url)
    writer = Writer(database_url)
    writing = asyncio.ensure_future(writer.run())
    try:
        # Without NATS: executors hear of it with their next heartbeat.
        yield Commands(writer, Controls(NatsConnection("", name="perdure offline"))), database
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to us and says when it can be reached."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        log.info("api serves", address=self._address)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing."""
        yield


def _server(app: object, address: str) -> _Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application, typed by Litestar
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return _Server(config, address)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _listen(settings: Settings) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except socket.gaierror as error:
        message = f"PERDURE_HOST {settings.host!r} is no address of this machine."
        raise CannotStart(message) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = (
                f"Port {settings.port} of {settings.host} is taken: "
                "stop what listens there, or set PERDURE_PORT."
            )
        else:
            message = f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}."
        raise CannotStart(message) from error
    listener.settimeout(0)
    return listener


async def _check_postgres(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        message = f"Cannot use PERDURE_DATABASE_URL ({_without_password(url)}): {_reason(error)}."
        raise CannotStart(message) from error
    try:
        major = connection.get_server_version().major
        if major < POSTGRES_FLOOR:
            message = f"PostgreSQL is version {major}; Perdure needs {POSTGRES_FLOOR} or newer."
            raise CannotStart(message)
        if pending := await pending_in(connection):
            message = (
                f"The database lacks {len(pending)} migration(s): run `perdure migrate` first."
            )
            raise CannotStart(message)
    finally:
        await connection.close(timeout=2)


async def _check_nats(url: str) -> None:
    try:
        version = await server_version(url)
    except OSError as error:
        reason = _reason(error.__cause__ or error)
        message = f"Cannot use PERDURE_NATS_URL ({_without_password(url)}): {reason}."
        raise CannotStart(message) from error
    if version[:2] < NATS_FLOOR:
        message = f"NATS is version {'.'.join(map(str, version))}; Perdure needs 2.12 or newer."
        raise CannotStart(message)


async def _leave(database: Database, nats: NatsConnection) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            await nats.close()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            await database.close()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return " ".join(str(error).split()).removeprefix("nats: ").rstrip(".") or type(error).__name__
