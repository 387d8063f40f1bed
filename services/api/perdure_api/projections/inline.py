"""Checks the inline rows, which decisions read, against a fresh fold of their streams."""

from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec import Struct
from msgspec.structs import asdict

from perdure_api.domain.run import Run, Stamp
from perdure_api.domain.run_folding import evolve
from perdure_api.store.codec import decode
from perdure_api.store.event_log import COLUMNS, event_of
from perdure_api.store.state import (
    StreamState,
    decode_run,
    decode_stream_state,
    evolve_stream,
    run_columns,
)
from perdure_contract.envelope import Event
from perdure_contract.identifiers import run_stream, stream_kind
from perdure_runtime.clock import parse_rfc3339

RUNS_AT_ONCE: Final = 1000
_SHOWN: Final = 20

Told = Callable[[int, int], None]
"""Hears how many rows are checked, and how many there are."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the comparison found."""

    events: int
    """The log's last position at that moment."""
    checked: int
    """Rows of runs and of other streams."""
    differing: int
    examples: tuple[str, ...]


async def verify(connection: asyncpg.Connection, *, told: Told | None = None) -> Verdict:
    """Fold every stream again and compare, all as of one moment."""
    differences: list[str] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        end = await connection.fetchval("SELECT position FROM perdure.head")
        total = await connection.fetchval(
            "SELECT (SELECT count(*) FROM perdure.runs) + (SELECT count(*) FROM perdure.streams)"
        )
        checked = await _check_runs(
            connection, differences, lambda done: told and told(done, total)
        )
        checked += await _check_streams(connection, differences)
        rowless = await connection.fetchval(
            "SELECT count(*) FROM perdure.events e WHERE e.version = 1 AND e.stream LIKE 'run-%' "
            "AND NOT EXISTS (SELECT FROM perdure.runs r WHERE r.run_id = substr(e.stream, 5)::uuid)",
            timeout=3600,
        )
    if rowless:
        differences.append(f"{rowless} requested runs have no row")
    return Verdict(
        events=end,
        checked=checked,
        differing=len(differences),
        examples=tuple(differences[:_SHOWN]),
    )


async def _check_runs(
    connection: asyncpg.Connection, differences: list[str], told: Callable[[int], object]
) -> int:
    checked = 0
    after = 0
    while True:
        rows = await connection.fetch(
            "SELECT run_id::text AS run_id, version, first_position, last_position, phase, queue, lane, "
            "priority, ready_at, executor, act_at, unique_key, state FROM perdure.runs "
            "WHERE first_position > $1 ORDER BY first_position LIMIT $2",
            after,
            RUNS_AT_ONCE,
        )
        if not rows:
            return checked
        after = rows[-1]["first_position"]
        streams = await _events(connection, [run_stream(row["run_id"]) for row in rows], rows)
        for row in rows:
            why = _run_differs(row, streams.get(run_stream(row["run_id"]), []))
            if why is not None:
                differences.append(f"run {row['run_id']}: {why}")
        checked += len(rows)
        told(checked)


async def _events(
    connection: asyncpg.Connection, streams: list[str], rows: list[asyncpg.Record]
) -> dict[str, list[Event]]:
    found = await connection.fetch(
        f"SELECT {COLUMNS} FROM perdure.events "
        "WHERE stream = ANY($1::text[]) AND position BETWEEN $2 AND $3 ORDER BY stream, version",
        streams,
        min(row["first_position"] for row in rows),
        max(row["last_position"] for row in rows),
    )
    by_stream: dict[str, list[Event]] = {}
    for row in found:
        event = event_of(row)
        by_stream.setdefault(event.stream, []).append(event)
    return by_stream


def _run_differs(row: asyncpg.Record, events: list[Event]) -> str | None:
    """Tell the first thing in which a run's row is not its fold; None when it is."""
    folded: Run | None = None
    for event in events:
        stamp = Stamp(event.position, event.version, parse_rfc3339(event.time), event.tenant)
        folded = evolve(folded, decode(event.type, event.data), stamp)  # type: ignore[arg-type]
    if folded is None:
        return "there are no events of it"
    stored = asdict(decode_run(row["state"]))
    for name, value in asdict(folded).items():
        if stored[name] != value:
            return f"{name} is {stored[name]!r}, its events give {value!r}"
    expected = asdict(run_columns(folded, parse_rfc3339(events[-1].time)))
    if row["ready_at"] is None:
        expected["ready_at"] = None  # the clock empties it when the moment comes, without an event
    expected |= {"version": folded.version, "last_position": folded.position}
    for name, value in expected.items():
        if row[name] != value:
            return f"{name} is {row[name]!r}, its events give {value!r}"
    return None


async def _check_streams(connection: asyncpg.Connection, differences: list[str]) -> int:
    rows = await connection.fetch(
        "SELECT stream, version, first_position, last_position, state FROM perdure.streams"
    )
    for row in rows:
        events = (await _events(connection, [row["stream"]], [row])).get(row["stream"], [])
        folded: StreamState | None = None
        for event in events:
            folded = evolve_stream(folded, decode(event.type, event.data))  # type: ignore[arg-type]
        if folded != decode_stream_state(row["stream"], row["state"]):
            differences.append(
                f"{stream_kind(row['stream'])} {row['stream']}: its events give another state"
            )
        elif events[-1].version != row["version"] or events[-1].position != row["last_position"]:
            differences.append(
                f"{row['stream']}: version or position is not that of its last event"
            )
    return len(rows)
