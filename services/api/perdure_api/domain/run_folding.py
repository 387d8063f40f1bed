"""What each fact makes of a run: its state is folded from its events, and from nothing else."""

from typing import Literal, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from perdure_api.domain.run import AttemptRecord, AttemptState, CheckpointRecord, Run, Stamp
from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    Failure,
    ReportRefused,
    RetryScheduled,
    RunCancelled,
    RunCheckpointed,
    RunCompleted,
    RunDeleted,
    RunFact,
    RunFailed,
    RunHeld,
    RunItemsPlanned,
    RunItemsRecorded,
    RunItemsRetried,
    RunPartiallyCompleted,
    RunProgressed,
    RunQueued,
    RunReleased,
    RunReprioritised,
    RunRequested,
    RunRestarted,
    RunResumed,
    Usage,
)
from perdure_contract.items import ItemCounts, OutcomeSpan

REMEMBERED_ATTEMPTS = 8
"""How many past attempts' ends are kept inline, to tell late duplicates from stale reports."""


def evolve(run: Run | None, fact: RunFact, stamp: Stamp) -> Run:
    """Fold one fact into the state. Total over every history that `decide` can make."""
    if isinstance(fact, RunRequested):
        return _requested(fact, stamp)
    if run is None:
        message = f"{type(fact).__name__} before the run was requested"
        raise ValueError(message)
    return replace(_changed(run, fact, stamp), version=stamp.version, position=stamp.position)


def _requested(fact: RunRequested, stamp: Stamp) -> Run:
    ahead = fact.run_at is not None and fact.run_at > stamp.time
    return Run(
        id=fact.run,
        tenant=stamp.tenant,
        version=stamp.version,
        position=stamp.position,
        created=stamp.position,
        created_at=stamp.time,
        request=fact,
        priority=fact.priority,
        waits_for="scheduled" if ahead else None,
        available_at=fact.run_at if ahead else None,
    )


def _changed(run: Run, fact: RunFact, stamp: Stamp) -> Run:  # noqa: C901, PLR0911, PLR0912 -- one arm a fact
    match fact:
        case RunRequested():
            return run
        case RunQueued():
            return replace(run, phase="pending", waits_for=None, available_at=None)
        case AttemptStarted():
            return _started(run, fact, stamp)
        case RunProgressed():
            return replace(
                run,
                progress=fact.progress,
                milestone_at=stamp.time,
                milestones=run.milestones + 1,
            )
        case RunCheckpointed():
            mark = CheckpointRecord(
                number=fact.number, cursor=fact.cursor, state=fact.state, at=stamp.time
            )
            return replace(run, checkpoint=mark, start_from=fact.number)
        case RunItemsPlanned():
            return replace(run, items=ItemCounts(total=fact.total))
        case RunItemsRecorded():
            return replace(
                run,
                items=run.items and counted(run.items, fact.spans),
                settled=fact.cursor,
                begun=fact.begun,
            )
        case RunItemsRetried():
            items = run.items and replace(run.items, failed=run.items.failed - fact.count)
            run = replace(_again(run, stamp), items=items, settled=fact.cursor)
            return replace(run, only_chosen=True)
        case AttemptFailed():
            # A stuck attempt was ended from here: whatever its executor still says is late.
            ended: AttemptState = "fenced" if fact.failure.reason == "stuck" else "failed"
            run = _attempt_over(run, ended, stamp, failure=fact.failure, usage=_usage(fact))
            return replace(
                run,
                failure=fact.failure,
                lost_in_a_row=0,
                progress=fact.progress or run.progress,
                metrics=fact.metrics or run.metrics,
            )
        case AttemptLost():
            failure = lost(fact)
            run = _attempt_over(run, "lost", stamp, failure=failure)
            return replace(run, failure=failure, lost_in_a_row=run.lost_in_a_row + 1)
        case AttemptReleased():
            run = _attempt_over(run, "released", stamp)
            return replace(run, tries=run.tries - 1)
        case RetryScheduled():
            return replace(
                run, phase="pending", waits_for="retrying", available_at=fact.next_attempt_at
            )
        case CancelRequested():
            return replace(
                run,
                phase="cancelling",
                cancel_reason=fact.reason or run.cancel_reason,
                cancel_forced=run.cancel_forced or fact.force,
                cancelling_since=stamp.time,
                attempt=run.attempt and replace(run.attempt, state="cancelling"),
            )
        case RunHeld():
            return replace(run, phase="paused")
        case RunReleased():
            return replace(run, phase="pending")
        case RunReprioritised():
            return replace(run, priority=fact.priority)
        case RunResumed():
            run = replace(_again(run, stamp), start_from=fact.checkpoint)
            if fact.items is UNSET or fact.cursor is UNSET:
                return run
            return replace(run, items=fact.items, settled=fact.cursor)
        case RunRestarted():
            run = replace(_again(run, stamp), start_from=fact.from_checkpoint)
            return run if fact.from_checkpoint is not None else _without_outcomes(run)
        case ReportRefused():
            return replace(run, refused=(*run.refused, f"{fact.attempt}:{fact.kind}")[-32:])
        case RunCompleted():
            return _finished(run, "completed", fact, stamp)
        case RunPartiallyCompleted():
            return _finished(run, "partial", fact, stamp)
        case RunCancelled():
            return _finished(run, "cancelled", fact, stamp)
        case RunFailed():
            run = _fenced(run, stamp)
            return replace(
                run, phase="failed", failure=fact.failure, ended_at=stamp.time, available_at=None
            )
        case RunDeleted():
            return replace(run, deleted=True, result=None, result_blob=None)
        case _:
            assert_never(fact)


def _started(run: Run, fact: AttemptStarted, stamp: Stamp) -> Run:
    attempt = AttemptRecord(
        number=fact.attempt,
        fence=stamp.version,
        executor=fact.executor,
        started_at=stamp.time,
        from_checkpoint=fact.from_checkpoint,
    )
    return replace(
        run,
        phase="running",
        waits_for=None,
        available_at=None,
        attempt=attempt,
        tries=run.tries + 1,
        started_at=run.started_at or stamp.time,
        progress=None,
        milestone_at=None,
        milestones=0,
        metrics={},
        begun=(),
    )


def _without_outcomes(run: Run) -> Run:
    """Let every item of a batch be done anew; the numbers of its checkpoints go on."""
    if run.items is None:
        return run
    mark = run.checkpoint and replace(run.checkpoint, cursor=0)
    return replace(run, items=ItemCounts(total=run.items.total), settled=0, checkpoint=mark)


def counted(items: ItemCounts, spans: tuple[OutcomeSpan, ...]) -> ItemCounts:
    """Add outcomes of items that had none."""
    sums = dict.fromkeys(("done", "failed", "skipped", "filtered"), 0)
    for span in spans:
        sums[span.outcome] += span.last - span.first + 1
    return ItemCounts(
        total=items.total,
        done=items.done + sums["done"],
        failed=items.failed + sums["failed"],
        skipped=items.skipped + sums["skipped"],
        filtered=items.filtered + sums["filtered"],
    )


def _usage(fact: AttemptFailed | RunCompleted | RunPartiallyCompleted | RunCancelled) -> Usage:
    return Usage(
        lines=fact.lines,
        bytes=fact.bytes,
        log_sha256=fact.log_sha256,
        cpu_seconds=fact.cpu_seconds,
        peak_memory_bytes=fact.peak_memory_bytes,
    )


def _attempt_over(
    run: Run,
    state: AttemptState,
    stamp: Stamp,
    *,
    failure: Failure | None = None,
    usage: Usage | None = None,
) -> Run:
    if run.attempt is None or run.attempt.ended_at is not None:
        return run
    attempt = replace(run.attempt, state=state, ended_at=stamp.time, failure=failure, usage=usage)
    return replace(
        run, attempt=attempt, past=(*run.past, (attempt.number, state))[-REMEMBERED_ATTEMPTS:]
    )


def _fenced(run: Run, stamp: Stamp) -> Run:
    return _attempt_over(run, "fenced", stamp)


def _again(run: Run, stamp: Stamp) -> Run:
    return replace(
        _fenced(run, stamp),
        phase="pending",
        waits_for=None,
        available_at=None,
        tries=0,
        lost_in_a_row=0,
        failure=None,
        cancel_reason=None,
        cancel_forced=False,
        cancelling_since=None,
        ended_at=None,
        result=None,
        result_blob=None,
        deleted=False,
        begun=(),
        only_chosen=False,
    )


def _finished(
    run: Run,
    phase: Literal["completed", "partial", "cancelled"],
    fact: RunCompleted | RunPartiallyCompleted | RunCancelled,
    stamp: Stamp,
) -> Run:
    forced = isinstance(fact, RunCancelled) and fact.forced
    if (
        not isinstance(fact, RunCancelled)
        and run.attempt is not None
        and run.attempt.state == "lost"
    ):
        # It was cut off, worked on, and no newer attempt exists: its result counts.
        attempt = replace(run.attempt, ended_at=None, failure=None)
        run = replace(run, attempt=attempt, past=run.past[:-1])
    ended: AttemptState = "cancelled" if phase == "cancelled" else "completed"
    run = _attempt_over(run, "fenced" if forced else ended, stamp, usage=_usage(fact))
    return replace(
        run,
        phase=phase,
        failure=None,
        waits_for=None,
        available_at=None,
        ended_at=stamp.time,
        progress=fact.progress or run.progress,
        metrics=fact.metrics or run.metrics,
        result=fact.result,
        result_blob=fact.result_blob,
        lost_in_a_row=0,
    )


def lost(fact: AttemptLost) -> Failure:
    """Say in words why an attempt counts as lost."""
    evidence = fact.evidence
    match evidence.rule:
        case "lease-ended":
            silent = evidence.silent_seconds or 0
            words = f"Executor {evidence.executor} was silent for {silent:.0f} s."
        case "executor-returned-without-it":
            words = f"Executor {evidence.executor} came back without this attempt."
        case "executor-forgot-it":
            words = f"Executor {evidence.executor} does not know this attempt."
        case _:
            assert_never(evidence.rule)
    return Failure(reason="lost", message=words)
