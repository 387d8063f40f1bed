"""What the open page of one run hears: that it changed, how far it is, what it prints."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.messaging.hub import Listener, News, Progressed, Reset
from perdure_api.pages.live_frames import fragment, signal, silence
from perdure_api.pages.log_contexts import LogLines
from perdure_api.pages.rendering import render
from perdure_api.pages.visit import with_query
from perdure_api.projections.run_detail import Found, find_run, run_view
from perdure_api.services import Services
from perdure_api.store.logs import Lines, Stream, read_lines, read_tail
from perdure_contract.envelope import Event
from perdure_contract.facts import Progress
from perdure_contract.objects import FINAL_STATES, LogEntry, RunView
from perdure_contract.wire import LiveProgress
from perdure_runtime.clock import now, pause

LINES_AT_ONCE: Final = 200
ROUNDS: Final = 5
"""Further behind than so many frames of output, a reader gets the end instead: a page shows no more."""
PAUSE_SECONDS: Final = 0.2
"""At most five rounds a second: what comes in between is put together."""
PRINTING_SECONDS: Final = 0.5
"""How often the output of an open attempt is looked at when nobody says that there is more."""
SILENT_SECONDS: Final = 5.0

_PLACE: Final = re.compile(rb"^(\d{1,15})\.(\d{1,15})\.(\d{0,15})$")
_progress: Final = msgspec.json.Decoder(LiveProgress)


class Place(Struct, frozen=True, kw_only=True):
    """How far a reader has come; `line` is none when it follows no output."""

    version: int
    attempt: int
    line: int | None

    def __str__(self) -> str:
        """Give the id of a frame."""
        return f"{self.version}.{self.attempt}.{'' if self.line is None else self.line}"


def read_place(text: bytes, given: Place) -> Place:
    """Read the id with which a reader comes back; one that is not ours counts as not given."""
    found = _PLACE.match(text)
    if found is None or int(found[2]) != given.attempt:
        return given
    line = int(found[3]) if found[3] else None
    return Place(version=int(found[1]), attempt=given.attempt, line=line)


class RunWatch:
    """Watches one run for one reader."""

    def __init__(self, services: Services, tenant: str, run: str, query: Mapping[str, str]) -> None:
        self._services = services
        self._tenant = tenant
        self._run = run
        stream = query.get("stream")
        self._stream: Stream | None = (
            "stdout" if stream == "stdout" else "stderr" if stream == "stderr" else None
        )
        self._times = query.get("times") == "1"
        self._shows_progress = query.get("progress") == "1"
        self._shown_progress: Progress | None = None

    async def frames(
        self, place: Place, goes_on: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Give frames from a place on, until the stream may not go on."""
        with self._services.hub.listen_to_run(self._run) as heard:
            found = await self._find()
            if found.run.version != place.version:
                place = replace(place, version=found.run.version)
                yield signal("perdure:run", identifier=str(place))
            else:
                yield silence(identifier=str(place))
            while await goes_on():
                async for reached, lines in self._new_lines(place):
                    place = reached
                    yield lines
                news = await self._gather(heard, found)
                if any(isinstance(item, Event | Reset) for item in news):
                    found = await self._find()
                    # What it printed last is shown before it is said to be over.
                    async for reached, lines in self._new_lines(place):
                        place = reached
                        yield lines
                    place = replace(place, version=found.run.version)
                    for part in self._changed(found, place):
                        yield part
                elif (moved := self._moved(news, found)) is not None:
                    yield moved
                elif not news and not found.run.is_open:
                    yield silence()
                await pause(PAUSE_SECONDS if news else 0)

    def _changed(self, found: Found, place: Place) -> list[bytes]:
        """Say that the run changed; its end is announced in words too."""
        parts = [signal("perdure:run", identifier=str(place))]
        state = run_view(found.run, found.now, found.live).state
        if state in FINAL_STATES:
            parts.append(signal("perdure:say", f"{found.run.request.name}: {state}"))
        return parts

    async def _find(self) -> Found:
        found = await find_run(self._services.database, self._tenant, self._run)
        if found is None:
            message = "a run that was there is gone"
            raise RuntimeError(message)
        return found

    async def _gather(self, heard: Listener, found: Found) -> list[News]:
        """Wait for news, and take all that is there."""
        first = await heard.next(seconds=PRINTING_SECONDS if found.run.is_open else SILENT_SECONDS)
        news = []
        while first is not None:
            news.append(first)
            first = await heard.next(seconds=0)
        return news

    async def _new_lines(self, place: Place) -> AsyncIterator[tuple[Place, bytes]]:
        """Give the output after a place, as the store has it: whole and in order."""
        line, rounds = place.line, 0
        while line is not None:
            late = rounds >= ROUNDS
            found = await (self._end(place) if late else self._after(place, line))
            if found.next > line:
                place = replace(place, line=found.next)
                swap = "innerHTML" if late else "beforeend"
                yield place, self._printed(found.items, place, swap)
            line = found.next if len(found.items) == LINES_AT_ONCE else None
            rounds = 0 if late else rounds + 1

    async def _after(self, place: Place, line: int) -> Lines:
        pool = self._services.database.pool
        return await read_lines(
            pool, self._run, place.attempt, after=line, limit=LINES_AT_ONCE, stream=self._stream
        )

    async def _end(self, place: Place) -> Lines:
        pool = self._services.database.pool
        return await read_tail(
            pool, self._run, place.attempt, count=LINES_AT_ONCE, stream=self._stream
        )

    def _printed(self, entries: tuple[LogEntry, ...], place: Place, swap: str) -> bytes:
        if not entries:
            return silence(identifier=str(place))
        kept = {
            "tab": "log",
            "attempt": place.attempt,
            "stream": self._stream or "",
            "times": "1" if self._times else "",
        }
        lines = LogLines(
            lines=entries,
            line=None,
            line_href=with_query(f"/runs/{self._run}", kept) + "&line=",
            times=self._times,
        )
        html = render("_log_lines.html", {"log": lines})
        return fragment(html, "#log-lines", swap, identifier=str(place))

    def _moved(self, news: list[News], found: Found) -> bytes | None:
        """Show the newest progress of the open attempt, on the part that shows it."""
        last = next((item for item in reversed(news) if isinstance(item, Progressed)), None)
        if last is None or not self._shows_progress:
            return None
        live = _progress.decode(last.data)
        attempt = found.run.attempt
        if not found.run.is_open or attempt is None or attempt.number != live.attempt:
            return None
        if live.progress == self._shown_progress:
            return None
        self._shown_progress = live.progress
        view: RunView = run_view(found.run, now(), live.progress)
        return fragment(
            render("_progress.html", {"run_page": {"run": view}}), "#progress", "outerMorph"
        )
