"""Puts an executor together, runs it, and stops it cleanly."""

import asyncio
import fcntl
import os
import signal
import sqlite3
import sys
from contextlib import suppress

from perdure_executor.errors import CannotStart, NoAnswer
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


def main() -> None:
    """Run an executor until told to stop: exit 0, or 2 with one line when it cannot run."""
    logs.configure(service="executor")
    try:
        settings = from_environment(os.environ)
        prepare(settings)
        lock = take_lock(settings)
        try:
            asyncio.run(run(settings))
        finally:
            os.close(lock)
    except CannotStart as error:
        print(error, file=sys.stderr)
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
        message = f"The executor cannot use {settings.spool} ({error.strerror}): set PERDURE_DATA_DIR to a directory that can be written."
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
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        spool = Spool(settings.spool)
    except sqlite3.Error as error:
        message = f"The spool {settings.spool / 'spool.sqlite'} cannot be opened: {error}."
        raise CannotStart(message) from error
    directory = os.open(settings.spool, os.O_RDONLY | os.O_DIRECTORY)
    lease = Lease(directory)
    os.close(directory)
    nats = NatsConnection(settings.nats_url, name=f"executor {settings.name}")
    link = Link(nats, settings, spool, lease)
    voice = Voice(nats)
    worker = Worker(settings, spool, lease, voice, link.fetch)
    try:
        await worker.open()
        await connect(nats, worker)
        await serve(link, worker, voice, stop)
    finally:
        worker.dismiss_warden()
        await nats.close()
        spool.close()


async def connect(nats: NatsConnection, worker: Worker) -> None:
    """Reach NATS; with attempts in hand there is no giving up.

    Raises:
        CannotStart: when it cannot be reached.
    """
    try:
        await nats.connect(patience_seconds=None if worker.holding() else CONNECT_SECONDS)
    except OSError as error:
        message = f"The executor {error}. Is PERDURE_NATS_URL right, and does the server run?"
        raise CannotStart(message) from error


async def serve(link: Link, worker: Worker, voice: Voice, stop: asyncio.Event) -> None:
    """Converse, read and deliver until told to stop; then give everything back."""
    duties = [
        asyncio.ensure_future(duty)
        for duty in (link.serve(worker), worker.read(), link.deliver(worker), voice.speak())
    ]
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([*duties, stopped], return_when=asyncio.FIRST_COMPLETED)
        for duty in duties:
            if duty.done():
                duty.result()
        log.info("stopping")
        duties[0].cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.stop(), STOP_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(link.everything_delivered(), DELIVER_SECONDS)
        with suppress(NoAnswer):
            await link.leave(worker)
    finally:
        for task in (*duties, stopped):
            task.cancel()
        await asyncio.gather(*duties, stopped, return_exceptions=True)
