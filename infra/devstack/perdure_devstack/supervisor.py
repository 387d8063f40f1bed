"""`perdure up`: starts everything in order, keeps it running, stops it in the opposite order.

    data directory ─ lock ─ orphans of a killed supervisor ─ port
    PostgreSQL ‖ NATS, or a look at one's own ─ migrate ─ api ‖ executor ─ ready
    endpoint.json ─ keep ─ … ─ executor, api, PostgreSQL ‖ NATS

The executor stops first, because it gives its runs back through the api and the servers. Each child
ends by itself when the supervisor is killed; what does not is ended by the next start.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

from perdure_devstack.access import admin_token, first_login_link, login_note
from perdure_devstack.address import Address
from perdure_devstack.directories import Directories, cannot_use
from perdure_devstack.endpoint import Endpoint, EndpointFile, Pids, read_login_url
from perdure_devstack.program import PERDURE, Program
from perdure_devstack.servers import Servers
from perdure_devstack.services import Services
from perdure_devstack.settings import Settings
from perdure_devstack.terminal import say

LOOK_SECONDS: Final = 0.5
"""How often the notes of the children are read: the login link, the warden."""


class Supervisor:
    """One running Perdure on one data directory.

    Args:
        settings: what the environment says.
        perdure: the command line that runs `perdure`; tests put another program in its place.
    """

    def __init__(self, settings: Settings, perdure: tuple[str, ...] = PERDURE) -> None:
        self._settings = settings
        self._directories = Directories(settings.data_dir)
        self._program = Program(settings, self._directories, perdure)
        self._servers = Servers(settings, self._directories)
        self._services: Services | None = None
        self._lock: int | None = None
        self._endpoint = EndpointFile(self._directories)

    async def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP, then stop everything.

        Raises:
            CannotStart: when it cannot start; everything that was started is stopped.
        """
        try:
            await until(asked_to_stop(), self._work())
        except OSError as error:
            raise cannot_use(self._directories.root, error) from error
        finally:
            await self._stop()

    async def _work(self) -> None:
        self._directories.prepare()
        self._lock = self._directories.lock()
        self._endpoint.remove()
        login_note(self._directories).unlink(missing_ok=True)
        await self._program.end_orphans()
        address = Address.settle(self._settings.host, self._settings.port)
        urls = await self._servers.choose()
        services = self._services = Services(self._program, urls, address)
        await services.warm_up()
        await self._servers.start()
        await self._program.run(
            "migrate", PERDURE_DATABASE_URL=urls.application, PERDURE_MIGRATE_URL=urls.owner
        )
        await services.start()
        token = await admin_token(self._program, address, urls.application)
        link = await first_login_link(self._program, address, urls.application)

        def present() -> Endpoint:
            return Endpoint(
                url=address.url,
                admin_token=token,
                login_url=read_login_url(login_note(self._directories)) or link,
                database_url=urls.application,
                nats_url=urls.nats_executor,
                pids=self._pids(services),
            )

        self._endpoint.write(present())
        say(f"Perdure is ready: {address.url}")
        say(f"Log in once, within ten minutes: {link}")
        say(f"Ctrl-C stops it; the data stays in {self._directories.root}.")
        async with asyncio.TaskGroup() as group:
            for keeper in (*self._servers.keepers, services.api, services.executor):
                group.create_task(keeper.keep())
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._servers.look_after()
                # A full disk is no reason to stop; the file is written once there is room.
                with suppress(OSError):
                    self._endpoint.write(present())
                    self._directories.bound_logs()

    def _pids(self, services: Services) -> Pids:
        postgres, nats = self._servers.postgres, self._servers.nats
        return Pids(
            supervisor=os.getpid(),
            api=services.api.pid,
            executor=services.executor.pid,
            warden=services.warden,
            postgres=postgres.pid if postgres else None,
            nats=nats.pid if nats else None,
        )

    async def _stop(self) -> None:
        if self._services is not None:
            await self._services.stop()
        await self._servers.stop()
        if self._lock is not None:
            self._endpoint.remove()
            login_note(self._directories).unlink(missing_ok=True)


def asked_to_stop() -> asyncio.Event:
    """Give what is set at Ctrl-C, SIGTERM, and when the terminal closes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP, and so do we then.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work until it ends by itself, which raises what it raised, or a stop is asked for."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        say("Stopping; runs under way go back to their queues, the data stays.")
    waiting.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
