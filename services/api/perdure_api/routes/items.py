"""The items of a batch: read them, take them along as CSV, run those again that failed."""

from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.rejections import FieldError
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import RetryItems
from perdure_api.errors import Refused, Rejected, invalid
from perdure_api.projections.items import (
    ItemOutcome,
    ItemPage,
    input_of,
    items_csv,
    items_page,
)
from perdure_api.routes.actions import Plain, note_refusal, shown
from perdure_api.routes.bodies import read_json
from perdure_api.routes.inside import Limit, found
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import Download, json_reply
from perdure_api.routes.writing import WRITES, answered, idempotency_of, read_clean, validated
from perdure_api.security.access import header
from perdure_api.security.headers import SANDBOX
from perdure_api.store.inputs import ordinals_of
from perdure_contract.items import MAX_KEY
from perdure_contract.objects import RunView

MAX_NAMED: Final = 10_000
Ordinal = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ItemsQuery(Struct, frozen=True, kw_only=True):
    """Which items of a batch."""

    outcome: tuple[ItemOutcome, ...] = ()
    q: (
        Annotated[
            str, Meta(min_length=1, max_length=200, description="Part of a key or of an error.")
        ]
        | None
    ) = None
    after: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Items after this ordinal.")] = 0
    limit: Limit = 50
    format: (
        Annotated[Literal["json", "csv"], Meta(description="`csv`: all of them, as a file.")] | None
    ) = None


class RetryItemsBody(Plain, frozen=True, kw_only=True):
    """Which failed items run again; left out, all of them."""

    ordinals: Annotated[tuple[Ordinal, ...], Meta(min_length=1, max_length=MAX_NAMED)] | None = None
    keys: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=MAX_KEY)], ...],
            Meta(min_length=1, max_length=MAX_NAMED),
        ]
        | None
    ) = None


@operation(
    "GET",
    "/api/runs/{run_id}/items",
    permission="view",
    summary="Read the items of a batch, as JSON or as CSV",
    query=ItemsQuery,
    answer=ItemPage,
    other_media_types=("text/csv",),
)
async def list_items(call: Call[ItemsQuery]) -> ASGIApp:
    """Give items in order; of a run that is no batch there are none."""
    query, run = call.query, (await found(call)).run
    pool = call.services.database.pool
    wants_csv = (header(call.request.scope, b"accept") or b"").startswith(b"text/csv")
    if query.format == "csv" or (query.format is None and wants_csv):
        return items_download(run.id, items_csv(pool, run, outcomes=query.outcome, q=query.q))
    page = await items_page(
        pool, run, outcomes=query.outcome, q=query.q, after=query.after, limit=query.limit
    )
    return json_reply(page)


@operation(
    "POST",
    "/api/runs/{run_id}/retry-items",
    permission="operate",
    summary="Run failed items of a batch again, and no others",
    body=RetryItemsBody,
    body_is_optional=True,
    answer=RunView,
    headers=WRITES,
)
async def retry_items(call: Call) -> ASGIApp:
    """Begin another attempt over failed items only."""
    run = (await found(call)).run
    body = await read_json(call.request, may_be_empty=True)
    said = validated(body, lambda b: read_clean(b, RetryItemsBody))
    ordinals, at = await _ordinals(call, run, said)
    idempotency = idempotency_of(call.request, body, shown)
    try:
        done = await call.services.commands.act(
            call.caller,
            run.id,
            RetryItems(reason=said.reason),
            expected_version=said.expected_version,
            idempotency=idempotency,
            ordinals=ordinals,
            at=at,
        )
    except Rejected as refusal:
        await note_refusal(call, run.id, refusal.rejection, "retry-items")
        raise
    return answered(done.result, shown)


async def _ordinals(
    call: Call, run: Run, said: RetryItemsBody
) -> tuple[tuple[int, ...] | None, str]:
    """Give the items that were picked, and where the list of them stands in the body."""
    if said.ordinals is not None and said.keys is not None:
        raise invalid((FieldError("/keys", "not-both", "Give `ordinals` or `keys`, not both."),))
    ref = input_of(run)
    if said.keys is None or ref is None or run.deleted:
        return said.ordinals, "/ordinals"
    known = await ordinals_of(call.services.database.pool, ref, said.keys)
    faults = tuple(
        FieldError(f"/keys/{index}", "unknown-item", "No item has this key.")
        for index, key in enumerate(said.keys)
        if key not in known
    )
    if faults:
        raise Refused("unknown-item", f"{len(faults)} keys are unknown.", errors=faults[:100])
    return tuple(known[key] for key in said.keys), "/keys"


def items_download(run_id: str, source: AsyncIterator[bytes]) -> Download:
    """Send items as a file of CSV."""
    headers = (
        (b"content-type", b"text/csv; charset=utf-8"),
        (b"content-disposition", f'attachment; filename="items-{run_id}.csv"'.encode()),
        (b"content-security-policy", SANDBOX),
    )
    return Download(source, headers=headers)


HANDLERS: Final[list[HTTPRouteHandler]] = [list_items, retry_items]
