"""The input of batches: stored in chunks before or with the request, read in chunks ever after.

What is large is staged in transactions of its own, before any run refers to it, so that the writer
never waits for a million items and memory holds a chunk at a time. An input that no run and no job uses
is removed after a day.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.kinds.input_lines import BadInputError, ReadItem
from perdure_api.kinds.items import BadItemError, Chunk, PackedInput, Packer, keys_in
from perdure_api.store.batch import Batch
from perdure_contract.identifiers import job_stream
from perdure_contract.specs import InputRef
from perdure_runtime.clock import new_id

MAX_ITEMS: Final = 10_000_000
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_DIGITS: Final = 9
"""Of an ordinal."""
STAGED_CHUNKS: Final = 8
"""Read and stored at a time: at most some 2 MB before they are compressed."""
CHECK_SECONDS: Final = 600
"""How long the look for keys that are there twice may take."""

STORE_WHOLE: Final = """
WITH made AS (
  INSERT INTO perdure.inputs (input, tenant, sha256, total, bytes, fields)
  VALUES ($1::text::uuid, $2, $3, $4, $5, $6)
), used AS (
  INSERT INTO perdure.run_inputs (run_id, input) VALUES ($7::text::uuid, $1::text::uuid)
)
INSERT INTO perdure.input_chunks (input, first_ordinal, last_ordinal, keys, folded, data)
SELECT $1::text::uuid, * FROM unnest($8::int[], $9::int[], $10::text[], $11::text[], $12::bytea[])"""

USE: Final = """
INSERT INTO perdure.run_inputs (run_id, input) VALUES ($1::text::uuid, $2::text::uuid)"""

KEEP: Final = """
INSERT INTO perdure.job_inputs (stream, input) VALUES ($1, $2::text::uuid) ON CONFLICT DO NOTHING"""

RELEASE: Final = "DELETE FROM perdure.job_inputs WHERE stream = $1"

STORE_CHUNKS: Final = """
INSERT INTO perdure.input_chunks (input, first_ordinal, last_ordinal, keys, folded, data)
SELECT $1::text::uuid, * FROM unnest($2::int[], $3::int[], $4::text[], $5::text[], $6::bytea[])"""

TWICE: Final = """
SELECT min(ordinal), max(ordinal) FROM (
  SELECT key, first_ordinal + n - 1 AS ordinal FROM perdure.input_chunks,
  LATERAL unnest(CASE WHEN keys IS NULL THEN
    ARRAY(SELECT g::text FROM generate_series(first_ordinal, last_ordinal) AS g)
    ELSE string_to_array(keys, E'\\n') END) WITH ORDINALITY AS u(key, n)
  WHERE input = $1::text::uuid
) AS k GROUP BY key HAVING count(*) > 1 ORDER BY 2 LIMIT 1"""

CHUNKS_OF_KEYS: Final = """
SELECT first_ordinal, last_ordinal, keys FROM perdure.input_chunks
WHERE input = $1::text::uuid AND CASE WHEN keys IS NULL
  THEN EXISTS (SELECT FROM unnest($3::int[]) AS o WHERE o BETWEEN first_ordinal AND last_ordinal)
  ELSE string_to_array(keys, E'\\n') && $2::text[] END"""

KNOWN: Final = """
SELECT input::text, encode(sha256, 'hex'), total, fields FROM perdure.inputs
WHERE tenant = $1 AND input = ANY($2::text[]::uuid[]) AND total IS NOT NULL FOR KEY SHARE"""


class Staged(Struct, frozen=True, kw_only=True):
    """An input that is whole."""

    ref: InputRef
    bytes: int


async def stage(pool: asyncpg.Pool, tenant: str, items: Iterator[ReadItem]) -> Staged:
    """Store items as an input of their own, a few chunks at a time.

    Raises:
        BadInputError: when an item cannot be one, there is none, or a key is there twice.
    """
    input_id = new_id()
    reading = _Reading(items)
    await pool.execute(
        "INSERT INTO perdure.inputs (input, tenant) VALUES ($1::text::uuid, $2)", input_id, tenant
    )
    while chunks := await asyncio.to_thread(reading.next_chunks):
        await pool.execute(STORE_CHUNKS, input_id, *_columns(chunks))
    packer = reading.packer
    if packer.total == 0:
        words = "There is no item in it."
        raise BadInputError(words, row=1)
    if packer.has_keys:
        await _refuse_repeated_keys(pool, input_id, reading)
    ref = packer.reference(input_id)
    await pool.execute(
        "UPDATE perdure.inputs SET sha256 = $2, total = $3, bytes = $4, fields = $5 "
        "WHERE input = $1::text::uuid",
        input_id,
        bytes.fromhex(ref.sha256),
        ref.total,
        packer.bytes,
        list(ref.fields),
    )
    return Staged(ref=ref, bytes=packer.bytes)


async def known(
    source: asyncpg.Pool | asyncpg.Connection, tenant: str, input_ids: Sequence[str]
) -> dict[str, InputRef]:
    """Give those of some inputs that are whole and the tenant's own."""
    ids = [text for text in input_ids if _ID.fullmatch(text)]
    rows = await source.fetch(KNOWN, tenant, ids)
    return {
        row[0]: InputRef(input=row[0], sha256=row[1], total=row[2], fields=tuple(row[3]))
        for row in rows
    }


async def ordinals_of(pool: asyncpg.Pool, ref: InputRef, keys: Sequence[str]) -> dict[str, int]:
    """Find items by their keys; those that are not there are left out."""
    wanted = set(keys)
    numbers = [int(k) for k in wanted if k.isascii() and k.isdigit() and len(k) <= MAX_DIGITS]
    rows = await pool.fetch(CHUNKS_OF_KEYS, ref.input, list(wanted), numbers)
    return {
        key: ordinal
        for first, last, names in rows
        for ordinal, key in enumerate(keys_in(first, last, names), first)
        if key in wanted
    }


def store_whole(batch: Batch, run_id: str, tenant: str, made: PackedInput) -> None:
    """Store a small input with the request of the run that uses it."""
    ref = made.ref
    batch.execute(
        STORE_WHOLE,
        ref.input,
        tenant,
        bytes.fromhex(ref.sha256),
        ref.total,
        made.bytes,
        list(ref.fields),
        run_id,
        *_columns(made.chunks),
    )


def use(batch: Batch, run_id: str, ref: InputRef) -> None:
    """Let a run use an input that is there."""
    batch.execute(USE, run_id, ref.input)


def keep(batch: Batch, job: str, ref: InputRef) -> None:
    """Let a saved job use an input that is there, as long as the job is."""
    batch.execute(KEEP, job_stream(job), ref.input)


def release(batch: Batch, job: str) -> None:
    """Let a deleted job use no input any more; what nobody else uses is removed in time."""
    batch.execute(RELEASE, job_stream(job))


def _columns(chunks: Sequence[Chunk]) -> tuple[list[object], ...]:
    return (
        [chunk.first for chunk in chunks],
        [chunk.last for chunk in chunks],
        [chunk.keys for chunk in chunks],
        [chunk.folded for chunk in chunks],
        [chunk.data for chunk in chunks],
    )


class _Reading:
    """Takes items out of a source into chunks; runs in a thread, one call at a time."""

    def __init__(self, items: Iterator[ReadItem]) -> None:
        self._items = items
        self._at_end = False
        self.packer = Packer()
        self.shift: int | None = None
        """Rows minus ordinals, while that is the same for all."""

    def next_chunks(self) -> list[Chunk]:
        """Give the next few chunks; none at the end."""
        chunks: list[Chunk] = []
        if self._at_end:
            return chunks
        for item in self._items:
            try:
                chunk = self.packer.add(item.value)
            except BadItemError as error:
                raise BadInputError(str(error), row=item.row) from None
            shift = item.row - self.packer.total
            if self.packer.total == 1:
                self.shift = shift
            elif shift != self.shift:
                self.shift = None
            if self.packer.total > MAX_ITEMS:
                words = f"A batch has at most {MAX_ITEMS} items."
                raise BadInputError(words, row=item.row)
            if chunk is not None:
                chunks.append(chunk)
                if len(chunks) == STAGED_CHUNKS:
                    return chunks
        self._at_end = True
        rest = self.packer.rest()
        return chunks if rest is None else [*chunks, rest]


async def _refuse_repeated_keys(pool: asyncpg.Pool, input_id: str, reading: _Reading) -> None:
    row = await pool.fetchrow(TWICE, input_id, timeout=CHECK_SECONDS)
    if row is not None:
        shift = reading.shift or 0
        what = "item" if reading.shift is None else "row"
        words = f"It has the same key as {what} {row[0] + shift}; a key names one item."
        raise BadInputError(words, row=row[1] + shift)
