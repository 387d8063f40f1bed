"""What a command brings about in a run: facts, or why not."""

from datetime import datetime

from msgspec import UNSET

from perdure_api.domain.attempt_ends import close_forced, end_stuck, items_of, lose, take_back
from perdure_api.domain.legal_actions import ACTION_OF, refuse
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import (
    Cancel,
    CloseForced,
    Command,
    Delete,
    EndStuck,
    Fail,
    Hold,
    Lose,
    Release,
    Reprioritise,
    Restart,
    Resume,
    RetryItems,
    RetryNow,
    Start,
    TakeBack,
)
from perdure_contract.facts import (
    AttemptStarted,
    CancelRequested,
    Failure,
    RunCancelled,
    RunDeleted,
    RunFact,
    RunFailed,
    RunHeld,
    RunItemsRetried,
    RunQueued,
    RunReleased,
    RunReprioritised,
    RunRestarted,
    RunResumed,
)


def decide(  # noqa: C901, PLR0911, PLR0912 -- one arm a command
    run: Run, command: Command, now: datetime
) -> tuple[RunFact, ...] | Rejection:
    """Decide what a command brings about: facts, or why not. No facts = it is already so."""
    action = ACTION_OF.get(type(command))
    if action is not None and (refusal := refuse(run, action, now)) is not None:
        return refusal
    match command:
        case Cancel():
            return _cancel(run, command)
        case CloseForced():
            return close_forced(run)
        case Start():
            return _start(run, command, now)
        case Lose():
            return lose(run, command, now)
        case EndStuck():
            return end_stuck(run, command, now)
        case TakeBack():
            return take_back(run, command)
        case Resume():
            return _resume(run, command)
        case Restart():
            return _restart(run, command)
        case RetryItems():
            return _retry_items(run, command)
        case RetryNow():
            return (RunQueued(run=run.id, why="retry-now"),)
        case Hold():
            return (RunHeld(run=run.id, reason=command.reason),)
        case Release():
            return _release(run, command, now)
        case Fail():
            failure = Failure(reason="declared", message=command.message)
            return (RunFailed(run=run.id, failure=failure),)
        case Reprioritise():
            if command.priority == run.priority:
                return ()
            return (RunReprioritised(run=run.id, priority=command.priority, reason=command.reason),)
        case Delete():
            return (RunDeleted(run=run.id, removed=command.removed, reason=command.reason),)
        case _:
            message = f"no decision for {type(command).__name__}"
            raise TypeError(message)


def _cancel(run: Run, command: Cancel) -> tuple[RunFact, ...]:
    if not run.is_open:
        return (RunCancelled(run=run.id, reason=command.reason, items=items_of(run)),)
    if run.phase == "cancelling" and (run.cancel_forced or not command.force):
        return ()
    return (CancelRequested(run=run.id, reason=command.reason, force=command.force),)


def _start(run: Run, command: Start, now: datetime) -> tuple[RunFact, ...] | Rejection:
    state = state_at(run, now)
    if state != "queued":
        return Rejection(code="wrong-state", message=f"The run is {state}.", state=state)
    started = AttemptStarted(
        run=run.id,
        attempt=1 if run.attempt is None else run.attempt.number + 1,
        executor=command.executor,
        from_checkpoint=run.start_from,
    )
    return (started,)


def _resume(run: Run, command: Resume) -> tuple[RunFact, ...] | Rejection:
    last = run.checkpoint.number if run.checkpoint is not None else 0
    number = last if command.checkpoint is None else command.checkpoint
    if not 1 <= number <= last:
        return Rejection(
            code="no-checkpoint",
            message=f"There is no checkpoint {number}; the last one is {last}.",
            current_version=run.version,
        )
    left = command.left
    resumed = RunResumed(
        run=run.id,
        checkpoint=number,
        reason=command.reason,
        items=UNSET if left is None else left.items,
        cursor=UNSET if left is None else left.cursor,
    )
    return (resumed,)


def _retry_items(run: Run, command: RetryItems) -> tuple[RunFact, ...]:
    chosen = command.chosen
    failed = 0 if run.items is None else run.items.failed
    first = command.first_failed if chosen is None else chosen.items[0].first
    retried = RunItemsRetried(
        run=run.id,
        items=() if chosen is None else chosen.items,
        count=failed if chosen is None else chosen.count,
        cursor=min(run.settled, first - 1),
        reason=command.reason,
    )
    return (retried,)


def _restart(run: Run, command: Restart) -> tuple[RunFact, ...] | Rejection:
    origin = command.origin or ("checkpoint" if run.is_open else "beginning")
    last = run.checkpoint.number if run.checkpoint is not None else None
    if command.origin == "checkpoint" and last is None and not run.is_open:
        return Rejection(
            code="no-checkpoint",
            message="No checkpoint was written; restart it from the beginning.",
            current_version=run.version,
        )
    restarted = RunRestarted(
        run=run.id,
        from_checkpoint=last if origin == "checkpoint" else None,
        reason=command.reason,
        fenced_attempt=run.attempt.number if run.is_open and run.attempt is not None else None,
    )
    return (restarted,)


def _release(run: Run, command: Release, now: datetime) -> tuple[RunFact, ...]:
    released = RunReleased(run=run.id, reason=command.reason)
    if run.available_at is not None and run.available_at > now:
        return (released,)
    return (released, RunQueued(run=run.id, why="released"))
