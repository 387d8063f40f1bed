"""One run as programs and people see it: now, or as of one of its events. Read from inline rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.legal_actions import actions
from perdure_api.domain.run import AttemptRecord, Run, Stamp, state_at
from perdure_api.domain.run_folding import evolve
from perdure_api.kinds import kind
from perdure_api.projections.items import counts_view
from perdure_api.projections.results import whole_result
from perdure_api.store.codec import decode
from perdure_api.store.database import Database
from perdure_api.store.event_log import read_stream
from perdure_api.store.state import decode_run
from perdure_contract.envelope import Event
from perdure_contract.facts import Progress, RunCheckpointed, RunFact
from perdure_contract.identifiers import run_stream
from perdure_contract.objects import AttemptView, CheckpointView, ProgressView, RunView
from perdure_runtime.clock import parse_rfc3339, rfc3339

_FIND: Final = """
SELECT r.state, clock_timestamp() AS now, p.attempt AS live_attempt, p.progress AS live_progress
FROM perdure.runs r LEFT JOIN perdure.live_progress p ON p.run_id = r.run_id
WHERE r.run_id = $1::text::uuid AND r.tenant = $2"""
_LIVE: Final = """
SELECT run_id::text, attempt, progress FROM perdure.live_progress
WHERE run_id = ANY($1::text[]::uuid[])"""


class Found(Struct, frozen=True):
    """A run and the moment at which it was looked at, by the database's clock."""

    run: Run
    now: datetime
    live: Progress | None
    """Newer than the run's own progress, while an attempt is open."""


async def find_run(db: Database, tenant: str, run_id: str) -> Found | None:
    """Give a run of a tenant as it is committed now; None when there is none."""
    row = await db.pool.fetchrow(_FIND, run_id, tenant)
    if row is None:
        return None
    run = decode_run(row["state"])
    return Found(run, row["now"], _live(run, row["live_attempt"], row["live_progress"]))


async def get_run(
    db: Database, tenant: str, run_id: str, *, at: int | None = None
) -> RunView | None:
    """Give a run as it is now, or as of a version of its stream and judged at that event's time."""
    found = await find_run(db, tenant, run_id)
    if found is None:
        return None
    if at is None:
        return await _with_result(db, found.run, run_view(found.run, found.now, found.live))
    events = await events_of(db, found.run, upto_version=at)
    if not events or events[-1].version != at:
        return None
    run = fold(events)
    return await _with_result(db, run, run_view(run, parse_rfc3339(events[-1].time)))


async def _with_result(db: Database, run: Run, view: RunView) -> RunView:
    """Give a view with a result that is kept apart; lists only tell how large it is."""
    if run.result_blob is None:
        return view
    return replace(view, result=await whole_result(db.pool, run))


async def events_of(
    db: Database,
    run: Run,
    *,
    after_version: int = 0,
    upto_version: int | None = None,
    limit: int | None = None,
) -> list[Event]:
    """Give a run's events in order."""
    return await read_stream(
        db.pool,
        run_stream(run.id),
        first_position=run.created,
        last_position=run.position,
        after_version=after_version,
        upto_version=upto_version,
        limit=limit,
    )


def fold(events: Sequence[Event]) -> Run:
    """Fold a run's events, from its request on; there is at least that one."""
    run: Run | None = None
    for event in events:
        run = _evolved(run, event)
    if run is None:
        message = "a run without events"
        raise ValueError(message)
    return run


async def live_progress(db: Database, runs: Sequence[Run]) -> dict[str, Progress]:
    """Give the newest progress of those of the runs that have an open attempt."""
    open_runs = {run.id: run for run in runs if run.is_open}
    if not open_runs:
        return {}
    found = {}
    for row in await db.pool.fetch(_LIVE, list(open_runs)):
        live = _live(open_runs[row[0]], row[1], row[2])
        if live is not None:
            found[row[0]] = live
    return found


def run_view(run: Run, now: datetime, live: Progress | None = None) -> RunView:
    """Show a run as it is at `now`."""
    state = state_at(run, now)
    request = run.request
    attempt = run.attempt
    waits = state in ("scheduled", "retrying")
    return RunView(
        id=run.id,
        name=request.name,
        kind=kind.tag_of(run.request.spec),
        state=state,
        version=run.version,
        position=run.position,
        job=request.job,
        queue=request.queue,
        priority=run.priority,
        tags=request.tags,
        labels=request.labels,
        attempt=0 if attempt is None else attempt.number,
        max_attempts=request.retry.max_attempts,
        created_at=rfc3339(run.created_at),
        started_at=_text(run.started_at),
        ended_at=_text(run.ended_at),
        next_attempt_at=_text(run.available_at) if waits else None,
        executor=None if attempt is None else attempt.executor,
        progress=progress_view(run, now, live),
        checkpoint=_checkpoint(run),
        items=counts_view(run.items),
        result=run.result,
        result_bytes=None if run.result_blob is None else run.result_blob.bytes,
        metrics=run.metrics,
        failure=None if state in ("cancelled", "partial", "completed") else run.failure,
        rerun_of=request.rerun_of,
        unique_key=request.unique_key,
        retry=request.retry,
        limits=request.limits,
        spec=request.spec,
        actions=actions(run, now),
        tenant=run.tenant,
    )


def progress_view(run: Run, now: datetime, live: Progress | None = None) -> ProgressView | None:
    """Show how far a run is; what is left is estimated from the time its attempt has taken so far."""
    progress = live or run.progress
    if progress is None:
        return None
    fraction = None
    if progress.done is not None and progress.total:
        fraction = min(max(progress.done / progress.total, 0.0), 1.0)
    eta = None
    if run.is_open and run.attempt is not None and fraction:
        spent = (now - run.attempt.started_at).total_seconds()
        eta = round(max(spent, 0.0) * (1 - fraction) / fraction, 1)
    return ProgressView(
        done=progress.done,
        total=progress.total,
        unit=progress.unit,
        fraction=fraction,
        eta_seconds=eta,
        message=progress.message,
        figures=progress.figures,
    )


def attempts_of(events: Sequence[Event]) -> list[AttemptView]:
    """Give every attempt of a run; the run is folded once more and each attempt's last form kept."""
    run: Run | None = None
    records: dict[int, AttemptRecord] = {}
    for event in events:
        run = _evolved(run, event)
        if run.attempt is not None:
            records[run.attempt.number] = run.attempt
    return [_attempt_view(record) for record in records.values()]


def checkpoints_of(events: Sequence[Event]) -> list[CheckpointView]:
    """Give every durable mark of a run."""
    marks = ((event, decode(event.type, event.data)) for event in events)
    return [
        CheckpointView(number=fact.number, cursor=fact.cursor, at=event.time)
        for event, fact in marks
        if isinstance(fact, RunCheckpointed)
    ]


def _attempt_view(record: AttemptRecord) -> AttemptView:
    usage = record.usage
    return AttemptView(
        number=record.number,
        state=record.state,
        executor=record.executor,
        started_at=rfc3339(record.started_at),
        ended_at=_text(record.ended_at),
        failure=record.failure,
        from_checkpoint=record.from_checkpoint,
        cpu_seconds=None if usage is None else usage.cpu_seconds,
        peak_memory_bytes=None if usage is None else usage.peak_memory_bytes,
        lines=None if usage is None else usage.lines,
        bytes=None if usage is None else usage.bytes,
    )


def _evolved(run: Run | None, event: Event) -> Run:
    fact: RunFact = decode(event.type, event.data)  # type: ignore[assignment]  # a run's stream holds run facts
    stamp = Stamp(event.position, event.version, parse_rfc3339(event.time), event.tenant)
    return evolve(run, fact, stamp)


def _checkpoint(run: Run) -> CheckpointView | None:
    mark = run.checkpoint
    if mark is None:
        return None
    return CheckpointView(number=mark.number, cursor=mark.cursor, at=rfc3339(mark.at))


def _live(run: Run, attempt: int | None, progress: bytes | None) -> Progress | None:
    """Take live progress only for the attempt that is open: its row may outlive it."""
    if progress is None or not run.is_open or run.attempt is None or run.attempt.number != attempt:
        return None
    return _progress_decoder.decode(progress)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


_progress_decoder: Final = msgspec.json.Decoder(Progress)
