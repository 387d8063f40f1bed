"""The actions of a run's page: how each looks, and where it has a button."""

from dataclasses import dataclass
from typing import Final

from perdure_api.pages.action_contexts import ActionButton, MenuAction
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """How an action looks; `legal` names the domain's action that decides whether it is there."""

    legal: str
    label: str
    icon: str
    done: str
    """What the toast says."""
    tone: str = ""
    confirm: bool = False
    key: str = ""


ACTS: Final[dict[str, Act]] = {
    "retry-now": Act(
        legal="retry-now", label="Start now", icon="play", done="It starts now", tone="primary"
    ),
    "release": Act(legal="release", label="Release", icon="play", done="Released", tone="primary"),
    "resume": Act(
        legal="resume",
        label="Resume",
        icon="skip-forward",
        done="It goes on from its checkpoint",
        tone="primary",
    ),
    "restart": Act(
        legal="restart", label="Restart", icon="rotate-cw", done="It starts again", confirm=True
    ),
    "retry-items": Act(
        legal="retry-items",
        label="Retry failed",
        icon="rotate-cw",
        done="The failed items run again",
        tone="primary",
        confirm=True,
    ),
    "hold": Act(legal="hold", label="Hold", icon="pause", done="Held"),
    "cancel": Act(
        legal="cancel",
        label="Cancel",
        icon="ban",
        done="Cancelled",
        tone="stop",
        confirm=True,
        key="c",
    ),
    "priority": Act(
        legal="priority",
        label="Priority",
        icon="gauge",
        done="It has its new priority",
        confirm=True,
    ),
    "fail": Act(
        legal="fail",
        label="Declare failed",
        icon="circle-x",
        done="Declared failed",
        tone="stop",
        confirm=True,
    ),
    "delete": Act(
        legal="delete",
        label="Delete content",
        icon="x",
        done="Its content was removed",
        tone="stop",
        confirm=True,
    ),
    "kill": Act(
        legal="cancel", label="Kill", icon="octagon-x", done="Killed", tone="stop", confirm=True
    ),
}
"""The actions of a run's page, in the order in which they stand there."""

MENU_ONLY: Final = frozenset({"priority", "fail", "delete"})
"""Seldom wanted: they have no button beside the menu."""


def action_buttons(run: RunView, csrf: str) -> tuple[ActionButton, ...]:
    """Give what is legal now."""
    return tuple(
        ActionButton(
            name=name,
            label=act.label,
            icon=act.icon,
            tone=act.tone,
            confirm=act.confirm,
            key=act.key,
            csrf=csrf,
            expected_version=run.version,
            seen=run.state,
        )
        for name, act in ACTS.items()
        if is_offered(run, name)
    )


def action_menu(run: RunView) -> tuple[MenuAction, ...]:
    """Give every action, and why it is not legal now; what is legal stands first."""
    actions = [
        MenuAction(
            name=name,
            label=act.label,
            icon=act.icon,
            tone=act.tone,
            why_not=run.actions.get(act.legal),
        )
        for name, act in ACTS.items()
        if name != "retry-items" or run.items is not None
    ]
    return tuple(sorted(actions, key=lambda action: action.why_not is not None))


def is_offered(run: RunView, name: str) -> bool:
    """Tell whether an action has a button now: legal, and the sensible one of its kind."""
    if name in MENU_ONLY or run.actions.get(ACTS[name].legal) is not None:
        return False
    if name == "cancel":
        return run.state != "cancelling"
    if name == "kill":
        return run.state == "cancelling"
    if name == "resume":
        return run.items is None or run.items.pending > 0
    if name == "retry-items":
        return run.items is None or run.items.pending == 0
    if name == "restart":
        return run.state in ("failed", "cancelled", "partial")
    return True
