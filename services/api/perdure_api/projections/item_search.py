"""Items of a batch whose key or error contains a text, however many items there are.

No index finds a part of a text, so items are looked at in order, a slice at a time: the keys lie with
the input, a thousand a chunk, errors with the rows. A page is given as soon as it is full, and also when
it has taken long: it then says how far it has come, and the next one goes on from there.
"""

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_api.kinds.items import keys_in
from perdure_contract.items import ItemCounts
from perdure_contract.objects import ItemView
from perdure_contract.specs import InputRef
from perdure_runtime.clock import monotonic

FINAL: Final[frozenset[str]] = frozenset({"done", "failed", "skipped", "filtered"})
SEARCH_SECONDS: Final = 0.04
"""After this no further slice is begun."""
SLICE_ITEMS: Final = 50_000
LEAST_SLICE: Final = 1000
ROWS_AT_ONCE: Final = 1500
"""About so many errors are looked at in a slice, they lie scattered over the disk."""
CHUNKS_AT_ONCE: Final = 4
FEW: Final = 5
"""Outcomes that at most one of so many items has are looked for by outcome, all others by key."""

_COLUMNS: Final = "ordinal, key, outcome, tries, error, attempt, passed_over"

_OF_OUTCOMES: Final = f"""
SELECT {_COLUMNS} FROM perdure.items
WHERE run_id = $1::text::uuid AND outcome = ANY($2::text[]) AND ordinal > $3 AND ordinal <= $4
AND (strpos(lower(coalesce(key, ordinal::text)), $5) > 0 OR strpos(lower(error), $5) > 0)
ORDER BY ordinal LIMIT $6"""

_ERRING: Final = f"""
SELECT {_COLUMNS} FROM perdure.items
WHERE run_id = $1::text::uuid AND outcome = 'failed' AND ordinal > $2 AND ordinal <= $3
AND strpos(lower(error), $4) > 0 ORDER BY ordinal LIMIT $5"""

_NAMED: Final = """
SELECT first_ordinal, last_ordinal, keys IS NULL FROM perdure.input_chunks
WHERE input = $1::text::uuid AND last_ordinal > $2 AND first_ordinal <= $3
AND (keys IS NULL AND $5 OR strpos(coalesce(folded, keys), $4) > 0) ORDER BY first_ordinal"""

_KEYS: Final = """
SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks
WHERE input = $1::text::uuid AND first_ordinal = ANY($2::int[]) ORDER BY first_ordinal"""

_ROWS: Final = f"""
SELECT {_COLUMNS} FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal = ANY($2::int[])"""


class Search(Struct, frozen=True, kw_only=True):
    """What is looked for."""

    text: str
    """Part of a key or an error, in lower case."""
    outcomes: frozenset[str]
    """Only these; all when empty."""
    limit: int
    """At most so many."""


class Found(Struct, frozen=True):
    """Items that were found, in order, and the last one that was looked at."""

    items: tuple[ItemView, ...]
    upto: int


async def search(pool: asyncpg.Pool, run: Run, ref: InputRef, wanted: Search, after: int) -> Found:
    """Look for items behind an ordinal; `upto` is the last item when all were looked at."""
    if wanted.outcomes and not _count(run.items or ItemCounts(total=0), wanted.outcomes):
        return Found((), ref.total)
    looking = _Looking(pool, run, ref, wanted)
    # Nothing before the first open item is open.
    seen = max(after, run.settled) if wanted.outcomes == {"pending"} else after
    found: list[ItemView] = []
    while seen < ref.total and len(found) < wanted.limit:
        room = wanted.limit - len(found)
        # One more than there is room for tells that the slice was not looked through.
        part = await looking.within(seen, room + 1)
        found += part.items[:room]
        seen = found[-1].ordinal if len(part.items) > room else part.upto
        if looking.took_long:
            break
    return Found(tuple(found), seen)


class _Looking:
    """One look through some slices."""

    def __init__(self, pool: asyncpg.Pool, run: Run, ref: InputRef, wanted: Search) -> None:
        counts = run.items or ItemCounts(total=ref.total)
        self._pool = pool
        self._run = run
        self._ref = ref
        self._wanted = wanted
        self._until = monotonic() + SEARCH_SECONDS
        self._by_outcome = _is_rare(counts, wanted.outcomes)
        rows = _count(counts, wanted.outcomes) if self._by_outcome else counts.failed
        at_once = counts.total * ROWS_AT_ONCE // max(rows, 1)
        self._step = max(LEAST_SLICE, min(SLICE_ITEMS, at_once))

    @property
    def took_long(self) -> bool:
        """Whether it is time to tell what was found so far."""
        return monotonic() >= self._until

    async def within(self, after: int, limit: int) -> Found:
        """Give the first items that fit of the slice behind an ordinal."""
        upto = min(after + self._step, self._ref.total)
        wanted = self._wanted
        if self._by_outcome:
            outcomes = list(wanted.outcomes)
            rows = await self._pool.fetch(
                _OF_OUTCOMES, self._run.id, outcomes, after, upto, wanted.text, limit
            )
            return Found(tuple(_settled(row) for row in rows), upto)
        found: dict[int, ItemView] = {}
        if not wanted.outcomes or "failed" in wanted.outcomes:
            rows = await self._pool.fetch(_ERRING, self._run.id, after, upto, wanted.text, limit)
            found = {row[0]: _settled(row) for row in rows}
        digits = wanted.text.isascii() and wanted.text.isdigit()
        chunks = await self._pool.fetch(_NAMED, self._ref.input, after, upto, wanted.text, digits)
        named = 0
        for at in range(0, len(chunks), CHUNKS_AT_ONCE):
            if named >= limit:
                break
            if at and self.took_long:
                upto = chunks[at - 1][1]
                break
            for item in await self._named(chunks[at : at + CHUNKS_AT_ONCE], after, upto):
                found[item.ordinal] = item
                named += 1
        fitting = [found[ordinal] for ordinal in sorted(found) if ordinal <= upto]
        return Found(tuple(fitting[:limit]), upto)

    async def _named(
        self, chunks: Sequence[asyncpg.Record], after: int, upto: int
    ) -> list[ItemView]:
        """Give all items of some chunks that fit by key."""
        wanted = self._wanted
        found = [(first, last, None) for first, last, numbered in chunks if numbered]
        if named := [first for first, _, numbered in chunks if not numbered]:
            found += await self._pool.fetch(_KEYS, self._ref.input, named)
        keys = {
            ordinal: key
            for first, last, names in found
            for ordinal, key in enumerate(keys_in(first, last, names), first)
            if after < ordinal <= upto and wanted.text in key.lower()
        }
        if not keys:
            return []
        rows = await self._pool.fetch(_ROWS, self._run.id, list(keys))
        known = {row[0]: row for row in rows}
        items = [item_of(ordinal, key, known.get(ordinal)) for ordinal, key in keys.items()]
        return [item for item in items if not wanted.outcomes or item.outcome in wanted.outcomes]


def _is_rare(counts: ItemCounts, outcomes: Collection[str]) -> bool:
    if not outcomes or not FINAL.issuperset(outcomes):
        return False
    return FEW * _count(counts, outcomes) <= counts.total


def _count(counts: ItemCounts, outcomes: Collection[str]) -> int:
    return sum(int(getattr(counts, outcome)) for outcome in outcomes)


def _settled(row: asyncpg.Record) -> ItemView:
    return item_of(row[0], row[1] or str(row[0]), row)


def item_of(ordinal: int, key: str, row: asyncpg.Record | None) -> ItemView:
    """Show an item by its key and what is known of it."""
    if row is None or row[2] is None:
        return pending(ordinal, key, tries=0 if row is None else row[3])
    return ItemView(
        ordinal=ordinal, key=key, outcome=row[2], tries=row[3], error=row[4], attempt=row[5],
        passed_over=row[6],
    )  # fmt: skip


def pending(ordinal: int, key: str, *, tries: int) -> ItemView:
    """Show an item without an outcome."""
    return ItemView(
        ordinal=ordinal, key=key, outcome="pending", tries=tries, error=None, attempt=None
    )
