"""The ledger of what did not count: refused commands, late reports, repetitions of what was heard."""

import contextlib
from typing import Final

import asyncpg

from perdure_api.domain.callers import Caller
from perdure_contract.objects import LedgerEntry
from perdure_runtime.clock import rfc3339

MOST: Final = 500
"""Newest entries shown; reports are counted by attempt and kind, so a run seldom has more."""


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


async def note_refusal(pool: asyncpg.Pool, by: Caller, run_id: str, kind: str, why: str) -> None:
    """Keep on record that something was asked for and refused; a database away only loses the note."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await pool.execute(
            "INSERT INTO perdure.refusals (tenant, run_id, kind, why, actor) "
            "VALUES ($1, $2::text::uuid, $3, $4, $5)",
            by.tenant,
            run_id,
            kind,
            why,
            by.actor,
        )
