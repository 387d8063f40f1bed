"""The items of a batch as people and programs see them: pages by outcome and text, counts, CSV.

Items without a row have no outcome yet; their keys stand with the input. So a page reads chunks of the
input, a thousand items each, and what is known of the items in them. Where only outcomes are asked for,
their index alone is read. Every page looks at a bounded part of a batch of any size.
"""

import csv
import io
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Final, Literal

import asyncpg
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_api.kinds.items import keys_in, unpacked
from perdure_contract.items import ItemCounts
from perdure_contract.objects import ItemCountsView, ItemView
from perdure_contract.specs import BatchSpec, InputRef, Json

ItemOutcome = Literal["pending", "done", "failed", "skipped", "filtered"]
FINAL: Final[frozenset[str]] = frozenset({"done", "failed", "skipped", "filtered"})

CHUNKS_AT_ONCE: Final = 4
SEARCHED_CHUNKS: Final = 40
"""Chunks that hold something wanted and are taken apart for one page; more follow on the next."""
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
SELECT ordinal, outcome, tries, error, attempt, passed_over FROM perdure.items
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

_CHUNKS_WITH_TEXT: Final = """
WITH named AS (
  SELECT first_ordinal FROM perdure.input_chunks
  WHERE input = $1::text::uuid AND last_ordinal > $2
  AND (strpos(coalesce(folded, keys), $5) > 0
       OR (keys IS NULL AND $6::int BETWEEN first_ordinal AND last_ordinal))
  ORDER BY first_ordinal LIMIT $3
), erring AS (
  SELECT ordinal FROM perdure.items
  WHERE run_id = $4::text::uuid AND outcome = 'failed' AND ordinal > $2
  AND strpos(lower(error), $5) > 0 ORDER BY ordinal LIMIT 1000 * $3
), of_erring AS (
  SELECT DISTINCT c.first_ordinal FROM erring, LATERAL (
    SELECT first_ordinal FROM perdure.input_chunks
    WHERE input = $1::text::uuid AND first_ordinal <= erring.ordinal
    ORDER BY first_ordinal DESC LIMIT 1) AS c
)
SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks
WHERE input = $1::text::uuid
AND first_ordinal IN (SELECT first_ordinal FROM named UNION SELECT first_ordinal FROM of_erring)
ORDER BY first_ordinal LIMIT $3"""
"""A chunk has at most a thousand items, so as many errors as in so many chunks are enough."""

_ROWS_WITH_TEXT: Final = """
SELECT ordinal, outcome, tries, error, attempt, passed_over FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal = ANY($4::int[])
UNION
SELECT ordinal, outcome, tries, error, attempt, passed_over FROM perdure.items
WHERE run_id = $1::text::uuid AND outcome = 'failed' AND ordinal BETWEEN $2 AND $3
AND strpos(lower(error), $5) > 0"""

_CHUNK_OF: Final = """
SELECT first_ordinal, data FROM perdure.input_chunks
WHERE input = $1::text::uuid AND first_ordinal <= $2 ORDER BY first_ordinal DESC LIMIT 1"""

_MAX_INT: Final = 2**31 - 1


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
    if q is None and outcomes and FINAL.issuperset(outcomes):
        found = await _by_outcome(pool, run, outcomes, after, limit + 1)
        return _page(found, limit)
    if q is None and set(outcomes) == {"pending"} and await _all_pending_have_rows(pool, run):
        found = await _pending_rows(pool, run, ref, after, limit + 1)
        return _page(found, limit)
    return await _by_chunk(pool, run, ref, _Wanted(frozenset(outcomes), q, after, limit))


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


class _Wanted(Struct, frozen=True):
    outcomes: frozenset[str]
    q: str | None
    after: int
    limit: int

    @property
    def only_open(self) -> bool:
        """Whether gaps between what is known are looked for."""
        return self.q is None and self.outcomes == {"pending"}

    def takes(self, item: ItemView) -> bool:
        if self.outcomes and item.outcome not in self.outcomes:
            return False
        if self.q is None:
            return True
        text = self.q.lower()
        return text in item.key.lower() or text in (item.error or "").lower()


async def _by_outcome(
    pool: asyncpg.Pool, run: Run, outcomes: Collection[str], after: int, limit: int
) -> list[ItemView]:
    found: list[ItemView] = []
    # One outcome at a time: each is a walk along the index, in order, however many others there are.
    for outcome in sorted(set(outcomes)):
        rows = await pool.fetch(_ROWS, run.id, outcome, after, limit)
        found += [
            ItemView(
                ordinal=row[0], key=row[1] or str(row[0]), outcome=row[2], tries=row[3],
                error=row[4], attempt=row[5], passed_over=row[6],
            )
            for row in rows
        ]  # fmt: skip
    found.sort(key=lambda item: item.ordinal)
    return found[:limit]


async def _all_pending_have_rows(pool: asyncpg.Pool, run: Run) -> bool:
    """Tell whether what is open was begun or chosen: then it is found without looking for gaps."""
    pending = 0 if run.items is None else run.items.pending
    if not 0 < pending <= FEW_PENDING:
        return False
    return int(await pool.fetchval(_COUNT_PENDING, run.id, pending + 1)) == pending


async def _pending_rows(
    pool: asyncpg.Pool, run: Run, ref: InputRef, after: int, limit: int
) -> list[ItemView]:
    rows = await pool.fetch(_ROWS_PENDING, run.id, ref.input, after, limit)
    return [
        _pending(row[0], keys_in(row[2], row[3], row[4])[row[0] - row[2]], tries=row[1])
        for row in rows
    ]


async def _by_chunk(pool: asyncpg.Pool, run: Run, ref: InputRef, wanted: _Wanted) -> ItemPage:
    found: list[ItemView] = []
    limit, seen = wanted.limit, wanted.after
    # What a text is looked for in is read in one go; all else is mostly found in the first chunk.
    at_once = CHUNKS_AT_ONCE if wanted.q is None else SEARCHED_CHUNKS
    for _ in range(SEARCHED_CHUNKS // at_once):
        # Nothing before the first open item is open.
        start = max(seen, run.settled) if wanted.only_open else seen
        chunks = await _chunks(pool, run, ref, wanted, start)
        groups = [chunks] if wanted.q is not None and chunks else [[chunk] for chunk in chunks]
        for group in groups:
            for item in await _items_within(pool, run, group, wanted):
                if item.ordinal > wanted.after and wanted.takes(item):
                    found.append(item)
                    if len(found) > limit:
                        return ItemPage(tuple(found[:limit]), str(found[limit - 1].ordinal))
            seen = group[-1][1]
        if len(chunks) < at_once:
            looked = start + COUNTED_ITEMS if wanted.only_open else ref.total
            return ItemPage(tuple(found), str(looked) if looked < ref.total else None)
    return ItemPage(tuple(found), str(seen))


async def _chunks(
    pool: asyncpg.Pool, run: Run, ref: InputRef, wanted: _Wanted, after: int
) -> list[asyncpg.Record]:
    """Give the next chunks that may hold something wanted."""
    if wanted.q is not None:
        text = wanted.q.lower()
        number = int(text) if text.isascii() and text.isdigit() else 0
        ordinal = number if number <= _MAX_INT else 0
        rows: list[asyncpg.Record] = await pool.fetch(
            _CHUNKS_WITH_TEXT, ref.input, after, SEARCHED_CHUNKS, run.id, text, ordinal
        )
    elif wanted.only_open:
        rows = await pool.fetch(
            _CHUNKS_WITH_PENDING,
            ref.input,
            after,
            CHUNKS_AT_ONCE,
            run.id,
            after + COUNTED_ITEMS,
        )
    else:
        rows = await pool.fetch(_CHUNKS, ref.input, after, CHUNKS_AT_ONCE)
    return rows


async def _items_within(
    pool: asyncpg.Pool, run: Run, chunks: Sequence[asyncpg.Record], wanted: _Wanted
) -> list[ItemView]:
    """Give the items of chunks; where a text is looked for, at least all that have it."""
    first, last = chunks[0][0], chunks[-1][1]
    named = [
        pair for start, end, keys in chunks for pair in enumerate(keys_in(start, end, keys), start)
    ]
    if wanted.q is None:
        rows = await pool.fetch(_ROWS_WITHIN, run.id, first, last)
    else:
        text = wanted.q.lower()
        fitting = [ordinal for ordinal, key in named if text in key.lower()]
        rows = await pool.fetch(_ROWS_WITH_TEXT, run.id, first, last, fitting, text)
        among = {*fitting, *(row[0] for row in rows)}
        named = [(ordinal, key) for ordinal, key in named if ordinal in among]
    known = {row[0]: row for row in rows}
    items = []
    for ordinal, key in named:
        row = known.get(ordinal)
        if row is None or row[1] is None:
            item = _pending(ordinal, key, tries=0 if row is None else row[2])
        else:
            item = ItemView(
                ordinal=ordinal, key=key, outcome=row[1], tries=row[2], error=row[3],
                attempt=row[4], passed_over=row[5],
            )  # fmt: skip
        items.append(item)
    return items


def _pending(ordinal: int, key: str, *, tries: int) -> ItemView:
    return ItemView(
        ordinal=ordinal, key=key, outcome="pending", tries=tries, error=None, attempt=None
    )


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
