"""The one stream that a page keeps open.

Lists hear only that something happened (`perdure:runs`) and read themselves again. The page of a run
hears that the run changed (`perdure:run`), and gets its progress and its output as fragments to show.
Fragments hold no forms and nothing to press: what acts is always fetched anew, with the right version.

An id says how far the reader has come; coming back with it, nothing is missed and nothing comes twice.
A stream ends by itself after some 15 minutes and when its session is over; the browser comes back, and
is looked at like any newcomer.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError, Refused
from perdure_api.messaging.hub import Moved
from perdure_api.pages.live_frames import signal, silence
from perdure_api.pages.live_run import Place, RunWatch, read_place
from perdure_api.pages.visit import query_of, whole_number
from perdure_api.projections import run_list
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.streaming import Streamed
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of, header, session_of
from perdure_api.services import Services, services_of
from perdure_api.store.event_log import head
from perdure_runtime.clock import monotonic, pause

LIFE_SECONDS: Final = 900.0
LIFE_SPREAD: Final = 0.2
"""Streams that began together do not end together."""
LOOK_SECONDS: Final = 5.0
"""How often a silent stream asks whether its session is still there."""
PAUSE_SECONDS: Final = 0.4
"""Signals to lists come at most this often; the first of a burst comes at once."""
MOST_OF_A_SESSION: Final = 20

_open: Counter[bytes] = Counter()


@get("/live", opt={"permission": "view"}, name="stream of a page")
async def live(request: HttpRequest) -> ASGIApp:
    """Keep a page up to date."""
    services, query = services_of(request), query_of(request)
    came_back = header(request.scope, b"last-event-id")
    if "run" in query:
        return Streamed(await _watched_run(request, services, query, came_back))
    position = None if came_back is not None else whole_number(query.get("position"), least=0)
    return Streamed(_limited(request, _moves(services, Stay(request), position)))


class Stay:
    """How long a stream may go on: its time, and its session."""

    def __init__(self, request: HttpRequest) -> None:
        self._sessions = services_of(request).sessions
        self._cookies = header(request.scope, b"cookie")
        spread = 1 + LIFE_SPREAD * (2 * random.random() - 1)  # noqa: S311 -- it spreads load and hides nothing
        self._until = monotonic() + LIFE_SECONDS * spread
        self._looked = monotonic()

    async def goes_on(self) -> bool:
        """Tell whether the reader may stay; asks for the session now and then."""
        if monotonic() > self._until:
            return False
        if monotonic() - self._looked < LOOK_SECONDS:
            return True
        self._looked = monotonic()
        return await self._sessions.find(self._cookies) is not None


async def _watched_run(
    request: HttpRequest, services: Services, query: Mapping[str, str], came_back: bytes | None
) -> AsyncIterator[bytes]:
    run_id, tenant = as_run_id(query["run"]), caller_of(request).tenant
    if await find_run(services.database, tenant, run_id) is None:
        raise NotFoundError(run_id)
    place = Place(
        version=whole_number(query.get("version")) or 0,
        attempt=whole_number(query.get("attempt")) or 0,
        line=whole_number(query.get("line"), least=0),
    )
    if came_back is not None:
        place = read_place(came_back, place)
    watch = RunWatch(services, tenant, run_id, query)
    return _limited(request, watch.frames(place, Stay(request).goes_on))


async def _moves(services: Services, stay: Stay, position: int | None) -> AsyncIterator[bytes]:
    """Say that something happened, once the lists show it."""
    database = services.database
    with services.hub.listen_to_moves() as heard:
        now_at = (await head(database.pool)).position
        if position != now_at:
            yield signal("perdure:runs", identifier=str(now_at))
        else:
            yield silence(identifier=str(now_at))
        position = now_at
        while await stay.goes_on():
            news = await heard.next(seconds=LOOK_SECONDS)
            if news is None:
                yield silence()
                continue
            position = news.position if isinstance(news, Moved) else position
            await run_list.wait_for(database, position)
            yield signal("perdure:runs", identifier=str(position))
            await pause(PAUSE_SECONDS)


def _limited(request: HttpRequest, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Count a session's streams; raises `Refused` over the limit."""
    session = session_of(request)
    key = session.sha256 if session is not None else b""
    if _open[key] >= MOST_OF_A_SESSION:
        raise Refused("too-many-requests", "Too many pages are open; close some of them.")
    return _counted(key, frames)


async def _counted(key: bytes, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _taken(key):
        async for part in frames:
            yield part


@contextmanager
def _taken(key: bytes) -> Iterator[None]:
    _open[key] += 1
    try:
        yield
    finally:
        _open[key] -= 1
        if _open[key] <= 0:
            del _open[key]


HANDLERS: Final[list[HTTPRouteHandler]] = [live]
