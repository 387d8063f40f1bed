"""What becomes of a run whose attempt ends without a word of its executor: lost, stuck, taken back."""

from datetime import datetime

from msgspec import UNSET, UnsetType

from perdure_api.domain.retry import wait_before_next
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import EndStuck, Lose, TakeBack
from perdure_api.domain.run_folding import lost
from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    Failure,
    RetryScheduled,
    RunCancelled,
    RunFact,
    RunFailed,
    RunQueued,
)
from perdure_contract.items import ItemCounts


def close_forced(run: Run) -> tuple[RunFact, ...]:
    """Close a run whose executor did not answer a forced cancel; its attempt is fenced."""
    if run.phase != "cancelling" or not run.cancel_forced or run.attempt is None:
        return ()
    closed = RunCancelled(
        run=run.id,
        attempt=run.attempt.number,
        reason=run.cancel_reason,
        forced=True,
        items=items_of(run),
    )
    return (closed,)


def lose(run: Run, command: Lose, now: datetime) -> tuple[RunFact, ...]:
    """End an attempt whose executor is gone, and decide what follows."""
    attempt = run.attempt
    if not run.is_open or attempt is None or attempt.number != command.attempt:
        return ()
    fact = AttemptLost(run=run.id, attempt=attempt.number, evidence=command.evidence)
    if run.phase == "cancelling":
        ended = RunCancelled(
            run=run.id,
            attempt=attempt.number,
            reason=run.cancel_reason,
            items=items_of(run),
        )
        return (fact, ended)
    return (fact, after_failure(run, lost(fact), now, lost_in_a_row=run.lost_in_a_row + 1))


def end_stuck(run: Run, command: EndStuck, now: datetime) -> tuple[RunFact, ...]:
    """End an attempt that gave no sign of progress for too long, and decide what follows."""
    attempt = run.attempt
    if run.phase != "running" or attempt is None or attempt.number != command.attempt:
        return ()
    silence = command.silence
    failure = Failure(
        reason="stuck",
        message=f"No {_SIGNS[silence.last_sign]} for {silence.silent_seconds:.0f} s; "
        f"{silence.allowed_seconds:.0f} s are allowed.",
    )
    failed = AttemptFailed(
        run=run.id,
        attempt=attempt.number,
        failure=failure,
        progress=run.progress,
        silence=silence,
        items=items_of(run),
    )
    return (failed, after_failure(run, failure, now, lost_in_a_row=0))


_SIGNS = {
    "start": "sign of life since it started",
    "output": "sign of life since its last output",
    "progress": "sign of life since its last progress",
    "checkpoint": "sign of life since its last checkpoint",
}


def take_back(run: Run, command: TakeBack) -> tuple[RunFact, ...]:
    """Take back a grant that never reached its executor; the attempt does not count."""
    attempt = run.attempt
    if not run.is_open or attempt is None or attempt.number != command.attempt:
        return ()
    if run.phase == "cancelling":
        taken = RunCancelled(
            run=run.id,
            attempt=attempt.number,
            reason=run.cancel_reason,
            items=items_of(run),
        )
        return (taken,)
    mark = run.checkpoint.number if run.checkpoint is not None else None
    return (
        AttemptReleased(run=run.id, attempt=attempt.number, checkpoint=mark),
        RunQueued(run=run.id, why="attempt-released"),
    )


def after_failure(
    run: Run, failure: Failure, now: datetime, *, lost_in_a_row: int
) -> RetryScheduled | RunFailed:
    """Decide what follows a failed or lost attempt: another one, or the end of the run."""
    wait = wait_before_next(
        run.request.retry, failure, tries=run.tries, lost_in_a_row=lost_in_a_row, seed=run.id
    )
    if wait is None:
        return RunFailed(run=run.id, failure=failure)
    return RetryScheduled(run=run.id, next_attempt_at=now + wait, wait_seconds=wait.total_seconds())


def items_of(run: Run) -> ItemCounts | UnsetType:
    """Give how the items of a batch stand, for the event that ends an attempt."""
    return UNSET if run.items is None else run.items
