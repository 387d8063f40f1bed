"""The fold behind the list of runs: what each event changes in a run's row. Pure but for its store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from perdure_api.projections.projection import PoisonEvent, Recorded
from perdure_contract.facts import (
    AttemptStarted,
    CancelRequested,
    RetryScheduled,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunHeld,
    RunItemsRetried,
    RunPartiallyCompleted,
    RunQueued,
    RunReleased,
    RunRequested,
    RunRestarted,
    RunResumed,
    type_name,
)


class Row(Struct):
    """A row of the list while a batch is folded; the order is that of `COLUMNS`."""

    run_id: str
    tenant: str
    created: int
    name: str
    kind: str
    job: str | None
    state: str
    waits_for: str | None
    due_at: datetime | None
    queue: str
    executor: str | None
    tags: list[str]
    created_at: datetime
    ended_at: datetime | None
    rerun_of: str | None


COLUMNS: Final = Row.__struct_fields__
_CHANGING: Final = ("state", "waits_for", "due_at", "executor", "ended_at")


class _Kind(Struct):
    kind: str


class _Requested(Struct):
    """What the list keeps of a request."""

    run: str
    name: str
    spec: _Kind
    job: str | None = None
    queue: str = "default"
    tags: list[str] = []
    run_at: datetime | None = None
    rerun_of: str | None = None


class _Started(Struct):
    executor: str


class _Retried(Struct):
    next_attempt_at: datetime


_requested: Final = msgspec.json.Decoder(_Requested)
_started: Final = msgspec.json.Decoder(_Started)
_retried: Final = msgspec.json.Decoder(_Retried)

REQUESTED: Final = type_name(RunRequested)
_STARTED: Final = type_name(AttemptStarted)
_RETRIED: Final = type_name(RetryScheduled)
_RELEASED: Final = type_name(RunReleased)
_PENDING: Final = frozenset(
    {
        type_name(RunQueued),
        type_name(RunResumed),
        type_name(RunRestarted),
        type_name(RunItemsRetried),
    }
)
_FINAL: Final = {
    type_name(RunCompleted): "completed",
    type_name(RunPartiallyCompleted): "partial",
    type_name(RunCancelled): "cancelled",
    type_name(RunFailed): "failed",
}
_HELD: Final = type_name(RunHeld)
_CANCELLING: Final = type_name(CancelRequested)

_RUN: Final = "run-"


def begin(event: Recorded) -> Row:
    """Make the row of a run out of its request."""
    fact = _requested.decode(event.data)
    ahead = fact.run_at is not None and fact.run_at > event.time
    return Row(
        fact.run,
        event.tenant,
        event.position,
        fact.name,
        fact.spec.kind,
        fact.job,
        "scheduled" if ahead else "queued",
        "scheduled" if ahead else None,
        fact.run_at if ahead else None,
        fact.queue,
        None,
        fact.tags,
        event.time,
        None,
        fact.rerun_of,
    )


def change(row: Row, event: Recorded) -> bool:
    """Fold a later event into a run's row; tells whether it is one that the list shows."""
    name = event.type
    if name == _STARTED:
        row.executor = _started.decode(event.data).executor
        _settle(row, "running")
    elif name in _FINAL:
        row.state, row.due_at, row.ended_at = _FINAL[name], None, event.time
    elif name == _RETRIED:
        row.due_at = _retried.decode(event.data).next_attempt_at
        row.state = row.waits_for = "retrying"
    elif name in _PENDING:
        _settle(row, "queued")
        row.ended_at = None
    elif name == _CANCELLING:
        row.state = "cancelling"
    elif name == _HELD:
        row.state = "paused"
    elif name == _RELEASED:
        row.state = row.waits_for or "queued"
    else:
        return False
    return True


def _settle(row: Row, state: str) -> None:
    row.state, row.waits_for, row.due_at = state, None, None


async def apply(connection: asyncpg.Connection, table: str, events: Sequence[Recorded]) -> None:
    """Fold a batch: read the rows it goes on from, fold in memory, write each run's row once."""
    begun: dict[str, Row] = {}
    changed: dict[str, Row] = {}
    known = await _rows(connection, table, _earlier(events))
    for event in events:
        if not event.stream.startswith(_RUN):
            continue
        run = event.stream[len(_RUN) :]
        try:
            if event.type == REQUESTED:
                begun[run] = begin(event)
            elif run in begun:
                change(begun[run], event)
            elif change(known[run], event):
                changed[run] = known[run]
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise PoisonEvent(event.position, error) from error
    if changed:
        await _update(connection, table, list(changed.values()))
    if begun:
        await _insert(connection, table, list(begun.values()))


def _earlier(events: Sequence[Recorded]) -> set[str]:
    """Give the runs of a batch that were requested before it."""
    begun: set[str] = set()
    earlier: set[str] = set()
    for event in events:
        if event.stream.startswith(_RUN):
            run = event.stream[len(_RUN) :]
            if event.type == REQUESTED:
                begun.add(run)
            elif run not in begun:
                earlier.add(run)
    return earlier


async def _rows(connection: asyncpg.Connection, table: str, runs: set[str]) -> dict[str, Row]:
    if not runs:
        return {}
    columns = ", ".join(f"{c}::text" if c in ("run_id", "rerun_of") else c for c in COLUMNS)
    found = await connection.fetch(
        f"SELECT {columns} FROM {table} WHERE run_id = ANY($1::text[]::uuid[])", list(runs)
    )
    return {row[0]: Row(*row) for row in found}


async def _insert(connection: asyncpg.Connection, table: str, rows: list[Row]) -> None:
    await connection.copy_records_to_table(
        table.split(".")[1],
        schema_name=table.split(".", maxsplit=1)[0],
        columns=COLUMNS,
        records=[tuple(getattr(row, c) for c in COLUMNS) for row in rows],
    )


async def _update(connection: asyncpg.Connection, table: str, rows: list[Row]) -> None:
    columns: list[list[Any]] = [[getattr(row, c) for row in rows] for c in ("run_id", *_CHANGING)]
    sets = ", ".join(f"{c} = u.{c}" for c in _CHANGING)
    await connection.execute(
        f"UPDATE {table} AS t SET {sets} FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], "
        f"$4::timestamptz[], $5::text[], $6::timestamptz[]) "
        f"AS u(run_id, {', '.join(_CHANGING)}) WHERE t.run_id = u.run_id",
        *columns,
    )
