"""Where each action on a run is legal, and in words why it is not elsewhere."""

from datetime import datetime
from typing import Literal

from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import (
    Cancel,
    Command,
    Delete,
    Fail,
    Hold,
    Release,
    Reprioritise,
    Restart,
    Resume,
    RetryItems,
    RetryNow,
)
from perdure_contract.items import ItemCounts
from perdure_contract.objects import State

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


def actions(run: Run, now: datetime) -> dict[str, str | None]:
    """Give every action with the reason why it is not legal now, None where it is."""
    return {action: why_not(run, action, now) for action in LEGAL}
