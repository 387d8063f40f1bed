"""The list of runs: filtered, counted, paged. Folded by `run_list_fold`, shown from inline rows.

Rows lag behind the log by moments; what is shown of a run is its state now. Pages go by the place of a
run's request in the log, so they neither skip nor repeat a run while others come in.
"""

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Subquery,
    cast,
    func,
    literal,
    select,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Boolean, Text

from perdure_api.domain.run import Run
from perdure_api.errors import Refused
from perdure_api.projections import projection, run_list_fold
from perdure_api.projections.projection import Recorded
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_api.store.tables import run_list
from perdure_contract.objects import State
from perdure_runtime import clock

STATES: Final[tuple[State, ...]] = get_args(State)
Sort = Literal["-created", "created"]

COUNTED: Final = 10_000
"""Counts are exact up to here; one more means: more than this."""
MAX_LIMIT: Final = 500
_NOT_A_CURSOR: Final = "Take `next` as the last page with the same sort gave it."
_CLOCK_SLACK: Final = timedelta(minutes=1)
UUID_DIGITS: Final = 32
_ID_PART: Final = re.compile(r"^(?!.*--)[0-9a-f][0-9a-f-]{3,35}$")


class RunList:
    """The projection behind the list."""

    name = "run_list"
    version = 1

    async def apply(
        self, connection: asyncpg.Connection, table: str, events: Sequence[Recorded]
    ) -> None:
        """Fold events into the table's rows."""
        await run_list_fold.apply(connection, table, events)


class Filter(Struct, frozen=True, kw_only=True):
    """Which runs: each field narrows, within a field any value will do."""

    state: tuple[State, ...] = ()
    job: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    executor: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    """All of these."""
    q: str | None = None
    """Part of the name, letter for letter but for case; or of the id, from either end."""
    since: datetime | None = None
    """Requested at or after."""
    until: datetime | None = None
    """Requested before."""


class Page(Struct, frozen=True):
    """Some of the runs, and where the next page begins; none at the end."""

    runs: tuple[Run, ...]
    next: str | None


class _Cursor(Struct, frozen=True, array_like=True):
    sort: str
    created: int


async def find(
    db: Database,
    tenant: str,
    wanted: Filter,
    *,
    sort: Sort = "-created",
    after: str | None = None,
    limit: int = 50,
) -> Page:
    """Give a page of the runs of a tenant that pass the filter.

    Raises:
        Refused: when `after` was not given by a page of the same sort.
    """
    newest_first = sort == "-created"
    conditions = [run_list.c.tenant == tenant, *await _conditions(db, wanted)]
    if after is not None:
        place = _read_cursor(after, sort)
        conditions.append(
            run_list.c.created < place if newest_first else run_list.c.created > place
        )
    order = run_list.c.created.desc() if newest_first else run_list.c.created
    arms = [
        select(run_list.c.run_id, run_list.c.created)
        .where(*conditions, *arm)
        .order_by(order)
        .limit(limit + 1)
        for arm in _arms(wanted)
    ]
    if len(arms) == 1:
        query = arms[0]
    else:
        # Each arm has its own index; together they would be a scan.
        found = union_all(*arms).subquery()
        place_of = found.c.created
        query = (
            select(found.c.run_id, place_of)
            .distinct()
            .order_by(place_of.desc() if newest_first else place_of)
            .limit(limit + 1)
        )
    async with db.engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    shown = rows[:limit]
    runs = await runs_of(db, [str(row[0]) for row in shown])
    more = len(rows) > limit
    return Page(runs, _write_cursor(sort, shown[-1][1]) if more else None)


async def count_newer(db: Database, tenant: str, wanted: Filter, after: str) -> int:
    """Count the runs that pass the filter and stand before a page, newest first; up to `MAX_LIMIT` + 1."""
    place = _read_cursor(after, "-created")
    conditions = [run_list.c.tenant == tenant, *await _conditions(db, wanted)]
    some = [
        select(run_list.c.run_id)
        .where(*conditions, *arm, run_list.c.created >= place)
        .limit(MAX_LIMIT + 1)
        for arm in _arms(wanted)
    ]
    found = union(*some).subquery() if len(some) > 1 else some[0].subquery()
    async with db.engine.connect() as connection:
        count = (await connection.execute(select(func.count()).select_from(found))).scalar_one()
    return min(count, MAX_LIMIT + 1)


def cursor_at(run: Run) -> str:
    """Give the place of a page, newest first, that begins with this run."""
    return _write_cursor("-created", run.created + 1)


async def counts(db: Database, tenant: str, wanted: Filter) -> dict[State, int]:
    """Count the runs of each state that pass the rest of the filter, up to `COUNTED` + 1 each."""
    narrowed = msgspec.structs.replace(wanted, state=())
    conditions = [run_list.c.tenant == tenant, *await _conditions(db, narrowed)]
    arms = []
    for state in STATES:
        some = [
            select(run_list.c.run_id).where(*conditions, *arm, *words).limit(COUNTED + 1)
            for arm in _state_arms(state)
            for words in _q_arms(wanted.q)
        ]
        # What matches in two ways counts once; for more than one way there must be words.
        found = (union(*some) if wanted.q else union_all(*some)).subquery()
        arms.append(select(literal(state), func.count()).select_from(found))
    counted: dict[State, int] = dict.fromkeys(STATES, 0)
    async with db.engine.connect() as connection:
        for state, n in await connection.execute(union_all(*arms)):
            counted[state] = min(n, COUNTED + 1)
    return counted


async def ids(db: Database, tenant: str, wanted: Filter, *, limit: int) -> list[str]:
    """Give the ids of all runs that pass the filter, oldest first."""
    conditions = [run_list.c.tenant == tenant, *await _conditions(db, wanted)]
    arms = [
        select(cast(run_list.c.run_id, Text), run_list.c.created).where(*conditions, *arm)
        for arm in _arms(wanted)
    ]
    found = union_all(*arms).subquery()
    query = select(found).order_by(found.c.created).limit(limit)
    async with db.engine.connect() as connection:
        return list(dict.fromkeys(row[0] for row in await connection.execute(query)))


async def matching(db: Database, tenant: str, wanted: Filter, *, limit: int) -> Subquery:
    """Give the ids and states of all runs that pass the filter, as a part of a larger query."""
    conditions = [run_list.c.tenant == tenant, *await _conditions(db, wanted)]
    arms = [
        select(run_list.c.run_id, run_list.c.state).where(*conditions, *arm)
        for arm in _arms(wanted)
    ]
    # What matches in two ways counts once; for more than one way there must be words.
    return (union(*arms) if wanted.q else union_all(*arms)).limit(limit).subquery("l")


async def wait_for(db: Database, position: int, *, seconds: float = 2.0) -> bool:
    """Wait until the list has folded the log up to a position; tells whether it has."""
    deadline = clock.monotonic() + seconds
    pause = 0.005
    while await projection.position(db.pool, RunList.name) < position:
        if clock.monotonic() + pause > deadline:
            return False
        await clock.pause(pause)
        pause = min(pause * 2, 0.1)
    return True


async def _conditions(db: Database, wanted: Filter) -> list[ColumnElement[bool]]:
    """Give what every arm has in common."""
    c = run_list.c
    conditions: list[ColumnElement[bool]] = [
        column.in_(values)
        for column, values in (
            (c.job, wanted.job),
            (c.kind, wanted.kind),
            (c.queue, wanted.queue),
            (c.executor, wanted.executor),
        )
        if values
    ]
    if wanted.tag:
        conditions += [c.tags != cast([], ARRAY(Text)), c.tags.contains(list(wanted.tag))]
    if wanted.since is not None:
        # Places in the log rise with time, so the index by place also cuts off by time.
        first = await _position_at(db, wanted.since - _CLOCK_SLACK)
        conditions += [c.created > first, c.created_at >= wanted.since]
    if wanted.until is not None:
        last = await _position_at(db, wanted.until + _CLOCK_SLACK)
        conditions += [c.created <= last, c.created_at < wanted.until]
    return conditions


async def _position_at(db: Database, moment: datetime) -> int:
    return int(await db.pool.fetchval("SELECT perdure.position_at($1)", moment))


def _arms(wanted: Filter) -> list[list[ColumnElement[bool]]]:
    """Give the alternatives that the filter is made of, each fit for one index."""
    states = dict.fromkeys(wanted.state)
    by_state: list[list[ColumnElement[bool]]] = [a for s in states for a in _state_arms(s)] or [[]]
    return [[*state, *words] for state in by_state for words in _q_arms(wanted.q)]


def _state_arms(state: State) -> list[list[ColumnElement[bool]]]:
    """Give the rows that are in a state now: the clock makes waiting ones queued without an event."""
    c = run_list.c
    now = func.now()
    if state == "queued":
        due = [[c.state == waits, c.due_at <= now] for waits in ("scheduled", "retrying")]
        return [[c.state == "queued"], *due]
    if state in ("scheduled", "retrying"):
        return [[c.state == state, c.due_at > now]]
    return [[c.state == state]]


def _q_arms(q: str | None) -> list[list[ColumnElement[bool]]]:
    """Give the ways in which a run matches what was typed."""
    if not q:
        return [[]]
    c = run_list.c
    in_name = func.strpos(func.lower(c.name), func.lower(q)) > 0
    part = q.lower()
    digits = part.replace("-", "")
    if not _ID_PART.match(part) or len(digits) > UUID_DIGITS:
        return [[in_name]]
    # Both ends of the id as ranges of an index; every character of an id sorts before "g".
    backwards = func.reverse(cast(c.run_id, Text))
    end = part[::-1]
    ends: list[ColumnElement[bool]] = [
        backwards.op("~>=~", return_type=Boolean())(end),
        backwards.op("~<~", return_type=Boolean())(f"{end}g"),
    ]
    starts: list[ColumnElement[bool]] = [
        c.run_id >= str(UUID(digits.ljust(UUID_DIGITS, "0"))),
        c.run_id <= str(UUID(digits.ljust(UUID_DIGITS, "f"))),
    ]
    return [[in_name], ends, starts]


async def runs_of(db: Database, ids: list[str]) -> tuple[Run, ...]:
    """Give runs by their ids, in that order; those that are gone are left out."""
    if not ids:
        return ()
    rows = await db.pool.fetch(
        "SELECT run_id::text, state FROM perdure.runs WHERE run_id = ANY($1::text[]::uuid[])", ids
    )
    states = {row[0]: row[1] for row in rows}
    return tuple(decode_run(states[run]) for run in ids if run in states)


def _write_cursor(sort: Sort, created: int) -> str:
    packed = msgspec.msgpack.encode(_Cursor(sort, created))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _read_cursor(text: str, sort: Sort) -> int:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        cursor = msgspec.msgpack.decode(packed, type=_Cursor)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Refused("bad-cursor", _NOT_A_CURSOR) from error
    if cursor.sort != sort:
        raise Refused("bad-cursor", _NOT_A_CURSOR)
    return cursor.created
