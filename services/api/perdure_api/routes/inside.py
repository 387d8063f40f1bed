"""What is inside one run: its events, attempts, checkpoints and output. Always current."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.run import Run
from perdure_api.errors import NotFoundError
from perdure_api.projections.run_detail import (
    Found,
    attempts_of,
    checkpoints_of,
    events_of,
    find_run,
)
from perdure_api.projections.why import why
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import Download, json_reply
from perdure_api.routes.writing import as_run_id
from perdure_api.security.headers import SANDBOX
from perdure_api.store.logs import Lines, Stream, read_lines, read_tail, read_text
from perdure_contract.envelope import CloudEvent, cloud_event
from perdure_contract.objects import AttemptView, CheckpointView, LogEntry, WhyView

Limit = Annotated[int, Meta(ge=1, le=500)]


class EventsQuery(Struct, frozen=True, kw_only=True):
    """Which events of a run."""

    after: Annotated[int, Meta(ge=0, description="Events after this version.")] = 0
    limit: Limit = 50


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which lines of a run's output."""

    attempt: Annotated[int, Meta(ge=1, description="The last one when left out.")] | None = None
    stream: Stream | None = None
    after: Annotated[int, Meta(ge=0, le=2**62, description="Lines after this one.")] = 0
    tail: Annotated[int, Meta(ge=1, le=1000, description="The last so many lines.")] | None = None
    limit: Limit = 500
    q: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    format: Literal["json", "text"] = "json"


class EventPage(Struct, frozen=True):
    """Events of a run in order; `next` leads on, null at the end."""

    items: tuple[CloudEvent, ...]
    next: str | None


class Attempts(Struct, frozen=True):
    """All attempts of a run."""

    items: list[AttemptView]
    next: None = None


class Checkpoints(Struct, frozen=True):
    """All checkpoints of a run."""

    items: list[CheckpointView]
    next: None = None


class LogPage(Struct, frozen=True):
    """Lines in order of arrival; `next` is the last line looked at."""

    items: tuple[LogEntry, ...]
    next: int


@operation(
    "GET",
    "/api/runs/{run_id}/events",
    permission="view",
    summary="Read the events of a run",
    query=EventsQuery,
    answer=EventPage,
)
async def list_events(call: Call[EventsQuery]) -> ASGIApp:
    """Give a run's events in order of version."""
    services, query = call.services, call.query
    run = (await found(call)).run
    events = await events_of(
        services.database, run, after_version=query.after, limit=query.limit + 1
    )
    shown = events[: query.limit]
    items = tuple(cloud_event(event, services.store_id) for event in shown)
    return json_reply(
        EventPage(items, str(shown[-1].version) if len(events) > len(shown) else None)
    )


@operation(
    "GET",
    "/api/runs/{run_id}/attempts",
    permission="view",
    summary="Read the attempts of a run",
    answer=Attempts,
)
async def list_attempts(call: Call) -> ASGIApp:
    """Give every attempt, told by the run's events."""
    run = (await found(call)).run
    return json_reply(Attempts(attempts_of(await events_of(call.services.database, run))))


@operation(
    "GET",
    "/api/runs/{run_id}/checkpoints",
    permission="view",
    summary="Read the checkpoints of a run",
    answer=Checkpoints,
)
async def list_checkpoints(call: Call) -> ASGIApp:
    """Give every durable mark, told by the run's events."""
    run = (await found(call)).run
    return json_reply(Checkpoints(checkpoints_of(await events_of(call.services.database, run))))


@operation(
    "GET",
    "/api/runs/{run_id}/log",
    permission="view",
    summary="Read the output of an attempt, as JSON or as text",
    query=LogQuery,
    answer=LogPage,
    other_media_types=("text/plain",),
)
async def read_log(call: Call[LogQuery]) -> ASGIApp:
    """Give output of one attempt, the last by default."""
    query = call.query
    run = (await found(call)).run
    attempt = _attempt(run, query.attempt)
    if query.format == "text":
        return _as_text(call, run, attempt)
    lines = await _lines(call, run, attempt)
    return json_reply(LogPage(lines.items, lines.next))


@operation(
    "GET",
    "/api/runs/{run_id}/why",
    permission="view",
    summary="Ask why a run is in its state",
    answer=WhyView,
)
async def ask_why(call: Call) -> ASGIApp:
    """Give the reason in a sentence, and the rules behind it."""
    return json_reply(await why(call.services.database, await found(call)))


async def found(call: Call[Any]) -> Found:
    """Give the run of a path; one of somebody else is not there."""
    run_id = as_run_id(call.path("run_id"))
    run = await find_run(call.services.database, call.caller.tenant, run_id)
    if run is None:
        raise NotFoundError(run_id)
    return run


def _attempt(run: Run, wanted: int | None) -> int:
    last = 0 if run.attempt is None else run.attempt.number
    if wanted is not None and wanted > last:
        raise NotFoundError(str(wanted))
    return last if wanted is None else wanted


async def _lines(call: Call[LogQuery], run: Run, attempt: int) -> Lines:
    query, pool = call.query, call.services.database.pool
    if query.tail is not None:
        return await read_tail(
            pool, run.id, attempt, count=query.tail, stream=query.stream, q=query.q
        )
    return await read_lines(
        pool, run.id, attempt, after=query.after, limit=query.limit, stream=query.stream, q=query.q
    )


def _as_text(call: Call[LogQuery], run: Run, attempt: int) -> Download:
    query, pool = call.query, call.services.database.pool
    if query.tail is None and query.q is None:
        source = read_text(pool, run.id, attempt, after=query.after, stream=query.stream)
    else:
        source = _few_lines(call, run, attempt)
    name = f"run-{run.id}-{attempt}.log"
    headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"content-security-policy", SANDBOX),
    )
    return Download(source, headers=headers)


async def _few_lines(call: Call[LogQuery], run: Run, attempt: int) -> AsyncIterator[bytes]:
    for entry in (await _lines(call, run, attempt)).items:
        if entry.omitted is not None:
            cut = entry.omitted
            yield f"[{cut.lines} lines, {cut.bytes} bytes left out here]\n".encode()
        else:
            yield f"{entry.text}\n".encode()


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_events,
    list_attempts,
    list_checkpoints,
    read_log,
    ask_why,
]
