"""One action on many runs: preview, request, progress, outcomes, stop."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.bulk import WITH_CANARY, Bulk, BulkAction, Options
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import NotFoundError, invalid
from perdure_api.once import StoredAnswer
from perdure_api.projections import bulk as bulks
from perdure_api.projections import run_list
from perdure_api.routes.bodies import read_json
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queries import NoQuery
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.runs import Moment
from perdure_api.routes.writing import (
    CREATES,
    answered,
    as_run_id,
    idempotency_of,
    position_header,
    read_clean,
    read_fields,
    validated,
)
from perdure_contract.facts import Json
from perdure_contract.objects import BulkPreview, BulkView, State
from perdure_runtime import clock
from perdure_runtime.clock import rfc3339

MAX_RUNS: Final = 1_000_000

Words = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=100)]


class BulkFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which runs: the same fields as of the list, values in arrays."""

    state: tuple[State, ...] = ()
    job: Words = ()
    kind: Words = ()
    queue: Words = ()
    executor: Words = ()
    tag: Words = ()
    q: Annotated[str, Meta(max_length=200)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class BulkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with which runs; exactly one of `filter` and `ids`."""

    action: BulkAction
    filter: BulkFilter | None = None
    ids: Annotated[tuple[str, ...], Meta(max_length=100_000)] | None = None
    preview: bool = False
    canary: bool = False
    reason: Annotated[str, Meta(max_length=500)] | None = None
    force: bool = False
    origin: Annotated[str, Meta(pattern="^(beginning|checkpoint)$")] | None = msgspec.field(
        default=None, name="from"
    )
    message: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    priority: Annotated[int, Meta(ge=-100, le=100)] | None = None


class StopRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is stopped."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


class ListQuery(Struct, frozen=True, kw_only=True):
    """Which page of the operations."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Annotated[int, Meta(ge=1)] | None = None


class OutcomeQuery(Struct, frozen=True, kw_only=True):
    """Which outcomes."""

    outcome: Annotated[str, Meta(pattern="^(done|refused)$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Annotated[int, Meta(ge=0)] = 0


@operation(
    "POST",
    "/api/bulk",
    permission="operate",
    summary="Do one action on many runs, or tell what it would do",
    body=BulkRequest,
    answer=BulkView,
    status=HTTPStatus.ACCEPTED,
    headers=CREATES,
)
async def request_bulk(call: Call[NoQuery]) -> ASGIApp:
    """Preview, or start in the background."""
    body = await read_json(call.request)
    asked = validated(body, lambda b: read_clean(b, BulkRequest))
    _check(asked)
    if asked.preview:
        return json_reply(await _preview(call, asked))
    run_ids = await _chosen(call, asked)
    options = Options(
        reason=asked.reason,
        force=asked.force,
        origin=asked.origin,  # type: ignore[arg-type]  # its pattern admits the two words only
        message=asked.message,
        priority=asked.priority,
    )
    chosen_by: dict[str, Json] | None = None
    if asked.filter is not None:
        chosen_by = msgspec.to_builtins(asked.filter)
    done = await call.services.commands.request_bulk(
        call.caller,
        asked.action,
        run_ids,
        options=msgspec.to_builtins(options),
        chosen_by=chosen_by,
        canary=asked.canary,
        idempotency=idempotency_of(call.request, body, _accepted(call)),
    )
    reply = answered(done.result, _accepted(call))
    reply.headers.append(position_header(done.position))
    return reply


def _accepted(call: Call[NoQuery]) -> Callable[[Bulk], StoredAnswer]:
    def render(bulk: Bulk) -> StoredAnswer:
        view = BulkView(
            id=bulk.id,
            action=bulk.action,
            state=bulk.state,
            matched=bulk.matched,
            done=0,
            refused=0,
            left=bulk.matched,
            canary=bulk.canary,
            why=None,
            requested_at=rfc3339(clock.now()),
            requested_by=call.caller.actor,
        )
        headers = {"location": f"/api/bulk/{bulk.id}"}
        return StoredAnswer(status=HTTPStatus.ACCEPTED, body=encode(view), headers=headers)

    return render


def _check(asked: BulkRequest) -> None:
    faults = []
    if (asked.filter is None) == (asked.ids is None):
        faults.append(FieldError("/filter", "one-of", "Give either `filter` or `ids`."))
    if asked.action == "fail" and asked.message is None:
        faults.append(FieldError("/message", "required", "Say why the runs are failed."))
    if asked.action == "priority" and asked.priority is None:
        faults.append(FieldError("/priority", "required", "Give the new priority."))
    if asked.canary and asked.action not in WITH_CANARY:
        words = (
            "Only with actions after which a run goes on: " + ", ".join(sorted(WITH_CANARY)) + "."
        )
        faults.append(FieldError("/canary", "not-possible", words))
    for index, run_id in enumerate(asked.ids or ()):
        try:
            as_run_id(run_id)
        except NotFoundError:
            faults.append(FieldError(f"/ids/{index}", "bad-id", "This is no id of a run."))
    if faults:
        raise invalid(tuple(faults[:100]))


async def _preview(call: Call[NoQuery], asked: BulkRequest) -> BulkPreview:
    database, tenant = call.services.database, call.caller.tenant
    if asked.filter is None:
        return await bulks.preview(database, tenant, asked.action, await _chosen(call, asked))
    wanted = _wanted(asked.filter)
    return await bulks.preview_matching(database, tenant, asked.action, wanted, limit=MAX_RUNS)


async def _chosen(call: Call[NoQuery], asked: BulkRequest) -> list[str]:
    if asked.filter is None:
        return list(dict.fromkeys(asked.ids or ()))
    wanted = _wanted(asked.filter)
    return await run_list.ids(call.services.database, call.caller.tenant, wanted, limit=MAX_RUNS)


def _wanted(said: BulkFilter) -> run_list.Filter:
    fields = {name: getattr(said, name) for name in run_list.Filter.__struct_fields__}
    return run_list.Filter(**fields)


@operation(
    "GET",
    "/api/bulk",
    permission="view",
    summary="List bulk operations, latest first",
    query=ListQuery,
    answer=bulks.BulkList,
)
async def list_bulks(call: Call[ListQuery]) -> ASGIApp:
    """List what was asked for, and how far each is."""
    page = await bulks.recent(
        call.services.database, call.caller.tenant, after=call.query.after, limit=call.query.limit
    )
    return json_reply(page)


@operation(
    "GET",
    "/api/bulk/{bulk_id}",
    permission="view",
    summary="Read a bulk operation",
    answer=BulkView,
)
async def read_bulk(call: Call[NoQuery]) -> ASGIApp:
    """Show how far a bulk operation is."""
    return json_reply(await _found(call))


@operation(
    "GET",
    "/api/bulk/{bulk_id}/outcomes",
    permission="view",
    summary="List what became of each run",
    query=OutcomeQuery,
    answer=bulks.OutcomePage,
)
async def list_outcomes(call: Call[OutcomeQuery]) -> ASGIApp:
    """List outcomes in the order of the operation."""
    bulk = await _found(call)
    query = call.query
    page = await bulks.outcomes(
        call.services.database,
        bulk.id,
        after=query.after,
        limit=query.limit,
        outcome=query.outcome,
    )
    return json_reply(page)


@operation(
    "POST",
    "/api/bulk/{bulk_id}/stop",
    permission="operate",
    summary="Stop a bulk operation; what is done stays done",
    body=StopRequest,
    body_is_optional=True,
    answer=BulkView,
)
async def stop_bulk(call: Call[NoQuery]) -> ASGIApp:
    """Stop after the runs under way."""
    asked = await read_fields(call.request, StopRequest, may_be_empty=True)
    bulk = await _found(call)
    await call.services.commands.stop_bulk(call.caller, bulk.id, asked.reason)
    return json_reply(await _found(call))


async def _found(call: Call[Any]) -> BulkView:
    bulk_id = as_run_id(call.path("bulk_id"))
    bulk = await bulks.find(call.services.database, call.caller.tenant, bulk_id)
    if bulk is None:
        raise NotFoundError(bulk_id)
    return bulk


HANDLERS: Final[list[HTTPRouteHandler]] = [
    request_bulk,
    list_bulks,
    read_bulk,
    list_outcomes,
    stop_bulk,
]
