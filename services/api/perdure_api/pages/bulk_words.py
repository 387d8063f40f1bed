"""Actions on many runs in words."""

from dataclasses import dataclass
from typing import Final, get_args

from perdure_api.domain.bulk import BulkAction
from perdure_api.pages.bulk_contexts import BulkLine
from perdure_api.pages.event_words import actor_words
from perdure_api.pages.run_list_contexts import BulkButton
from perdure_api.pages.words import counted
from perdure_contract.objects import BulkView


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """How an action on many runs is told."""

    label: str
    noun: str
    """What it is called once it is under way: `Restart` of 3 runs."""
    icon: str
    line: str
    """What happens to each run."""
    tone: str = ""


MANY: Final[dict[BulkAction, Many]] = {
    "restart": Many(
        label="Restart",
        noun="Restart",
        icon="rotate-cw",
        line="Each starts again from its beginning, with all its attempts. "
        "What they did so far may be done again.",
    ),
    "resume": Many(
        label="Resume",
        noun="Resume",
        icon="skip-forward",
        line="Each goes on from its last checkpoint.",
    ),
    "retry-now": Many(
        label="Start now", noun="Start", icon="play", line="Each starts without waiting any longer."
    ),
    "hold": Many(
        label="Hold",
        noun="Hold",
        icon="pause",
        line="None of them starts until it is released.",
    ),
    "release": Many(label="Release", noun="Release", icon="play", line="Each may go on."),
    "cancel": Many(
        label="Cancel",
        noun="Cancellation",
        icon="ban",
        line="What has not started never will. The processes of those that run get TERM, "
        "and KILL when their grace is over.",
        tone="stop",
    ),
    "delete": Many(
        label="Delete",
        noun="Deletion",
        icon="x",
        line="Output, result and input of each are removed for good; what happened stays on record.",
        tone="stop",
    ),
}
"""The actions that the list offers, in the order in which they stand there."""

BUTTONS: Final = tuple(
    BulkButton(action=action, label=many.label, icon=many.icon, tone=many.tone)
    for action, many in MANY.items()
)


def action_of(text: str) -> BulkAction | None:
    """Read the action of an address or a form; None when the list does not offer it."""
    actions: tuple[BulkAction, ...] = get_args(BulkAction)
    return next((action for action in actions if action == text and action in MANY), None)


def line_of(bulk: BulkView) -> BulkLine:
    """Give what stands of an operation in a list, or at the head of its page."""
    state, words = state_of(bulk)
    return BulkLine(
        bulk=bulk,
        title=title_of(bulk),
        state=state,
        state_words=words,
        requested_by=actor_words(bulk.requested_by),
    )


def title_of(bulk: BulkView) -> str:
    """Name an operation: `Restart of 41 runs`."""
    known = next((many.noun for action, many in MANY.items() if action == bulk.action), None)
    return f"{known or bulk.action.capitalize()} of {counted(bulk.matched, 'run')}"


def state_of(bulk: BulkView) -> tuple[str, str]:
    """Give the state whose badge an operation has, and the badge's word."""
    if bulk.state == "running":
        return "running", "Under way"
    if bulk.state == "stopping":
        return "cancelling", "Stopping"
    return {
        "stopped": ("cancelled", "Stopped"),
        "canary-failed": ("failed", "Ended early"),
    }.get(bulk.why or "", ("completed", "Finished"))


def how_far(bulk: BulkView) -> str:
    """Say how far an operation is, or why it ended."""
    untouched = (
        f"{counted(bulk.left, 'run')} stayed as {'it was' if bulk.left == 1 else 'they were'}"
    )
    if bulk.state == "stopping":
        return "It stops after the runs under way. What is done stays done."
    if bulk.state == "running":
        if bulk.canary and bulk.done == 1 and bulk.left:
            return "One run went first. The others follow when it completes."
        return f"{counted(bulk.left, 'run')} to go."
    if bulk.why == "stopped":
        return f"It was stopped; {untouched}."
    if bulk.why == "canary-failed":
        return f"The run that went first did not complete, so it ended there; {untouched}."
    if bulk.refused:
        return (
            f"Every run was taken in turn; {counted(bulk.refused, 'run was', 'runs were')} refused."
        )
    return "Every run was taken in turn."
