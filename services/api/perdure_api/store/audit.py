"""Proves that the log is whole: hashes, chain, places and versions, from the first event to the last.

Everything is computed again from the public bytes, so anyone with the events can do the same. The chain
shows that nothing was changed *within* what an outsider has seen; keep a chain value elsewhere (every
published event carries one) to see that the whole log was not written anew.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.store import event_log
from perdure_contract.envelope import GENESIS, chain_link, payload_sha256

PAGE: Final = 5000

Told = Callable[[int, int], None]
"""Hears how far it is: position, end of the log."""


class Break(Struct, frozen=True, kw_only=True):
    """The first place where the log is not what it was."""

    position: int
    what: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What a verification found."""

    events: int
    """How many were checked, from position 1 on."""
    chain: str
    """The chain value of the last good event, in hex: keep it somewhere else."""
    broken: Break | None
    notes: tuple[str, ...]
    """What weakens the guard on the log without being a fault of its content."""


async def verify(connection: asyncpg.Connection, *, told: Told | None = None) -> Verdict:
    """Check the log up to where it ends now; stops at the first break."""
    end, chain_at_end = await connection.fetchrow("SELECT position, chain FROM perdure.head")
    notes = await _notes(connection)
    checked, chain, broken = await _check_chain(connection, end, told)
    if broken is None and chain != chain_at_end:
        what = "the chain of the last event is not the one that the head of the log holds"
        broken = Break(position=end, what=what)
    if broken is None:
        broken = await _check_versions(connection, end)
    return Verdict(events=checked, chain=chain.hex(), broken=broken, notes=notes)


async def _check_chain(
    connection: asyncpg.Connection, end: int, told: Told | None
) -> tuple[int, bytes, Break | None]:
    chain = GENESIS
    position = 0
    while position < end:
        events = await event_log.read_all(connection, after=position, limit=PAGE)
        for event in events:
            if event.position > end:
                break
            if event.position != position + 1:
                return position, chain, _missing(position + 1)
            sha256 = payload_sha256(event.data)
            if sha256 != event.sha256:
                what = "the data is not what was hashed when it was stored"
                return position, chain, Break(position=event.position, what=what)
            link = chain_link(chain, event, sha256)
            if link != event.chain:
                what = (
                    "the envelope is not what was chained when it was stored, or what is before it"
                )
                return position, chain, Break(position=event.position, what=what)
            chain, position = link, event.position
        if not events:
            return position, chain, _missing(position + 1)
        if told is not None:
            told(position, end)
    return position, chain, None


def _missing(position: int) -> Break:
    return Break(position=position, what="the event is missing")


async def _check_versions(connection: asyncpg.Connection, end: int) -> Break | None:
    row = await connection.fetchrow(
        "SELECT position, stream, version, n FROM (SELECT position, stream, version, "
        "row_number() OVER (PARTITION BY stream ORDER BY position) AS n "
        "FROM perdure.events WHERE position <= $1) AS v "
        "WHERE version <> n ORDER BY position LIMIT 1",
        end,
        timeout=3600,
    )
    if row is None:
        return None
    what = f"stream {row[1]} has version {row[2]} where {row[3]} belongs"
    return Break(position=row[0], what=what)


async def _notes(connection: asyncpg.Connection) -> tuple[str, ...]:
    notes = []
    if await connection.fetchval("SELECT has_table_privilege('perdure.events', 'DELETE')"):
        notes.append(
            "this user has all rights on the log; triggers alone keep it append-only "
            "(services should run as perdure_app)"
        )
    off = await connection.fetch(
        "SELECT t.tgname, t.tgrelid::regclass::text FROM pg_trigger t WHERE t.tgenabled = 'D' "
        "AND t.tgrelid IN (SELECT relid FROM pg_partition_tree('perdure.events')) ORDER BY 2, 1"
    )
    notes += [f"trigger {name} on {table} is switched off" for name, table in off]
    return tuple(notes)
