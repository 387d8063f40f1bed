"""The questions that are asked before something is done to a run."""

from typing import Final

from perdure_api.pages.action_contexts import ActionInput, ActionPage
from perdure_api.pages.asking import REASON
from perdure_api.pages.words import counted, duration, number
from perdure_contract.objects import RunView

PLAIN: Final = {
    "resume": ("Resume this run?", "skip-forward"),
    "retry-now": ("Start this run now?", "play"),
    "hold": ("Hold this run?", "pause"),
    "release": ("Release this run?", "play"),
}
ICONS: Final = {
    "cancel": "ban",
    "kill": "octagon-x",
    "restart": "rotate-cw",
    "retry-items": "rotate-cw",
    "fail": "circle-x",
    "priority": "gauge",
    "delete": "x",
}
DESTROYS: Final = frozenset({"cancel", "kill", "fail", "delete"})


def question(
    run: RunView, action: str, csrf: str, *, checkpoint: str = "", items: str | None = None
) -> ActionPage:
    """Say what will happen.

    Args:
        run: The run.
        action: What is to be done to it.
        csrf: Token of the session.
        checkpoint: The one to go on from, if not the last.
        items: Those that were chosen for another try; none for all that failed.
    """
    title, lines, keep, go = _told(run, action, chosen=items is not None)
    return ActionPage(
        title=title,
        lines=(f"{run.name}, {run.id[-6:]}", *lines),
        href=f"/runs/{run.id}/{action}",
        back=f"/runs/{run.id}",
        keep=keep,
        go=go,
        icon=ICONS.get(action) or PLAIN[action][1],
        tone="danger" if action in DESTROYS else "primary",
        csrf=csrf,
        expected_version=run.version,
        seen=run.state,
        inputs=(*_inputs(run, action, checkpoint, items), REASON),
    )


def _told(run: RunView, action: str, *, chosen: bool) -> tuple[str, tuple[str, ...], str, str]:
    lines: tuple[str, ...]
    match action:
        case "cancel":
            return "Cancel this run?", _cancel_lines(run), "Keep it", "Cancel run"
        case "kill":
            lines = (
                "Every process of it gets KILL at once, without a chance to clean up.",
                "If its executor does not answer within 5 s, the run is closed without it.",
            )
            return "Kill it now?", lines, "Give it time", "Kill now"
        case "restart":
            lines = (
                "It starts again from its beginning, with all its attempts.",
                "What it did so far may be done again.",
            )
            return "Restart this run?", lines, "Leave it", "Restart"
        case "retry-items":
            return _retry_items(run, chosen=chosen)
        case "fail":
            lines = (
                "It ends as failed without being tried again; what still runs of it no longer counts.",
            )
            return "Declare this run failed?", lines, "Leave it", "Declare failed"
        case "priority":
            lines = ("Of the runs that wait in a queue, higher numbers start first.",)
            return "Change its priority?", lines, "Leave it", "Set priority"
        case "delete":
            lines = (
                "Its output, result and input are removed for good; what happened stays on record.",
            )
            return "Delete its content?", lines, "Keep it", "Delete content"
        case _:
            title = PLAIN[action][0]
            return title, (), "Leave it", title.removesuffix("?")


def _retry_items(run: RunView, *, chosen: bool) -> tuple[str, tuple[str, ...], str, str]:
    failed = run.items.failed if run.items is not None else 0
    if chosen:
        lines = ("Only these run again, in another attempt; the outcomes of all others stay.",)
        return "Retry the chosen items?", lines, "Leave them", "Retry items"
    rest = (run.items.total if run.items is not None else 0) - failed
    lines = (f"They run again in another attempt; the outcomes of the other {number(rest)} stay.",)
    return f"Retry {counted(failed, 'failed item')}?", lines, "Leave them", "Retry items"


def _inputs(
    run: RunView, action: str, checkpoint: str, items: str | None
) -> tuple[ActionInput, ...]:
    if action == "retry-items" and items is not None:
        hint = "Their numbers, like 7 17 20–25. Only items that failed."
        return (ActionInput(name="items", label="Items", value=items, required=True, hint=hint),)
    if action == "resume":
        last = str(run.checkpoint.number) if run.checkpoint is not None else ""
        hint = f"The last one is {last}. Work done after it is done again."
        return (
            ActionInput(
                name="checkpoint", label="From checkpoint", value=checkpoint or last, hint=hint
            ),
        )
    if action == "fail":
        return (
            ActionInput(
                name="message", label="What went wrong", required=True, hint="Shown as its failure."
            ),
        )
    if action == "priority":
        hint = "A whole number from -100 to 100."
        value = str(run.priority)
        return (
            ActionInput(name="priority", label="Priority", value=value, required=True, hint=hint),
        )
    return ()


def _cancel_lines(run: RunView) -> tuple[str, ...]:
    if run.state not in ("running", "cancelling"):
        return ("It has not started; nothing of it will run.",)
    grace = duration(run.limits.grace_seconds)
    return (
        f"Its whole process tree on {run.executor} gets TERM, and KILL after {grace} if it is still there.",
    )
