"""Puts an executor together, runs it, and stops it cleanly."""

import asyncio
import fcntl
import gc
import os
import signal
import sqlite3
import sys
from contextlib import suppress
from typing import NoReturn

import uvloop

from perdure_executor.errors import CannotStart, NoAnswer, SpoolBroken
from perdure_executor.link import Link
from perdure_executor.settings import Settings, from_environment
from perdure_executor.spool import Spool
from perdure_executor.voice import Voice
from perdure_executor.warden.lease import Lease
from perdure_executor.worker import Worker
from perdure_runtime import logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

CONNECT_SECONDS = 15.0
STOP_SECONDS = 3.6
DELIVER_SECONDS = 1.0
OLDEST_NATS = (2, 12)


def main() -> None:
    """Run an executor until told to stop: exit 0, or 2 with one line when it cannot run."""
    logs.configure(service="executor")
    try:
        settings = from_environment(os.environ)
        prepare(settings)
        lock = take_lock(settings)
        uvloop.run(run(settings))
        os.close(lock)
    except* (CannotStart, SpoolBroken) as group:
        refuse(group.exceptions[0])
    except* sqlite3.Error as group:
        refuse(SpoolBroken(group.exceptions[0]))


def refuse(error: BaseException) -> NoReturn:
    """End with one line."""
    sys.stderr.write(f"{error}\n")
    sys.exit(2)


def prepare(settings: Settings) -> None:
    """Make the spool directory, closed to others.

    Raises:
        CannotStart: when it cannot be made or written.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        for folder in (settings.spool, settings.spool / "work"):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        message = (
            f"The executor cannot use {settings.spool} ({error.strerror}): "
            "set PERDURE_DATA_DIR to a directory that can be written."
        )
        raise CannotStart(message) from error


def take_lock(settings: Settings) -> int:
    """Hold the spool until this process ends, however it ends; give the descriptor.

    Raises:
        CannotStart: when another process holds it.
    """
    lock = os.open(settings.spool / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        message = (
            f"An executor named {settings.name} already runs on {settings.data_dir}: "
            "set PERDURE_EXECUTOR_NAME to another name."
        )
        raise CannotStart(message) from error
    return lock


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then stop cleanly.

    Raises:
        CannotStart: NATS cannot be reached at first, the spool is of no use, the name is taken.
        SpoolBroken: the spool cannot be written any more.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    spool = open_spool(settings)
    lease = Lease(settings.spool)
    nats = NatsConnection(settings.nats_url, name=f"executor {settings.name}")
    link = Link(nats, settings, spool, lease)
    voice = Voice(nats)
    try:
        async with asyncio.TaskGroup() as tasks:
            worker = Worker(settings, spool, lease, voice, link, tasks=tasks)
            await worker.open()
            # What lives as long as the process is not looked at by every collection again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 50)

            async def converse() -> None:
                await connect(nats, worker)
                await link.serve(worker)

            duties = [
                tasks.create_task(duty)
                for duty in (
                    converse(),
                    link.deliver(worker),
                    worker.reader.read(),
                    worker.ledger.fails(),
                    write_back(spool),
                    voice.speak(),
                )
            ]
            await stop.wait()
            await give_back(link, worker, duties)
    finally:
        with suppress(Exception):  # a client that never connected cannot be closed
            await nats.close()
    spool.close()


def open_spool(settings: Settings) -> Spool:
    """Open the spool.

    Raises:
        CannotStart: when it cannot be read or written.
    """
    try:
        return Spool(settings.spool)
    except (sqlite3.Error, OSError) as error:
        file = settings.spool / "spool.sqlite"
        message = (
            f"The spool {file} cannot be used ({error}): is the disk full or the file damaged?"
        )
        raise CannotStart(message) from error


async def write_back(spool: Spool) -> None:
    """Keep the spool's WAL short, for ever; what cannot be written now is tried with the next."""
    while True:
        await spool.grown.wait()
        spool.grown.clear()
        try:
            await asyncio.to_thread(spool.write_back)
        except sqlite3.Error as error:
            log.warning("the spool cannot be written back", error=str(error))


async def connect(nats: NatsConnection, worker: Worker) -> None:
    """Reach NATS; with attempts in hand there is no giving up.

    Raises:
        CannotStart: when it cannot be reached, or is too old.
    """
    try:
        await nats.connect(patience_seconds=None if worker.holding() else CONNECT_SECONDS)
    except OSError as error:
        message = f"The executor {error}. Is PERDURE_NATS_URL right, and does the server run?"
        raise CannotStart(message) from error
    version = nats.client.connected_server_version
    if (version.major, version.minor) < OLDEST_NATS:
        wanted = ".".join(map(str, OLDEST_NATS))
        message = (
            f"NATS is version {version.major}.{version.minor}: Perdure needs {wanted} or newer."
        )
        raise CannotStart(message)


async def give_back(link: Link, worker: Worker, duties: list[asyncio.Task[None]]) -> None:
    """End what runs, give it back to the api, say goodbye; what cannot be said now stays in the spool."""
    log.info("stopping")
    duties[0].cancel()  # no beats and no sessions any more; reports still go out
    # First, else what is given back is granted to us again.
    with suppress(NoAnswer):
        await link.take_no_more(worker)
    with suppress(TimeoutError):
        await asyncio.wait_for(worker.stop(), STOP_SECONDS)
    with suppress(TimeoutError):
        await asyncio.wait_for(link.everything_delivered(), DELIVER_SECONDS)
    with suppress(NoAnswer):
        await link.leave(worker)
    worker.dismiss_warden()
    for duty in duties:
        duty.cancel()
