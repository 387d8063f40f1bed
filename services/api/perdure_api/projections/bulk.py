"""Bulk operations as they are shown: the preview before, the progress and each run's outcome after.

The preview judges each run by its inline row, with the rule that will decide later, so that what it
announces is what happens unless a run changes meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, column, func, literal_column, select, table, text

from perdure_api.domain.bulk import Bulk, BulkAction
from perdure_api.domain.legal_actions import why_not_in
from perdure_api.projections import run_list
from perdure_api.store.database import Database
from perdure_api.store.state import decode_stream_state
from perdure_contract.facts import BulkRequested, type_name
from perdure_contract.identifiers import bulk_stream
from perdure_contract.objects import BulkPreview, BulkView, RefusedCount, State
from perdure_runtime.clock import rfc3339

_STATE = """
CASE WHEN r.phase = 'final' AND l.state IN ('completed', 'partial', 'failed', 'cancelled') THEN l.state
     WHEN r.phase = 'final' THEN r.state ->> 'phase'
     WHEN r.phase <> 'pending' THEN r.phase
     WHEN r.ready_at > clock_timestamp() THEN r.state ->> 'waits_for'
     ELSE 'queued' END"""
"""Reading a field parses the whole state: of 100,000 runs that alone takes a second. So how a run ended is
taken from the list, and a field is read only where its name is there at all."""

_GROUPS = f"""
SELECT {_STATE}, {{mark}}, count(*)
FROM perdure.runs r LEFT JOIN perdure_views.run_list l USING (run_id)
WHERE r.run_id = ANY($1::text[]::uuid[]) AND r.tenant = $2 GROUP BY 1, 2"""
_RUNS = table("runs", column("run_id"), column("tenant"), schema="perdure").alias("r")

_REQUESTED = """
SELECT s.stream, s.state, s.first_position, e.time, e.actor FROM perdure.streams s
JOIN perdure.events e ON e.position = s.first_position AND e.type = $1 WHERE s.tenant = $2"""
_TAKEN = """
SELECT outcome, count(*) FROM perdure.bulk_runs
WHERE bulk_id = $1::text::uuid AND outcome IS NOT NULL GROUP BY 1"""

_THERE = "CASE WHEN strpos(r.state::text, '\"{0}\":') > 0 THEN r.state -> '{0}' IS NOT NULL ELSE false END"
_MARKS = {"resume": _THERE.format("checkpoint"), "delete": _THERE.format("deleted")}


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one run of a bulk operation."""

    run: str
    outcome: str | None
    """`done`, `refused`, or none while it is still to come."""
    why: str | None


class BulkList(Struct, frozen=True, kw_only=True):
    """Some operations, latest first; `next` leads on, null at the end."""

    items: tuple[BulkView, ...]
    next: str | None


class OutcomePage(Struct, frozen=True, kw_only=True):
    """Some outcomes in the order of the operation; `next` leads on, null at the end."""

    items: tuple[Outcome, ...]
    next: str | None


async def preview(db: Database, tenant: str, action: BulkAction, run_ids: list[str]) -> BulkPreview:
    """Tell per state what an action would touch of these runs and what not, and why not."""
    groups = _GROUPS.format(mark=_MARKS.get(action, "false"))
    return _previewed(action, await db.pool.fetch(groups, run_ids, tenant))


async def preview_matching(
    db: Database, tenant: str, action: BulkAction, wanted: run_list.Filter, *, limit: int
) -> BulkPreview:
    """Tell the same of all runs that pass a filter; they are counted where they lie."""
    found = await run_list.matching(db, tenant, wanted, limit=limit)
    state: ColumnElement[str] = literal_column(_STATE)
    mark: ColumnElement[bool] = literal_column(_MARKS.get(action, "false"))
    groups = (
        select(state, mark, func.count())
        .select_from(found.join(_RUNS, _RUNS.c.run_id == found.c.run_id))
        .where(_RUNS.c.tenant == tenant)
        .group_by(text("1"), text("2"))
    )
    async with db.engine.connect() as connection:
        return _previewed(action, (await connection.execute(groups)).all())


def _previewed(action: BulkAction, groups: Iterable[Sequence[Any]]) -> BulkPreview:
    by_state: Counter[str] = Counter()
    refused: Counter[tuple[State, str]] = Counter()
    for state, is_marked, count in groups:
        by_state[state] += count
        why = why_not_in(
            state,
            action,
            has_checkpoint=action == "resume" and is_marked,
            is_deleted=action == "delete" and is_marked,
        )
        if why is not None:
            refused[state, why] += count
    return BulkPreview(
        matched=by_state.total(),
        by_state=dict(by_state),
        refused=tuple(
            RefusedCount(state=state, count=count, why=why)
            for (state, why), count in refused.most_common()
        ),
    )


async def find(db: Database, tenant: str, bulk_id: str) -> BulkView | None:
    """Give a bulk operation with its progress."""
    row = await db.pool.fetchrow(
        f"{_REQUESTED} AND s.stream = $3", type_name(BulkRequested), tenant, bulk_stream(bulk_id)
    )
    return None if row is None else await _view(db, row)


async def recent(db: Database, tenant: str, *, after: int | None, limit: int) -> BulkList:
    """Give operations with their progress, latest first; `after` is `next` of the page before."""
    rows = await db.pool.fetch(
        f"{_REQUESTED} AND s.stream LIKE 'bulk-%' AND ($3::bigint IS NULL OR s.first_position < $3) "
        "ORDER BY s.first_position DESC LIMIT $4",
        type_name(BulkRequested),
        tenant,
        after,
        limit + 1,
    )
    shown = rows[:limit]
    return BulkList(
        items=tuple([await _view(db, row) for row in shown]),
        next=str(shown[-1]["first_position"]) if len(rows) > limit else None,
    )


async def _view(db: Database, row: asyncpg.Record) -> BulkView:
    bulk = decode_stream_state(row["stream"], row["state"])
    if not isinstance(bulk, Bulk):
        message = f"{row['stream']} is not the stream of a bulk operation"
        raise TypeError(message)
    done, refused = bulk.done, bulk.refused
    if bulk.state != "finished":
        # What is over is told by its last event; only what is under way has to be counted.
        counts = dict(await db.pool.fetch(_TAKEN, bulk.id))
        done, refused = counts.get("done", 0), counts.get("refused", 0)
    return BulkView(
        id=bulk.id,
        action=bulk.action,
        state=bulk.state,
        matched=bulk.matched,
        done=done,
        refused=refused,
        left=bulk.matched - done - refused,
        canary=bulk.canary,
        why=bulk.why,
        requested_at=rfc3339(row["time"]),
        requested_by=row["actor"],
    )


async def outcomes(
    db: Database, bulk_id: str, *, after: int, limit: int, outcome: str | None = None
) -> OutcomePage:
    """Give what became of each run, from ordinal `after` (exclusive) on."""
    rows = await db.pool.fetch(
        "SELECT ordinal, run_id::text, outcome, why FROM perdure.bulk_runs "
        "WHERE bulk_id = $1::text::uuid AND ordinal > $2 AND ($4::text IS NULL OR outcome = $4) "
        "ORDER BY ordinal LIMIT $3",
        bulk_id,
        after,
        limit + 1,
        outcome,
    )
    shown = rows[:limit]
    return OutcomePage(
        items=tuple(Outcome(run=row[1], outcome=row[2], why=row[3]) for row in shown),
        next=str(shown[-1][0]) if len(rows) > limit else None,
    )
