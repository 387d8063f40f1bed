"""Schedules: when jobs are run by the clock, and what became of it."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import FieldError
from perdure_api.domain.schedule import Schedule
from perdure_api.domain.triggers import fires
from perdure_api.errors import invalid
from perdure_api.job_drafts import PreviewDraft, ScheduleDraft, preview, read_plan
from perdure_api.once import StoredAnswer
from perdure_api.projections import schedules
from perdure_api.routes.bodies import read_json
from perdure_api.routes.jobs import Deletion, Gone
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queries import NoQuery
from perdure_api.routes.queues import Why
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.runs import created
from perdure_api.routes.writing import (
    CREATES,
    POSITION,
    WRITES,
    answered,
    as_run_id,
    idempotency_of,
    position_header,
    read_clean,
    read_fields,
    validated,
)
from perdure_api.services import Services
from perdure_api.store import event_log
from perdure_api.store.state import StreamRow
from perdure_contract.identifiers import stream_key
from perdure_contract.jobs import FireView, PreviewView, ScheduleView
from perdure_contract.objects import RunView

MOST_BACKFILLED: Final = 100
Moment = Annotated[datetime, Meta(tz=True)]


class SchedulePage(Struct, frozen=True):
    """Some of the schedules; `next` leads on, null at the end."""

    items: tuple[ScheduleView, ...]
    next: str | None


class ScheduleList(Struct, frozen=True, kw_only=True):
    """Which schedules are listed, in the order they were made."""

    job: Annotated[str, Meta(max_length=63)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Annotated[str, Meta(max_length=36)] | None = None
    min_position: Annotated[int, Meta(ge=0)] | None = None


class FirePage(Struct, frozen=True):
    """What became of fire times, the latest first; `next` leads on, null at the end."""

    items: tuple[FireView, ...]
    next: str | None


class FireList(Struct, frozen=True, kw_only=True):
    """Which fire times are listed; `after` is the last one seen, so those before it follow."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Moment | None = None


class Backfill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Between which moments, both included, fire times that were not kept are fired."""

    since: Moment = msgspec.field(name="from")
    until: Moment


@operation(
    "POST",
    "/api/schedules",
    permission="author",
    summary="Have a job run by the clock",
    body=ScheduleDraft,
    answer=ScheduleView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def create(call: Call) -> ASGIApp:
    """Make a schedule."""
    body = await read_json(call.request)
    draft = validated(body, lambda b: read_clean(b, ScheduleDraft))
    done = await call.services.schedules.create(
        call.caller,
        read_plan(draft),
        enabled=draft.enabled,
        idempotency=idempotency_of(call.request, body, _created),
    )
    return answered(done.result, _created)


@operation(
    "GET",
    "/api/schedules",
    permission="view",
    summary="List the schedules",
    query=ScheduleList,
    answer=SchedulePage,
)
async def list_all(call: Call[ScheduleList]) -> ASGIApp:
    """Give schedules of one job or of all."""
    query = call.query
    after = None if query.after is None else as_run_id(query.after)
    found = await schedules.list_schedules(
        call.services.database.pool,
        call.caller.tenant,
        job=query.job,
        after=after,
        limit=query.limit + 1,
    )
    following = found[query.limit - 1].id if len(found) > query.limit else None
    return json_reply(SchedulePage(tuple(found[: query.limit]), following))


@operation(
    "POST",
    "/api/schedules/preview",
    permission="view",
    summary="Tell when a trigger would fire",
    body=PreviewDraft,
    answer=PreviewView,
)
async def look_ahead(call: Call) -> ASGIApp:
    """Give the next fire times, the trigger in words, and what clock changes do to it."""
    asked = await read_fields(call.request, PreviewDraft)
    head = await event_log.head(call.services.database.pool)
    return json_reply(preview(asked, head.now))


@operation(
    "GET",
    "/api/schedules/{id}",
    permission="view",
    summary="Read a schedule",
    answer=ScheduleView,
)
async def read_one(call: Call) -> ASGIApp:
    """Give a schedule as it is now."""
    return json_reply(await _view(call.services, call.caller, _id(call)))


@operation(
    "PUT",
    "/api/schedules/{id}",
    permission="author",
    summary="Revise a schedule",
    body=ScheduleDraft,
    answer=ScheduleView,
    headers=WRITES,
)
async def revise(call: Call) -> ASGIApp:
    """Give a schedule another plan; no time of the past is fired again."""
    draft = await read_fields(call.request, ScheduleDraft)
    done = await call.services.schedules.revise(
        call.caller,
        _id(call),
        read_plan(draft),
        enabled=draft.enabled,
        expected_version=draft.expected_version,
    )
    return await _changed(call, done.position)


@operation(
    "DELETE",
    "/api/schedules/{id}",
    permission="author",
    summary="Delete a schedule",
    query=Deletion,
    answer=Gone,
    headers=WRITES,
)
async def delete(call: Call[Deletion]) -> ASGIApp:
    """Delete a schedule; its runs stay."""
    schedule_id = _id(call)
    done = await call.services.schedules.delete(call.caller, schedule_id, call.query.reason)
    return json_reply(Gone(schedule_id), headers=(position_header(done.position),))


@operation(
    "POST",
    "/api/schedules/{id}/pause",
    permission="operate",
    summary="Let a schedule fire no more until it is resumed",
    body=Why,
    body_is_optional=True,
    answer=ScheduleView,
    headers=WRITES,
)
async def pause(call: Call) -> ASGIApp:
    """Pause a schedule; its runs go on."""
    why = await read_fields(call.request, Why, may_be_empty=True)
    done = await call.services.schedules.pause(call.caller, _id(call), why.reason)
    return await _changed(call, done.position)


@operation(
    "POST",
    "/api/schedules/{id}/resume",
    permission="operate",
    summary="Let a paused schedule go on",
    body=Why,
    body_is_optional=True,
    answer=ScheduleView,
    headers=WRITES,
)
async def resume(call: Call) -> ASGIApp:
    """Resume a schedule with the next fire time ahead."""
    why = await read_fields(call.request, Why, may_be_empty=True)
    done = await call.services.schedules.resume(call.caller, _id(call), why.reason)
    return await _changed(call, done.position)


@operation(
    "POST",
    "/api/schedules/{id}/trigger",
    permission="operate",
    summary="Fire a schedule now",
    body=Why,
    body_is_optional=True,
    answer=RunView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def trigger(call: Call) -> ASGIApp:
    """Fire now by hand, paused or not; answers with the run."""
    body = await read_json(call.request, may_be_empty=True)
    validated(body, lambda b: read_clean(b, Why))
    schedule = await _schedule(call)
    done = await call.services.schedules.trigger(
        call.caller,
        schedule.id,
        schedule.plan.job,
        idempotency=idempotency_of(call.request, body, created),
    )
    return answered(done.result, created)


@operation(
    "POST",
    "/api/schedules/{id}/backfill",
    permission="operate",
    summary="Fire for times of the past that were not kept",
    body=Backfill,
    answer=FirePage,
    headers=WRITES,
)
async def backfill(call: Call) -> ASGIApp:
    """Fire each time between two moments that was not fired; answers with what became of them."""
    asked = await read_fields(call.request, Backfill)
    schedule, pool = await _schedule(call), call.services.database.pool
    now = (await event_log.head(pool)).now
    times = times_between(schedule, asked, now)
    done = await call.services.schedules.backfill(
        call.caller, schedule.id, schedule.plan.job, times
    )
    became = await schedules.fires_at(pool, schedule.id, times)
    return json_reply(FirePage(tuple(became), None), headers=(position_header(done.position),))


@operation(
    "GET",
    "/api/schedules/{id}/fires",
    permission="view",
    summary="List what became of a schedule's fire times",
    query=FireList,
    answer=FirePage,
)
async def list_fires(call: Call[FireList]) -> ASGIApp:
    """Give fire times that were kept, missed and skipped, the latest first."""
    schedule, query = await _schedule(call), call.query
    found = await schedules.fires_of(
        call.services.database.pool, schedule.id, before=query.after, limit=query.limit + 1
    )
    last = found[query.limit - 1] if len(found) > query.limit else None
    following = None if last is None else (last.until or last.fire_at)
    return json_reply(FirePage(tuple(found[: query.limit]), following))


def times_between(schedule: Schedule, asked: Backfill, now: datetime) -> list[datetime]:
    """Give the fire times of a schedule between two moments.

    Raises:
        Refused: when they end before they begin, or are too many, or not over yet.
    """
    if asked.until < asked.since:
        words = "It ends before it begins."
        raise invalid((FieldError("/until", "out-of-range", words),))
    if asked.until > now:
        raise invalid((FieldError("/until", "out-of-range", "It lies ahead."),))
    # From just before, so that `from` itself counts.
    found = fires(schedule.rule, asked.since - datetime.resolution, MOST_BACKFILLED + 1)
    times = [moment for moment in found if moment <= asked.until]
    if len(times) > MOST_BACKFILLED:
        words = f"More than {MOST_BACKFILLED} fire times; take it in parts."
        raise invalid((FieldError("/until", "too-many", words),))
    return times


def _id(call: Call[NoQuery] | Call[Deletion] | Call[FireList]) -> str:
    return as_run_id(call.path("id"))


async def _schedule(call: Call[NoQuery] | Call[FireList]) -> Schedule:
    pool = call.services.database.pool
    _, schedule = await schedules.find_schedule(pool, call.caller.tenant, _id(call))
    return schedule


async def _view(services: Services, by: Caller, schedule_id: str) -> ScheduleView:
    return await schedules.get_schedule(services.database.pool, by.tenant, schedule_id)


async def _changed(call: Call[NoQuery], position: int) -> ASGIApp:
    view = await _view(call.services, call.caller, _id(call))
    return json_reply(view, headers=(position_header(position),))


def _created(row: StreamRow) -> StoredAnswer:
    schedule_id = stream_key(row.stream)
    headers = {"location": f"/api/schedules/{schedule_id}", POSITION: str(row.last_position)}
    return StoredAnswer(
        status=HTTPStatus.CREATED, body=encode(schedules.fresh_view(row)), headers=headers
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [
    create, list_all, look_ahead, read_one, revise, delete, pause, resume, trigger, backfill,
    list_fires,
]  # fmt: skip
