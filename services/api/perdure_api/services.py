"""What handlers work with: made once by `bootstrap`, reached through the application's state."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from perdure_api.commands import Commands
from perdure_api.domain.callers import Caller
from perdure_api.errors import Unavailable
from perdure_api.host_commands import HostCommands
from perdure_api.input_sources import with_input
from perdure_api.job_commands import JobCommands
from perdure_api.job_inputs import with_stored_items
from perdure_api.messaging.hub import Hub
from perdure_api.schedule_commands import ScheduleCommands
from perdure_api.security.access import HttpRequest
from perdure_api.security.limits import Failures
from perdure_api.security.link_note import LinkNote
from perdure_api.security.sessions import Sessions
from perdure_api.security.tokens import Tokens
from perdure_api.settings import Settings
from perdure_api.store.database import Database
from perdure_api.store.writer import Writer
from perdure_contract.jobs import JobDefinition
from perdure_contract.specs import RunRequest
from perdure_runtime.nats_connection import NatsConnection

MAX_BULKS_WAITING: Final = 8
"""Bulk requests are read one at a time, each may take 100 MB while it is; so many more may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one api process that requests need."""

    settings: Settings
    database: Database
    writer: Writer
    commands: Commands
    jobs: JobCommands
    schedules: ScheduleCommands
    hosts: HostCommands
    nats: NatsConnection
    hub: Hub
    tokens: Tokens
    sessions: Sessions
    link_note: LinkNote
    store_id: str
    seconds_since_schedules: Callable[[], float | None]
    """How long ago this replica last looked for schedules that are due."""
    stopping: asyncio.Event
    """Set when the process is told to stop: streams end then."""
    logins: Failures = field(default_factory=Failures)
    _bulk: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    _bulks_waiting: list[None] = field(default_factory=list)

    async def with_input(self, by: Caller, request: RunRequest, at: str = "") -> RunRequest:
        """Give a request with its items stored, if they lie in a file or an upload."""
        pool, roots = self.database.pool, self.settings.backup_roots
        return await with_input(pool, by.tenant, roots, request, at)

    async def with_job_input(
        self, by: Caller, name: str, definition: JobDefinition
    ) -> JobDefinition:
        """Give a job's definition with its items stored, unless they are few."""
        pool, roots = self.database.pool, self.settings.backup_roots
        return await with_stored_items(pool, by.tenant, roots, name, definition)

    @asynccontextmanager
    async def bulk_turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to read a large body; nothing of it is read before."""
        if len(self._bulks_waiting) >= MAX_BULKS_WAITING:
            raise Unavailable("Too many bulk requests at once.", code="busy", retry_after_seconds=2)
        self._bulks_waiting.append(None)
        try:
            async with self._bulk:
                yield
        finally:
            self._bulks_waiting.pop()


def services_of(request: HttpRequest) -> Services:
    """Give the parts behind a request."""
    services: Services = request.app.state.services
    return services
