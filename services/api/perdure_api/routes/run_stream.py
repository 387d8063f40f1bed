"""Following one run: its state, progress and output as server-sent events, without gap or repetition.

The id of an event says what its reader has: version, attempt and line. Whoever comes back with it goes
on behind that. A run's last state is told after all of its output, then `end`.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.errors import NotFoundError, Refused, Unavailable
from perdure_api.messaging.hub import Listener, Printed, Progressed
from perdure_api.projections.run_detail import Found, find_run, progress_view, run_view
from perdure_api.routes.inside import found
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import encode
from perdure_api.routes.streaming import PING_SECONDS, Streamed, frame, ping
from perdure_api.security.access import header
from perdure_api.services import Services
from perdure_api.store.logs import read_lines
from perdure_contract.envelope import Event
from perdure_contract.objects import LogEntry, ProgressView
from perdure_contract.wire import LiveProgress
from perdure_runtime import clock

MAX_STREAMS: Final = 2000
"""Open streams of one process."""
LINES_AT_ONCE: Final = 500
LOOK_SECONDS: Final = 5.0
"""How often output is looked for without any news, in case a hint was lost."""
HINTED_LOOK_SECONDS: Final = 0.1
HINTED_LOOKS: Final = 20
"""After a hint that there is output the store is asked so often, until it has it."""


class Seen(Struct, frozen=True, array_like=True):
    """What a reader has."""

    version: int = 0
    attempt: int = 0
    line: int = 0

    def __str__(self) -> str:
        """Write it as an event's id."""
        return f"{self.version}-{self.attempt}-{self.line}"


class LinesTold(Struct, frozen=True):
    """Data of `log`."""

    attempt: int
    lines: tuple[LogEntry, ...]


class ProgressTold(Struct, frozen=True):
    """Data of `progress`."""

    attempt: int
    progress: ProgressView


class End(Struct, frozen=True):
    """Data of `end`: nothing more will be told of this run as it is."""

    state: str


@operation(
    "GET",
    "/api/runs/{run_id}/stream",
    permission="view",
    summary="Follow a run (server-sent events: state, progress, log, end)",
    media_type="text/event-stream",
)
async def follow(call: Call) -> ASGIApp:
    """Tell what happens to a run until it is final."""
    services = call.services
    if services.hub.listeners >= MAX_STREAMS:
        raise Unavailable("Too many streams are open.", code="busy", retry_after_seconds=5)
    here = await found(call)
    seen = read_seen(header(call.request.scope, b"last-event-id"))
    return Streamed(_Following(services, here, seen).frames())


def read_seen(event_id: bytes | None) -> Seen:
    """Read the id that a reader comes back with."""
    if not event_id:
        return Seen()
    parts = event_id.split(b"-")
    if len(parts) != 3 or not all(part.isdigit() and len(part) < 19 for part in parts):  # noqa: PLR2004 - version, attempt, line
        raise Refused("bad-cursor", "Send Last-Event-ID as the stream gave it.")
    return Seen(*map(int, parts))


class _Following:
    """One reader of one run."""

    def __init__(self, services: Services, here: Found, seen: Seen) -> None:
        self._services = services
        self._here = here
        self._seen = seen
        self._hints = 0

    async def frames(self) -> AsyncIterator[bytes]:
        """Give the frames to send."""
        with self._services.hub.listen_to_run(self._here.run.id) as heard:
            # Looked up again: something may have happened before one listened.
            await self._look()
            told = 0
            while True:
                if told != self._here.run.version:
                    told = self._here.run.version
                    if not self._here.run.is_final:
                        yield self._state()
                    async for part in self._output():
                        yield part
                    if self._here.run.is_final:
                        yield self._state()
                        yield self._frame("end", End(self._here.run.phase))
                        return
                async for part in self._news(heard):
                    yield part

    async def _news(self, heard: Listener) -> AsyncIterator[bytes]:
        """Wait for something to tell, or for the time to look by oneself."""
        quiet = 0.0
        while True:
            pause = HINTED_LOOK_SECONDS if self._hints else LOOK_SECONDS
            news = await heard.next(seconds=pause)
            if isinstance(news, Progressed):
                if (told := self._progress(news)) is not None:
                    yield told
                continue
            if isinstance(news, Printed):
                self._hints = self._hints or HINTED_LOOKS
            elif news is None or not isinstance(news, Event):
                self._hints = max(self._hints - 1, 0)
                quiet += pause
            else:
                await self._look()
                return
            before = self._seen
            async for part in self._output():
                yield part
            if self._seen != before:
                self._hints = 0
                quiet = 0.0
            if quiet >= PING_SECONDS:
                quiet = 0.0
                yield ping()
            if news is not None and not isinstance(news, Printed):
                await self._look()
                return

    def _state(self) -> bytes:
        """Tell the run as it is; nothing to a reader that has it."""
        here = self._here
        if here.run.version <= self._seen.version:
            return b""
        self._seen = Seen(here.run.version, self._seen.attempt, self._seen.line)
        return self._frame("state", run_view(here.run, here.now, here.live))

    async def _look(self) -> None:
        run = self._here.run
        here = await find_run(self._services.database, run.tenant, run.id)
        if here is None:
            raise NotFoundError(run.id)
        self._here = here

    async def _output(self) -> AsyncIterator[bytes]:
        """Give output that the reader has not; that of a new attempt after that of the one before."""
        attempt = self._here.run.attempt
        if attempt is None:
            return
        number = self._seen.attempt or attempt.number
        while True:
            after = self._seen.line if number == self._seen.attempt else 0
            lines = await read_lines(
                self._services.database.pool,
                self._here.run.id,
                number,
                after=after,
                limit=LINES_AT_ONCE,
            )
            if lines.items:
                self._seen = Seen(self._seen.version, number, lines.next)
                yield self._frame("log", LinesTold(number, lines.items))
            elif number < attempt.number:
                number += 1
            else:
                return

    def _progress(self, news: Progressed) -> bytes | None:
        live = _live.decode(news.data)
        run = self._here.run
        if run.attempt is None or run.attempt.number != live.attempt or not run.is_open:
            return None
        self._here = Found(run, self._here.now, live.progress)
        view = progress_view(run, clock.now(), live.progress)
        return None if view is None else self._frame("progress", ProgressTold(live.attempt, view))

    def _frame(self, name: str, data: object) -> bytes:
        return frame(encode(data), identifier=str(self._seen), name=name)


_live: Final = msgspec.json.Decoder(LiveProgress)

HANDLERS: Final[list[HTTPRouteHandler]] = [follow]
