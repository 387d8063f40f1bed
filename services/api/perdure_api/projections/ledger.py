"""The ledger of what did not count: refused commands, late reports, repetitions of what was heard."""

import contextlib
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.callers import Caller
from perdure_api.store.database import AWAY
from perdure_contract.identifiers import run_stream
from perdure_contract.objects import LedgerEntry
from perdure_runtime.clock import rfc3339

MOST: Final = 500
"""Newest entries shown; reports are counted by attempt and kind, so a run seldom has more."""


class Refusal(LedgerEntry, frozen=True, kw_only=True):
    """Something that was said and did not count, and what it was about."""

    stream: str | None
    """None when there was nothing of its name yet."""


class RefusalPage(Struct, frozen=True, kw_only=True):
    """Some refusals, newest first; `next` leads on, null at the end."""

    items: tuple[Refusal, ...]
    next: str | None


async def entries(pool: asyncpg.Pool, tenant: str, run_id: str) -> tuple[LedgerEntry, ...]:
    """Give what did not count for a run, newest first."""
    rows = await pool.fetch(
        "SELECT at, kind, why, actor, attempt, times FROM perdure.refusals "
        "WHERE run_id = $1::text::uuid AND tenant = $2 ORDER BY at DESC, id DESC LIMIT $3",
        run_id,
        tenant,
        MOST,
    )
    return tuple(
        LedgerEntry(
            at=rfc3339(row[0]), kind=row[1], why=row[2], by=row[3], attempt=row[4], times=row[5]
        )
        for row in rows
    )


async def recent(
    pool: asyncpg.Pool, tenant: str, *, stream: str | None, after: int | None, limit: int
) -> RefusalPage:
    """Give what was refused anywhere, newest first; `after` is `next` of the page before."""
    rows = await pool.fetch(
        "SELECT id, at, kind, why, actor, attempt, times, run_id::text, stream "
        "FROM perdure.refusals WHERE tenant = $1 AND ($2::bigint IS NULL OR id < $2) "
        "AND ($3::text IS NULL OR stream = $3 OR 'run-' || run_id::text = $3) "
        "ORDER BY id DESC LIMIT $4",
        tenant,
        after,
        stream,
        limit + 1,
    )
    shown = rows[:limit]
    return RefusalPage(
        items=tuple(
            Refusal(
                at=rfc3339(row[1]),
                kind=row[2],
                why=row[3],
                by=row[4],
                attempt=row[5],
                times=row[6],
                stream=row[8] or (None if row[7] is None else run_stream(row[7])),
            )
            for row in shown
        ),
        next=str(shown[-1][0]) if len(rows) > limit else None,
    )


async def note_refusal(
    pool: asyncpg.Pool,
    by: Caller,
    run_id: str | None,
    kind: str,
    why: str,
    *,
    stream: str | None = None,
) -> None:
    """Keep on record that something was asked for and refused; a database away only loses the note.

    `stream` is what it was about when that was no run.
    """
    with contextlib.suppress(*AWAY):
        await pool.execute(
            "INSERT INTO perdure.refusals (tenant, run_id, kind, why, actor, stream) "
            "VALUES ($1, $2::text::uuid, $3, $4, $5, $6)",
            by.tenant,
            run_id,
            kind,
            why,
            by.actor,
            stream,
        )
