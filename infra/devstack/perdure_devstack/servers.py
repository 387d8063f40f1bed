"""PostgreSQL and NATS: from the wheels, or one's own by URL."""

import asyncio
import signal
from dataclasses import dataclass

from perdure_devstack.chosen import Chosen, choose, choose_other_ports, ports_are_free
from perdure_devstack.directories import Directories
from perdure_devstack.keeper import Keeper
from perdure_devstack.nats import EmbeddedNats
from perdure_devstack.own_servers import check_nats, check_postgres
from perdure_devstack.postgres import EmbeddedPostgres
from perdure_devstack.settings import Settings
from perdure_devstack.terminal import say


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the servers are, and for whom."""

    application: str
    owner: str
    superuser: str | None
    """None for a PostgreSQL of one's own."""
    nats_api: str
    nats_executor: str
    nats_reader: str


class Servers:
    """The two servers of one data directory."""

    def __init__(self, settings: Settings, directories: Directories) -> None:
        self._settings = settings
        self._directories = directories
        self._nats: EmbeddedNats | None = None
        self.postgres: Keeper | None = None
        self.nats: Keeper | None = None

    @property
    def keepers(self) -> list[Keeper]:
        """Those that were started here and are to be kept running."""
        return [keeper for keeper in (self.postgres, self.nats) if keeper is not None]

    async def choose(self) -> Urls:
        """Settle where the servers are going to be, before any is started."""
        settings = self._settings
        postgres, nats = await self._with_free_ports()
        self._nats = nats
        if settings.database_url is None:
            self.postgres = Keeper(postgres, say)
        if settings.nats_url is None:
            self.nats = Keeper(nats, say)
        own = settings.database_url
        return Urls(
            application=own or postgres.database_url,
            owner=settings.migrate_url or own or postgres.owner_url,
            superuser=None if own else postgres.superuser_url,
            nats_api=settings.nats_url or nats.api_url,
            nats_executor=settings.nats_url or nats.executor_url,
            nats_reader=settings.nats_url or nats.reader_url,
        )

    async def start(self) -> None:
        """Start what is not named by a URL; check what is.

        Raises:
            CannotStart: when one of them is of no use; the other may be running.
        """
        outcomes = await asyncio.gather(
            self._postgres_is_there(), self._nats_is_there(), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def stop(self) -> None:
        """Stop what was started here."""
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers))

    def look_after(self) -> None:
        """End a NATS whose files were taken away under it, so that it is started on new ones.

        The files may be deleted at any time; the server does not notice by itself.
        """
        if self.nats is None or self._nats is None or self.nats.child is None:
            return
        if self.nats.child.code is None and self._nats.has_lost_its_files():
            say("The files of NATS are gone: starting it on new ones.")
            self.nats.child.send(signal.SIGKILL)

    async def _with_free_ports(self) -> tuple[EmbeddedPostgres, EmbeddedNats]:
        chosen = choose(self._directories)
        postgres, nats = self._of(chosen)
        if not ports_are_free(chosen):
            await postgres.end_orphans()
            await nats.end_orphans()
            if not ports_are_free(chosen):
                say("Another program took a port of the servers: choosing another one.")
                postgres, nats = self._of(choose_other_ports(self._directories, chosen))
        return postgres, nats

    def _of(self, chosen: Chosen) -> tuple[EmbeddedPostgres, EmbeddedNats]:
        environment = self._settings.environment
        return (
            EmbeddedPostgres(self._directories, chosen.postgres, environment),
            EmbeddedNats(self._directories, chosen.nats, environment),
        )

    async def _postgres_is_there(self) -> None:
        settings = self._settings
        if self.postgres is not None:
            await self.postgres.start()
        elif settings.database_url is not None:
            await check_postgres(settings.database_url)
            if settings.migrate_url is not None:
                await check_postgres(settings.migrate_url, "PERDURE_MIGRATE_URL")

    async def _nats_is_there(self) -> None:
        if self.nats is not None:
            await self.nats.start()
        elif self._settings.nats_url is not None:
            await check_nats(self._settings.nats_url)
