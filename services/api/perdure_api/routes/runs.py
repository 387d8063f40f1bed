"""Runs: request one or many, find them, read one, do something to one."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.job import Job
from perdure_api.domain.run import Run, state_at
from perdure_api.errors import NotFoundError, Unavailable
from perdure_api.job_drafts import (
    RunsWanted,
    RunWanted,
    jobs_named_in,
    read_many_wanted,
    read_wanted,
)
from perdure_api.once import StoredAnswer
from perdure_api.projections import run_list
from perdure_api.projections.jobs import jobs_by_name
from perdure_api.projections.run_detail import get_run, live_progress, run_view
from perdure_api.routes.bodies import MAX_BULK_BYTES, Body, read_json
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.writing import (
    CREATES,
    POSITION,
    answered,
    as_run_id,
    idempotency_of,
    validated,
)
from perdure_contract.objects import RunView, State
from perdure_runtime import clock

Moment = Annotated[datetime, Meta(tz=True)]
Limit = Annotated[int, Meta(ge=1, le=500)]


class Requested(Struct, frozen=True):
    """A run of a bulk request, in its order."""

    id: str
    state: State


class RequestedMany(Struct, frozen=True):
    """The runs that a bulk request made."""

    items: tuple[Requested, ...]


class RunPage(Struct, frozen=True):
    """Some of the runs; `next` leads on, null at the end."""

    items: tuple[RunView, ...]
    next: str | None


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs are listed, and in which order."""

    state: tuple[State, ...] = ()
    job: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    executor: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    q: Annotated[str, Meta(max_length=200)] | None = None
    since: Moment | None = None
    until: Moment | None = None
    sort: run_list.Sort = "-created"
    limit: Limit = 50
    after: Annotated[str, Meta(max_length=200)] | None = None
    min_position: Annotated[int, Meta(ge=0)] | None = None


class AsOf(Struct, frozen=True, kw_only=True):
    """As of which of its events a run is shown."""

    at: Annotated[int, Meta(ge=1)] | None = None


@operation(
    "POST",
    "/api/runs",
    permission="author",
    summary="Request a run",
    body=RunWanted,
    answer=RunView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def request_run(call: Call) -> ASGIApp:
    """Request one run and answer with it."""
    body = await read_json(call.request)
    jobs = await _named(call, body)
    request = validated(body, lambda b: read_wanted(b.value, jobs, clean=b.clean))
    request = await call.services.with_input(call.caller, request)
    idempotency = idempotency_of(call.request, body, created)
    done = await call.services.commands.request_run(call.caller, request, idempotency=idempotency)
    return answered(done.result, created)


@operation(
    "POST",
    "/api/runs/bulk",
    permission="author",
    summary="Request up to 10,000 runs, all or none",
    body=RunsWanted,
    answer=RequestedMany,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def request_runs(call: Call) -> ASGIApp:
    """Request many runs in one transaction."""
    async with call.services.bulk_turn():
        body = await read_json(call.request, limit=MAX_BULK_BYTES)
        jobs = await _named(call, body)
        requests = [
            await call.services.with_input(call.caller, request, f"/runs/{index}")
            for index, request in enumerate(
                validated(body, lambda b: read_many_wanted(b.value, jobs, clean=b.clean))
            )
        ]
        idempotency = idempotency_of(call.request, body, created_many)
        done = await call.services.commands.request_runs(
            call.caller, requests, idempotency=idempotency
        )
        return answered(done.result, created_many)


async def _named(call: Call, body: Body) -> dict[str, Job]:
    """Give the jobs that a body names, as far as they are there."""
    names = jobs_named_in(body.value)
    return await jobs_by_name(call.services.database.pool, call.caller.tenant, names)


@operation(
    "GET", "/api/runs", permission="view", summary="Find runs", query=RunFilter, answer=RunPage
)
async def list_runs(call: Call[RunFilter]) -> ASGIApp:
    """List runs, newest first unless asked otherwise."""
    query = call.query
    database = call.services.database
    if query.min_position is not None and not await run_list.wait_for(database, query.min_position):
        raise Unavailable("The list has not come that far yet.", code="behind")
    wanted = run_list.Filter(
        **{name: getattr(query, name) for name in run_list.Filter.__struct_fields__}
    )
    page = await run_list.find(
        database, call.caller.tenant, wanted, sort=query.sort, after=query.after, limit=query.limit
    )
    now = clock.now()
    live = await live_progress(database, page.runs)
    views = tuple(run_view(run, now, live.get(run.id)) for run in page.runs)
    return json_reply(RunPage(views, page.next))


@operation(
    "GET", "/api/runs/{run_id}", permission="view", summary="Read a run", query=AsOf, answer=RunView
)
async def read_one(call: Call[AsOf]) -> ASGIApp:
    """Show a run as it is now, or as of one of its events."""
    run_id = as_run_id(call.path("run_id"))
    view = await get_run(call.services.database, call.caller.tenant, run_id, at=call.query.at)
    if view is None:
        raise NotFoundError(run_id)
    return json_reply(view)


def created(run: Run) -> StoredAnswer:
    """Answer with a new run."""
    headers = {"location": f"/api/runs/{run.id}", POSITION: str(run.position)}
    return StoredAnswer(
        status=HTTPStatus.CREATED, body=encode(run_view(run, run.created_at)), headers=headers
    )


def created_many(runs: list[Run]) -> StoredAnswer:
    """Answer with what a bulk request made."""
    items = tuple(Requested(run.id, state_at(run, run.created_at)) for run in runs)
    position = max(run.position for run in runs)
    return StoredAnswer(
        status=HTTPStatus.CREATED,
        body=encode(RequestedMany(items)),
        headers={POSITION: str(position)},
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [request_run, request_runs, list_runs, read_one]
