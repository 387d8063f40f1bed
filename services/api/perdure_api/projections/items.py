"""The items of a batch as people and programs see them: pages by outcome and text, counts, CSV.

Items without a row have no outcome yet; their keys stand with the input. So a page reads chunks of the
input, a thousand items each, and what is known of the items in them; outcomes are read along their
index. Every page looks at a bounded part of a batch of any size.
"""

import csv
import io
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Final, Literal

import asyncpg
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_api.kinds.items import keys_in, unpacked
from perdure_api.projections.item_search import FINAL, Search, item_of, pending, search
from perdure_contract.items import ItemCounts
from perdure_contract.objects import ItemCountsView, ItemView
from perdure_contract.specs import BatchSpec, InputRef, Json

ItemOutcome = Literal["pending", "done", "failed", "skipped", "filtered"]

CHUNKS_AT_ONCE: Final = 4
MOST_CHUNKS: Final = 40
"""Taken apart for one page; more follow on the next."""
COUNTED_ITEMS: Final = 100_000
"""So many are counted for one page to find those that are open."""
FEW_PENDING: Final = 10_000
"""So many open items are counted before a page of them is looked for."""
EXPORTED_AT_ONCE: Final = 1000
CSV_HEAD: Final = ("ordinal", "key", "outcome", "tries", "error", "attempt")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet calculate: such a text gets an apostrophe before it."""

_ROWS: Final = """
SELECT ordinal, key, outcome, tries, error, attempt, passed_over FROM perdure.items
WHERE run_id = $1::text::uuid AND outcome = $2 AND ordinal > $3 ORDER BY ordinal LIMIT $4"""

_ROWS_WITHIN: Final = """
SELECT ordinal, key, outcome, tries, error, attempt, passed_over FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal BETWEEN $2 AND $3"""

_ROWS_PENDING: Final = """
SELECT i.ordinal, i.tries, c.first_ordinal, c.last_ordinal, c.keys
FROM (
  SELECT ordinal, tries FROM perdure.items
  WHERE run_id = $1::text::uuid AND outcome IS NULL AND ordinal > $3 ORDER BY ordinal LIMIT $4
) AS i, LATERAL (
  SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks
  WHERE input = $2::text::uuid AND first_ordinal <= i.ordinal ORDER BY first_ordinal DESC LIMIT 1
) AS c ORDER BY i.ordinal"""

_COUNT_PENDING: Final = """
SELECT count(*) FROM (
  SELECT FROM perdure.items WHERE run_id = $1::text::uuid AND outcome IS NULL LIMIT $2) AS i"""

_CHUNKS: Final = """
SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks
WHERE input = $1::text::uuid AND last_ordinal > $2 ORDER BY first_ordinal LIMIT $3"""

_CHUNKS_WITH_PENDING: Final = """
SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks AS c
WHERE input = $1::text::uuid AND last_ordinal > $2 AND first_ordinal <= $5
AND last_ordinal - first_ordinal + 1 > (
  SELECT count(*) FROM perdure.items AS i WHERE i.run_id = $4::text::uuid
  AND i.ordinal BETWEEN c.first_ordinal AND c.last_ordinal AND i.outcome IS NOT NULL)
ORDER BY first_ordinal LIMIT $3"""

_CHUNK_OF: Final = """
SELECT first_ordinal, data FROM perdure.input_chunks
WHERE input = $1::text::uuid AND first_ordinal <= $2 ORDER BY first_ordinal DESC LIMIT 1"""


class ItemPage(Struct, frozen=True):
    """Some items in order; `next` leads on, null at the end. A page may be short and yet lead on."""

    items: tuple[ItemView, ...]
    next: str | None


def input_of(run: Run) -> InputRef | None:
    """Give the stored input of a batch; none of any other run."""
    spec = run.request.spec
    return spec.input if isinstance(spec, BatchSpec) else None


def counts_view(items: ItemCounts | None) -> ItemCountsView | None:
    """Show how the items of a batch stand."""
    if items is None:
        return None
    return ItemCountsView(
        total=items.total,
        pending=items.pending,
        done=items.done,
        failed=items.failed,
        skipped=items.skipped,
        filtered=items.filtered,
    )


async def items_page(
    pool: asyncpg.Pool,
    run: Run,
    *,
    outcomes: Collection[ItemOutcome] = (),
    q: str | None = None,
    after: int = 0,
    limit: int = 50,
) -> ItemPage:
    """Give items after an ordinal.

    Args:
        pool: Where to read.
        run: The run; none of its items are there when it is no batch or was deleted.
        outcomes: Only these; all when empty.
        q: Only those whose key or error contains this text, whatever its case.
        after: Items with a greater ordinal.
        limit: At most so many.
    """
    ref = input_of(run)
    if ref is None:
        return ItemPage((), None)
    if q is not None:
        wanted = Search(text=q.lower(), outcomes=frozenset(outcomes), limit=limit)
        seen = await search(pool, run, ref, wanted, after)
        return ItemPage(seen.items, str(seen.upto) if seen.upto < ref.total else None)
    if not outcomes:
        return await _by_chunk(pool, run, ref, after, limit)
    ended = [outcome for outcome in outcomes if outcome in FINAL]
    found = await _by_outcome(pool, run, ended, after, limit + 1)
    if "pending" not in outcomes:
        return _page(found, limit)
    open_ones = await _pending_page(pool, run, ref, after, limit)
    if open_ones.next is None:
        return _page(_merged(found, open_ones.items), limit)
    # What is open is known up to there only.
    upto = int(open_ones.next)
    known = _merged([item for item in found if item.ordinal <= upto], open_ones.items)
    return _page(known, limit) if len(known) > limit else ItemPage(tuple(known), open_ones.next)


async def item_value(pool: asyncpg.Pool, run: Run, ordinal: int) -> Json:
    """Give an item as it was given with the input; none when it is not there any more."""
    ref = input_of(run)
    row = None if ref is None else await pool.fetchrow(_CHUNK_OF, ref.input, ordinal)
    if row is None:
        return None
    values = unpacked(row[1])
    at = ordinal - row[0]
    return values[at] if 0 <= at < len(values) else None


async def items_csv(
    pool: asyncpg.Pool,
    run: Run,
    *,
    outcomes: Collection[ItemOutcome] = (),
    q: str | None = None,
) -> AsyncIterator[bytes]:
    """Give all items that are wanted as CSV with a header, some at a time."""
    yield _csv([CSV_HEAD])
    after: int | None = 0
    while after is not None:
        page = await items_page(
            pool, run, outcomes=outcomes, q=q, after=after, limit=EXPORTED_AT_ONCE
        )
        yield _csv(
            (
                item.ordinal,
                _harmless(item.key),
                item.outcome,
                item.tries,
                _harmless(item.error or ""),
                item.attempt,
            )
            for item in page.items
        )
        after = None if page.next is None else int(page.next)


def _page(found: Sequence[ItemView], limit: int) -> ItemPage:
    """Give a page of items of which one more was looked for."""
    shown = tuple(found[:limit])
    return ItemPage(shown, str(shown[-1].ordinal) if len(found) > limit else None)


def _merged(one: Iterable[ItemView], other: Iterable[ItemView]) -> list[ItemView]:
    return sorted([*one, *other], key=lambda item: item.ordinal)


async def _by_outcome(
    pool: asyncpg.Pool, run: Run, outcomes: Collection[str], after: int, limit: int
) -> list[ItemView]:
    found: list[ItemView] = []
    # One outcome at a time: each is a walk along the index, in order, however many others there are.
    for outcome in sorted(set(outcomes)):
        rows = await pool.fetch(_ROWS, run.id, outcome, after, limit)
        found += [item_of(row[0], row[1] or str(row[0]), row) for row in rows]
    return _merged(found, ())[:limit]


async def _pending_page(
    pool: asyncpg.Pool, run: Run, ref: InputRef, after: int, limit: int
) -> ItemPage:
    if not await _all_pending_have_rows(pool, run):
        return await _by_chunk(pool, run, ref, after, limit, only_open=True)
    rows = await pool.fetch(_ROWS_PENDING, run.id, ref.input, after, limit + 1)
    found = [
        pending(row[0], keys_in(row[2], row[3], row[4])[row[0] - row[2]], tries=row[1])
        for row in rows
    ]
    return _page(found, limit)


async def _all_pending_have_rows(pool: asyncpg.Pool, run: Run) -> bool:
    """Tell whether what is open was begun or chosen: then it is found without looking for gaps."""
    open_ones = 0 if run.items is None else run.items.pending
    if not 0 < open_ones <= FEW_PENDING:
        return False
    return int(await pool.fetchval(_COUNT_PENDING, run.id, open_ones + 1)) == open_ones


async def _by_chunk(
    pool: asyncpg.Pool, run: Run, ref: InputRef, after: int, limit: int, *, only_open: bool = False
) -> ItemPage:
    """Give all items in order, or those without an outcome, out of the chunks that may hold some."""
    found: list[ItemView] = []
    seen = after
    for _ in range(MOST_CHUNKS // CHUNKS_AT_ONCE):
        if only_open:
            # Nothing before the first open item is open.
            seen = max(seen, run.settled)
            upto = seen + COUNTED_ITEMS
            chunks = await pool.fetch(
                _CHUNKS_WITH_PENDING, ref.input, seen, CHUNKS_AT_ONCE, run.id, upto
            )
        else:
            upto = ref.total
            chunks = await pool.fetch(_CHUNKS, ref.input, seen, CHUNKS_AT_ONCE)
        for chunk in chunks:
            found += [
                item
                for item in await _items_in(pool, run, chunk)
                if item.ordinal > seen and (item.outcome == "pending" or not only_open)
            ]
            if len(found) > limit:
                return _page(found, limit)
            seen = chunk[1]
        if len(chunks) < CHUNKS_AT_ONCE:
            return ItemPage(tuple(found), str(upto) if upto < ref.total else None)
    return ItemPage(tuple(found), str(seen))


async def _items_in(pool: asyncpg.Pool, run: Run, chunk: asyncpg.Record) -> list[ItemView]:
    first, last, keys = chunk
    known = {row[0]: row for row in await pool.fetch(_ROWS_WITHIN, run.id, first, last)}
    return [
        item_of(ordinal, key, known.get(ordinal))
        for ordinal, key in enumerate(keys_in(first, last, keys), first)
    ]


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
