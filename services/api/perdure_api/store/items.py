"""What became of the items of batches: rows that follow from facts, in the same transaction.

Only items that were begun, chosen or have an outcome have a row. Keys and errors of single items come
with the report; all else a run's facts alone bring about, whoever decided them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg

from perdure_api.domain.item_reports import NewOutcomes
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import Chosen, LeftOutcomes
from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    RunFact,
    RunItemsRetried,
    RunRestarted,
    RunResumed,
)
from perdure_contract.items import MAX_ERROR, MAX_KEY, ItemCounts, Range
from perdure_contract.wire import ItemDone

SILENT_ENDS: Final = frozenset({"timeout", "stuck"})
"""Reasons of failed attempts after which an item that was begun may be what broke them."""

RECORD: Final = """
INSERT INTO perdure.items
    (run_id, ordinal, key, outcome, tries, error, passed_over, attempt, checkpoint)
SELECT $1::text::uuid, *, $8::int, $9::int
FROM unnest($2::int[], $3::text[], $4::text[], $5::int[], $6::text[], $7::bool[])
ON CONFLICT (run_id, ordinal) DO UPDATE
SET key = excluded.key, outcome = excluded.outcome, tries = items.tries + excluded.tries,
    error = excluded.error, passed_over = excluded.passed_over, attempt = excluded.attempt,
    checkpoint = excluded.checkpoint, wanted = false
WHERE items.outcome IS NULL"""

RETRY_ALL: Final = """
UPDATE perdure.items
SET outcome = NULL, error = NULL, passed_over = false, wanted = true, begun = 0
WHERE run_id = $1::text::uuid AND outcome = 'failed'"""

RETRY_CHOSEN: Final = """
UPDATE perdure.items AS i
SET outcome = NULL, error = NULL, passed_over = false, wanted = true, begun = 0
FROM unnest($2::int[], $3::int[]) AS r(first, last)
WHERE i.run_id = $1::text::uuid AND i.ordinal BETWEEN r.first AND r.last AND i.outcome = 'failed'"""

UNCHOOSE: Final = """
UPDATE perdure.items SET wanted = false WHERE run_id = $1::text::uuid AND wanted"""

FORGET_AFTER: Final = """
DELETE FROM perdure.items WHERE run_id = $1::text::uuid AND checkpoint > $2"""

FORGET_ALL: Final = "DELETE FROM perdure.items WHERE run_id = $1::text::uuid"

COUNT_BEGUN: Final = """
INSERT INTO perdure.items (run_id, ordinal, begun)
SELECT $1::text::uuid, o, 1 FROM unnest($2::int[]) AS o
ON CONFLICT (run_id, ordinal) DO UPDATE SET begun = items.begun + 1 WHERE items.outcome IS NULL"""

FINAL_AMONG: Final = """
SELECT ordinal FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal = ANY($2::int[]) AND outcome IS NOT NULL"""

RANGES_AFTER: Final = """
SELECT min(ordinal), max(ordinal) FROM (
  SELECT ordinal, ordinal - row_number() OVER (ORDER BY ordinal) AS island FROM perdure.items
  WHERE run_id = $1::text::uuid AND ordinal > $2 AND outcome IS NOT NULL
  AND ($3::int IS NULL OR checkpoint <= $3)
) AS i GROUP BY island ORDER BY 1 LIMIT 1000"""

COUNTS_AT: Final = """
SELECT outcome, count(*) FROM perdure.items
WHERE run_id = $1::text::uuid AND checkpoint <= $2 AND outcome IS NOT NULL GROUP BY 1"""

FAILED_AMONG: Final = """
SELECT ordinal FROM perdure.items
WHERE run_id = $1::text::uuid AND ordinal = ANY($2::int[]) AND outcome = 'failed'"""

FIRST_FAILED: Final = """
SELECT ordinal FROM perdure.items WHERE run_id = $1::text::uuid AND outcome = 'failed'
ORDER BY ordinal LIMIT 1"""


def statements_after(before: Run, fact: RunFact) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Give what a fact changes in the rows of a batch's items."""
    if before.items is None:
        return
    run = before.id
    match fact:
        case RunItemsRetried(items=()):
            yield UNCHOOSE, (run,)
            yield RETRY_ALL, (run,)
        case RunItemsRetried():
            firsts, lasts = [r.first for r in fact.items], [r.last for r in fact.items]
            yield UNCHOOSE, (run,)
            yield RETRY_CHOSEN, (run, firsts, lasts)
        case RunResumed() if isinstance(fact.items, ItemCounts):
            yield FORGET_AFTER, (run, fact.checkpoint)
        case RunRestarted(from_checkpoint=None):
            yield FORGET_ALL, (run,)
        case AttemptLost() if before.begun:
            yield COUNT_BEGUN, (run, list(before.begun))
        case AttemptFailed() if before.begun and fact.failure.reason in SILENT_ENDS:
            yield COUNT_BEGUN, (run, list(before.begun))
        case _:
            pass


def record(run: str, attempt: int, number: int, new: NewOutcomes) -> tuple[str, tuple[Any, ...]]:
    """Give the statement that stores outcomes which came with a checkpoint."""
    done = new.outcomes
    columns = (
        [item.ordinal for item in done],
        [_stored(item.key, MAX_KEY) for item in done],
        [item.outcome for item in done],
        [item.tries for item in done],
        [None if item.error is None else _stored(item.error, MAX_ERROR) for item in done],
        [item.passed_over for item in done],
    )
    return RECORD, (run, *columns, attempt, number)


class Settling:
    """Tells which outcomes of a run are new, and how far its leading items have come with them."""

    def __init__(self, final: set[int], ahead: Sequence[Range]) -> None:
        self._final = final
        self._ahead = {span.first: span.last for span in ahead}

    @classmethod
    async def look_up(
        cls, connection: asyncpg.Connection, run: Run, ordinals: Sequence[int]
    ) -> "Settling":
        """Read what the store knows of these items and of those behind the leading ones."""
        next_one = run.settled + 1
        rows = await connection.fetch(FINAL_AMONG, run.id, [*ordinals, next_one])
        final = {row[0] for row in rows}
        ahead: list[Range] = []
        if next_one in final or next_one in ordinals:
            found = await connection.fetch(RANGES_AFTER, run.id, run.settled, None)
            ahead = [Range(row[0], row[1]) for row in found]
        return cls(final, ahead)

    def keep(self, new: NewOutcomes) -> None:
        """Know outcomes that were accepted."""
        self._final.update(item.ordinal for item in new.outcomes)

    def new_of(self, run: Run, said: Sequence[ItemDone]) -> NewOutcomes:
        """Give what is new of some outcomes."""
        total = 0 if run.items is None else run.items.total
        new = {
            item.ordinal: item
            for item in reversed(said)
            if 1 <= item.ordinal <= total and item.ordinal not in self._final
        }
        settled = run.settled
        while True:
            if settled + 1 in self._ahead:
                settled = self._ahead[settled + 1]
            elif settled + 1 in self._final or settled + 1 in new:
                settled += 1
            else:
                break
        outcomes = tuple(new[ordinal] for ordinal in sorted(new))
        return NewOutcomes(outcomes=outcomes, settled=settled)


async def left_at(connection: asyncpg.Connection, run: Run, checkpoint: int) -> LeftOutcomes:
    """Tell what a batch keeps when it goes back to a checkpoint."""
    counts = dict(await connection.fetch(COUNTS_AT, run.id, checkpoint))
    ranges = await connection.fetch(RANGES_AFTER, run.id, 0, checkpoint)
    cursor = ranges[0][1] if ranges and ranges[0][0] == 1 else 0
    total = 0 if run.items is None else run.items.total
    return LeftOutcomes(items=ItemCounts(total=total, **counts), cursor=cursor)


async def first_failed(connection: asyncpg.Connection, run: str) -> int:
    """Give the first item that failed; 1 when none did."""
    return int(await connection.fetchval(FIRST_FAILED, run) or 1)


async def failed_among(
    connection: asyncpg.Connection, run: str, ordinals: Sequence[int]
) -> frozenset[int]:
    """Give those of some items that failed."""
    return frozenset(row[0] for row in await connection.fetch(FAILED_AMONG, run, list(ordinals)))


def chosen_of(ordinals: Sequence[int]) -> Chosen:
    """Give picked items, in order and each once, as ranges."""
    ranges: list[Range] = []
    for ordinal in ordinals:
        if ranges and ranges[-1].last + 1 == ordinal:
            ranges[-1] = Range(ranges[-1].first, ordinal)
        else:
            ranges.append(Range(ordinal, ordinal))
    return Chosen(items=tuple(ranges), count=len(ordinals))


def _stored(text: str, longest: int) -> str:
    return text[:longest].replace("\0", "\ufffd")
