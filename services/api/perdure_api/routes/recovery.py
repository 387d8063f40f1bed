"""What stands still, and what did not count."""

from typing import Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.intake.sweep import Stuck, find_stuck
from perdure_api.projections import ledger
from perdure_api.routes.inside import found
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queries import NoQuery
from perdure_api.routes.replies import json_reply
from perdure_contract.objects import LedgerEntry, StuckView
from perdure_runtime.clock import rfc3339


class StuckRuns(Struct, frozen=True, kw_only=True):
    """The runs that a sweep would end now."""

    items: tuple[StuckView, ...]
    next: None = None


class Ledger(Struct, frozen=True, kw_only=True):
    """What did not count for a run, newest first."""

    items: tuple[LedgerEntry, ...]
    next: None = None


@operation(
    "GET",
    "/api/sweep",
    permission="view",
    summary="Tell which runs a sweep would end as stuck now",
    answer=StuckRuns,
)
async def would_end(call: Call[NoQuery]) -> ASGIApp:
    """Look as the sweep does, and change nothing."""
    stuck = await find_stuck(
        call.services.database,
        allowed_seconds=call.services.settings.stuck_after_seconds,
        tenant=call.caller.tenant,
    )
    return json_reply(StuckRuns(items=tuple(stuck_view(one) for one in stuck)))


def stuck_view(stuck: Stuck) -> StuckView:
    """Show a stuck run with the evidence."""
    attempt, silence = stuck.run.attempt, stuck.silence
    return StuckView(
        run=stuck.run.id,
        name=stuck.run.request.name,
        attempt=0 if attempt is None else attempt.number,
        executor="" if attempt is None else attempt.executor,
        last_sign=silence.last_sign,
        last_sign_at=rfc3339(silence.last_sign_at),
        silent_seconds=silence.silent_seconds,
        allowed_seconds=silence.allowed_seconds,
    )


@operation(
    "GET",
    "/api/runs/{run_id}/ledger",
    permission="view",
    summary="List what did not count: refused commands, late and repeated reports",
    answer=Ledger,
)
async def read_ledger(call: Call[NoQuery]) -> ASGIApp:
    """List what was said about a run and changed nothing."""
    run = (await found(call)).run
    entries = await ledger.entries(call.services.database.pool, call.caller.tenant, run.id)
    return json_reply(Ledger(items=entries))


HANDLERS: Final[list[HTTPRouteHandler]] = [would_end, read_ledger]
