"""What executors report: heard in order, stored with what follows from it, confirmed after commit."""

import hashlib
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import zstandard

from perdure_api.domain.callers import Caller, executor_caller
from perdure_api.domain.run_reports import KINDS, hear
from perdure_api.store.batch import Batch, FactTooLargeError
from perdure_api.store.items import Settling, record
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract import wire
from perdure_contract.specs import BlobRef
from perdure_contract.wire import (
    Ended,
    ItemDone,
    ItemsRecorded,
    LogChunk,
    ProgressMade,
    Report,
    Verdict,
)

COUNT_REFUSED = """
INSERT INTO perdure.refusals (tenant, run_id, attempt, kind, why, actor)
VALUES ($1, $2::text::uuid, $3, $4, $5, $6)
ON CONFLICT (run_id, attempt, kind) WHERE attempt IS NOT NULL
DO UPDATE SET times = perdure.refusals.times + 1, at = clock_timestamp()"""

KEEP_PROGRESS = """
INSERT INTO perdure.live_progress (run_id, attempt, progress, at) VALUES ($1::text::uuid, $2, $3, $4)
ON CONFLICT (run_id) DO UPDATE
SET attempt = excluded.attempt, progress = excluded.progress, at = excluded.at"""

MAX_OUTCOME_BYTES: Final = 64 << 20
"""What a report on items may unpack to."""

_outcomes: Final = msgspec.msgpack.Decoder(list[ItemDone])


class Reports:
    """Takes batches of reports."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def take(self, said: wire.Reports) -> wire.Confirmed:
        """Store a batch and say of each report whether it counted; repeating a batch is harmless."""
        by = executor_caller(said.executor)

        outcomes = {
            index: read_outcomes(report.finding)
            for index, report in enumerate(said.reports)
            if isinstance(report.finding, ItemsRecorded)
        }
        settling: dict[str, Settling] = {}

        async def look_up(connection: asyncpg.Connection, batch: Batch) -> None:
            settling.clear()
            asked: dict[str, list[int]] = {}
            for index, items in outcomes.items():
                run_id = said.reports[index].attempt.run
                asked.setdefault(run_id, []).extend(item.ordinal for item in items)
            for run_id, ordinals in asked.items():
                run = batch.run(run_id)
                if run is not None and run.items is not None:
                    settling[run_id] = await Settling.look_up(connection, run, ordinals)

        def perform(batch: Batch) -> Callable[[], tuple[Verdict, ...]]:
            verdicts = tuple(
                _take(batch, report, by, outcomes.get(index), settling.get(report.attempt.run))
                for index, report in enumerate(said.reports)
            )
            return lambda: verdicts

        runs = tuple({report.attempt.run for report in said.reports})
        weight = max(1, len(said.reports))
        prepare = look_up if outcomes else None
        ends = any(isinstance(report.finding, Ended) for report in said.reports)
        work = Work(perform=perform, prepare=prepare, runs=runs, weight=weight, looks=ends)
        done = await self._writer.submit(work)
        return wire.Confirmed(verdicts=done.result, position=done.position)


def read_outcomes(said: ItemsRecorded) -> list[ItemDone]:
    """Unpack the outcomes of a report.

    Raises:
        msgspec.ValidationError: when they cannot be read.
    """
    try:
        data = zstandard.ZstdDecompressor().decompress(
            said.outcomes, max_output_size=MAX_OUTCOME_BYTES
        )
    except zstandard.ZstdError as error:
        message = f"outcomes are not compressed as they must be: {error}"
        raise msgspec.ValidationError(message) from error
    return _outcomes.decode(data)


def _take(
    batch: Batch,
    report: Report,
    by: Caller,
    items: list[ItemDone] | None,
    settling: Settling | None,
) -> Verdict:
    attempt, finding = report.attempt, report.finding
    run = batch.run(attempt.run)
    if run is None:
        return "refused"
    blob = _blob_of(finding)
    new = None if items is None or settling is None else settling.new_of(run, items)
    heard = hear(run, attempt, finding, batch.now, result_blob=blob, new=new)
    if heard.verdict == "accepted":
        try:
            batch.append_run(run, heard.facts, by)
        except FactTooLargeError as error:
            _count(batch, report, by, run.tenant, str(error))
            return "refused"
        match finding:
            case ItemsRecorded() if new is not None and settling is not None and new.outcomes:
                settling.keep(new)
                sql, arguments = record(run.id, attempt.number, finding.number, new)
                batch.execute(sql, *arguments)
            case LogChunk():
                batch.add_log(attempt, finding)
            case ProgressMade():
                batch.execute(
                    KEEP_PROGRESS,
                    run.id,
                    attempt.number,
                    msgspec.json.encode(finding.progress),
                    batch.now,
                )
            case Ended(result_blob=bytes() as data) if blob is not None:
                batch.add_blob(run.id, bytes.fromhex(blob.sha256), data)
            case _:
                pass
        return "accepted"
    batch.append_run(run, heard.facts, by)
    _count(
        batch,
        report,
        by,
        run.tenant,
        heard.why or heard.verdict,
        duplicate=heard.verdict == "duplicate",
    )
    return heard.verdict


def _blob_of(finding: wire.Finding) -> BlobRef | None:
    if isinstance(finding, Ended) and finding.result_blob is not None:
        digest = hashlib.sha256(finding.result_blob).hexdigest()
        return BlobRef(sha256=digest, bytes=len(finding.result_blob))
    return None


def _count(
    batch: Batch, report: Report, by: Caller, tenant: str, why: str, *, duplicate: bool = False
) -> None:
    kind = KINDS[type(report.finding)]
    batch.execute(
        COUNT_REFUSED,
        tenant,
        report.attempt.run,
        report.attempt.number,
        f"duplicate-{kind}" if duplicate else kind,
        why,
        by.actor,
    )
