"""What people, programs and time may do to a run: commands, where they are legal, what they decide."""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from perdure_api.domain.rejections import Rejection
from perdure_api.domain.retry import wait_before_next
from perdure_api.domain.run import Run, lost, state_at
from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    Evidence,
    Failure,
    RetryScheduled,
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
    Silence,
)
from perdure_contract.items import ItemCounts, Range
from perdure_contract.objects import State


class Command(Struct, frozen=True, kw_only=True):
    """Something asked of one run."""


class Chosen(Struct, frozen=True, kw_only=True):
    """Failed items that were picked, as they were found in the store."""

    items: tuple[Range, ...]
    count: int


class LeftOutcomes(Struct, frozen=True, kw_only=True):
    """What a batch has of its outcomes when it goes back to an older checkpoint."""

    items: ItemCounts
    cursor: int


class Cancel(Command, frozen=True, kw_only=True):
    """End the run; with `force` its processes are killed at once."""

    force: bool = False
    reason: str | None = None


class CloseForced(Command, frozen=True, kw_only=True):
    """The executor did not answer a forced cancel in time: close the run and fence the attempt."""


class Resume(Command, frozen=True, kw_only=True):
    """Go on from a checkpoint, the last one by default."""

    checkpoint: int | None = None
    left: LeftOutcomes | None = None
    """Of a batch, when the checkpoint is an older one; looked up in the store."""
    reason: str | None = None


class Restart(Command, frozen=True, kw_only=True):
    """Start again; the budget of retries starts anew, an open attempt is fenced."""

    origin: Literal["beginning", "checkpoint"] | None = None
    reason: str | None = None


class RetryItems(Command, frozen=True, kw_only=True):
    """Do items of a batch again that failed: those chosen, or all, and no others."""

    chosen: Chosen | None = None
    """None for all that failed."""
    first_failed: int = 1
    """The first of those that failed, chosen or not; looked up in the store."""
    reason: str | None = None


class RetryNow(Command, frozen=True, kw_only=True):
    """Wait no more."""

    reason: str | None = None


class Hold(Command, frozen=True, kw_only=True):
    """Set the run aside."""

    reason: str | None = None


class Release(Command, frozen=True, kw_only=True):
    """Let a held run go on."""

    reason: str | None = None


class Fail(Command, frozen=True, kw_only=True):
    """Declare the run failed by hand."""

    message: str
    reason: str | None = None


class Reprioritise(Command, frozen=True, kw_only=True):
    """Give the run another priority."""

    priority: int
    reason: str | None = None


class Delete(Command, frozen=True, kw_only=True):
    """Remove input, output and result; the facts stay."""

    removed: tuple[str, ...] = ()
    reason: str | None = None


class Start(Command, frozen=True, kw_only=True):
    """Grant the next attempt to an executor."""

    executor: str


class EndStuck(Command, frozen=True, kw_only=True):
    """The open attempt lives but gave no sign of progress for longer than allowed."""

    silence: Silence
    attempt: int
    """Only this attempt is ended; if another is open by now, nothing happens."""


class Lose(Command, frozen=True, kw_only=True):
    """The executor of the open attempt is gone."""

    evidence: Evidence
    attempt: int
    """Only this attempt is lost; if another is open by now, nothing happens."""


class TakeBack(Command, frozen=True, kw_only=True):
    """The grant of the open attempt never reached its executor: nothing of it was begun."""

    attempt: int
    """Only this attempt is taken back; if another is open by now, nothing happens."""


Action = Literal[
    "cancel",
    "resume",
    "restart",
    "rerun",
    "retry-items",
    "retry-now",
    "hold",
    "release",
    "fail",
    "priority",
    "delete",
]

FINAL: tuple[State, ...] = ("completed", "partial", "failed", "cancelled")
NOT_FINAL: tuple[State, ...] = (
    "scheduled",
    "waiting",
    "queued",
    "running",
    "retrying",
    "paused",
    "cancelling",
)

LEGAL: dict[Action, tuple[State, ...]] = {
    "cancel": NOT_FINAL,
    "resume": ("failed", "cancelled", "partial"),
    "restart": ("failed", "cancelled", "partial", "running", "cancelling"),
    "rerun": (*NOT_FINAL, *FINAL),
    "retry-items": ("partial", "failed", "cancelled"),
    "retry-now": ("retrying", "scheduled"),
    "hold": ("scheduled", "waiting", "queued", "retrying"),
    "release": ("paused",),
    "fail": ("running", "cancelling", "paused", "queued", "retrying"),
    "priority": NOT_FINAL,
    "delete": FINAL,
}
"""Where each action is legal, by the state people see."""


_NEED_ITEMS: frozenset[Action] = frozenset({"resume", "restart", "retry-items"})
"""What begins another attempt at the same input."""


def why_not(run: Run, action: Action, now: datetime) -> str | None:
    """Say in words why an action is not legal now, or None where it is."""
    return why_not_in(
        state_at(run, now),
        action,
        has_checkpoint=run.checkpoint is not None,
        is_deleted=run.deleted,
        items=run.items,
    )


def why_not_in(
    state: State,
    action: Action,
    *,
    has_checkpoint: bool,
    is_deleted: bool,
    items: ItemCounts | None = None,
) -> str | None:
    """Say the same of any run of which no more than this is known: for counting many."""
    if state not in LEGAL[action]:
        needed = ", ".join(LEGAL[action])
        return f"The run is {state}; {action} needs one of: {needed}."
    if action == "retry-items" and items is None:
        return "Only a batch run has items."
    if action in _NEED_ITEMS and items is not None and is_deleted:
        return "Its items were removed; request it again with its input."
    if action == "resume" and not has_checkpoint:
        return "No checkpoint was written; restart runs it from the beginning."
    if action == "retry-items" and items is not None and items.failed == 0:
        return "None of its items failed."
    if action == "delete" and is_deleted:
        return "Its content was removed already."
    return None


def refuse(run: Run, action: Action, now: datetime) -> Rejection | None:
    """Give the refusal of an action that is not legal now."""
    why = why_not(run, action, now)
    if why is None:
        return None
    return Rejection(
        code="wrong-state",
        message=why,
        state=state_at(run, now),
        allowed=LEGAL[action],
        current_version=run.version,
    )


ACTION_OF: dict[type[Command], Action] = {
    Cancel: "cancel",
    Resume: "resume",
    Restart: "restart",
    RetryItems: "retry-items",
    RetryNow: "retry-now",
    Hold: "hold",
    Release: "release",
    Fail: "fail",
    Reprioritise: "priority",
    Delete: "delete",
}


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
            return _close_forced(run)
        case Start():
            return _start(run, command, now)
        case Lose():
            return _lose(run, command, now)
        case EndStuck():
            return _end_stuck(run, command, now)
        case TakeBack():
            return _take_back(run, command)
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


def _close_forced(run: Run) -> tuple[RunFact, ...]:
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


def _lose(run: Run, command: Lose, now: datetime) -> tuple[RunFact, ...]:
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


def _end_stuck(run: Run, command: EndStuck, now: datetime) -> tuple[RunFact, ...]:
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


def _take_back(run: Run, command: TakeBack) -> tuple[RunFact, ...]:
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


def items_of(run: Run) -> ItemCounts | UnsetType:
    """Give how the items of a batch stand, for the event that ends an attempt."""
    return UNSET if run.items is None else run.items


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


def actions(run: Run, now: datetime) -> dict[str, str | None]:
    """Give every action with the reason why it is not legal now, None where it is."""
    return {action: why_not(run, action, now) for action in LEGAL}
