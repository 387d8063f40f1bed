"""Items handed out to the attempt that has to do them, a page at a time."""

from collections.abc import Iterator
from typing import Final

import asyncpg
import msgspec
import zstandard

from perdure_api.domain.run import Run
from perdure_api.kinds.items import keys_in, unpacked
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_contract.specs import BatchSpec, InputRef
from perdure_contract.wire import Attempt, FetchItems, ItemsPage, ItemToDo

ENOUGH_ITEMS: Final = 500
"""A page with so many is not filled with those of another chunk, which has up to a thousand."""
CHUNKS_A_PAGE: Final = 16
MAX_PAGE_BYTES: Final = 262_144
"""Compressed; a message on NATS has at most 1 MB."""

_NEXT: Final = """
SELECT first_ordinal, last_ordinal, keys, data FROM perdure.input_chunks AS c
WHERE input = $2::text::uuid AND last_ordinal > $3 AND last_ordinal - first_ordinal + 1 > (
  SELECT count(*) FROM perdure.items AS i WHERE i.run_id = $1::text::uuid
  AND i.ordinal BETWEEN c.first_ordinal AND c.last_ordinal AND i.outcome IS NOT NULL)
ORDER BY first_ordinal LIMIT 1"""

_NEXT_CHOSEN: Final = """
SELECT first_ordinal, last_ordinal, keys, data FROM perdure.input_chunks
WHERE input = $2::text::uuid AND last_ordinal >= (
  SELECT min(ordinal) FROM perdure.items
  WHERE run_id = $1::text::uuid AND wanted AND ordinal > $3)
ORDER BY first_ordinal LIMIT 1"""

_WITHIN: Final = """
SELECT ordinal, outcome IS NULL AS open, wanted, begun FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal BETWEEN $2 AND $3"""


async def item_page(database: Database, asked: FetchItems) -> ItemsPage:
    """Give the next items of an attempt; `gone` when it is fenced or the items were removed."""
    state = await database.pool.fetchval(
        "SELECT state FROM perdure.runs WHERE run_id = $1::text::uuid", asked.attempt.run
    )
    run = None if state is None else decode_run(state)
    if run is None or not _may_work(run, asked.attempt):
        return ItemsPage(gone=True)
    spec = run.request.spec
    if not isinstance(spec, BatchSpec) or spec.input is None or run.deleted:
        return ItemsPage(gone=True)
    if not await _is_there(database.pool, spec.input):
        return ItemsPage(gone=True)
    return await _page(database.pool, run, spec.input, asked.after)


async def _page(pool: asyncpg.Pool, run: Run, ref: InputRef, after: int) -> ItemsPage:
    query = _NEXT_CHOSEN if run.only_chosen else _NEXT
    # All before the first open one is settled.
    seen = max(after, run.settled)
    items: list[ItemToDo] = []
    size = 0
    for _ in range(CHUNKS_A_PAGE):
        row = await pool.fetchrow(query, run.id, ref.input, seen)
        if row is None:
            return _packed(items, None)
        if items and size + len(row[3]) > MAX_PAGE_BYTES:
            break
        size += len(row[3])
        known = {found[0]: found for found in await pool.fetch(_WITHIN, run.id, row[0], row[1])}
        items += (item for item in _to_do(row, known, run) if item.ordinal > seen)
        seen = row[1]
        if len(items) >= ENOUGH_ITEMS:
            break
    return _packed(items, seen if seen < ref.total else None)


def _to_do(chunk: asyncpg.Record, known: dict[int, asyncpg.Record], run: Run) -> Iterator[ItemToDo]:
    first, last, keys, data = chunk
    values = unpacked(data)
    for ordinal, key in enumerate(keys_in(first, last, keys), first):
        row = known.get(ordinal)
        is_open = row is None or row["open"]
        is_chosen = row is not None and row["wanted"]
        if is_open and (is_chosen or not run.only_chosen):
            begun = 0 if row is None else row["begun"]
            yield ItemToDo(ordinal, key, values[ordinal - first], begun)


def _packed(items: list[ItemToDo], following: int | None) -> ItemsPage:
    data = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(items))
    return ItemsPage(items=data, next=following)


def _may_work(run: Run, attempt: Attempt) -> bool:
    """Tell whether the attempt is the open one, or was lost and let work on."""
    current = run.attempt
    if current is None or (current.number, current.fence) != (attempt.number, attempt.fence):
        return False
    works_on = current.state == "lost" and run.request.limits.when_cut_off == "continue"
    return run.is_open or (works_on and not run.is_final)


async def _is_there(pool: asyncpg.Pool, ref: InputRef) -> bool:
    found: bool = await pool.fetchval(
        "SELECT EXISTS (SELECT FROM perdure.inputs WHERE input = $1::text::uuid)", ref.input
    )
    return found
