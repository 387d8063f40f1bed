"""The questions that are asked before something is done to a run."""

from typing import Final

from perdure_api.pages.contexts import ActionInput, ActionPage
from perdure_api.pages.words import duration
from perdure_contract.objects import RunView
from perdure_runtime.clock import new_id

REASON: Final = ActionInput(
    name="reason", label="Reason", hint="If you like; it is kept with the event."
)
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
    "fail": "circle-x",
    "priority": "gauge",
    "delete": "x",
}
DESTROYS: Final = frozenset({"cancel", "kill", "fail", "delete"})


def question(run: RunView, action: str, csrf: str, checkpoint: str) -> ActionPage:
    """Say what will happen; `checkpoint` is the one to go on from, if not the last."""
    title, lines, keep, go = _told(run, action)
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
        idempotency_key=new_id(),
        expected_version=run.version,
        seen=run.state,
        inputs=(*_inputs(run, action, checkpoint), REASON),
    )


def _told(run: RunView, action: str) -> tuple[str, tuple[str, ...], str, str]:
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


def _inputs(run: RunView, action: str, checkpoint: str) -> tuple[ActionInput, ...]:
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
