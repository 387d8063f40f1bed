"""What may be done to a run: buttons where it is legal, a question before what destroys, one command each."""

import hashlib
from dataclasses import dataclass
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run
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
from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.pages.action_contexts import ActionButton, MenuAction
from perdure_api.pages.action_questions import question
from perdure_api.pages.chosen_items import chosen_items, read_ordinals
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    go_on,
    query_of,
    read_form,
    wants_fragment,
    whole_number,
)
from perdure_api.projections.ledger import note_refusal
from perdure_api.projections.run_detail import get_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.objects import RunView

MOST_REASON: Final = 500
MOST_PRIORITY: Final = 100


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


@get("/runs/{run_id:str}/{action:str}", opt={"permission": "operate"}, name="ask before an action")
async def ask(request: HttpRequest, run_id: str, action: str) -> ASGIApp:
    """Ask before something is done: in a dialog, or without scripts on a page of its own."""
    run = await _own_run(request, run_id)
    if action not in ACTS:
        raise NotFoundError(action)
    if (why := run.actions.get(ACTS[action].legal)) is not None:
        raise Rejected(Rejection(code="wrong-state", message=why, state=run.state))
    query = query_of(request)
    page = question(
        run,
        action,
        csrf_of(request),
        checkpoint=query.get("checkpoint", ""),
        items=chosen_items(request) if "chosen" in query else None,
    )
    fragment = wants_fragment(request)
    frame = frame_of(request, page.title, "runs")
    context = {"frame": frame, "action": page, "fragment": fragment}
    return html("_action.html" if fragment else "action.html", context)


@post("/runs/{run_id:str}/{action:str}", opt={"permission": "operate"}, name="act on a run")
async def act(request: HttpRequest, run_id: str, action: str) -> ASGIApp:
    """Do it, once, unless the run has changed in a way that matters since the button was shown."""
    run = await _own_run(request, run_id)
    if action not in ACTS:
        raise NotFoundError(action)
    fields = await read_form(request)
    commands, by = services_of(request).commands, caller_of(request)
    command = _command(action, fields)
    ordinals = None
    if isinstance(command, RetryItems) and "items" in fields:
        ordinals = read_ordinals(first(fields, "items"))
    version = whole_number(first(fields, "expected_version"))
    idempotency = idempotency_of(fields, f"/runs/{run.id}/{action}", _nothing)
    try:
        try:
            await commands.act(
                by,
                run.id,
                command,
                expected_version=version,
                idempotency=idempotency,
                ordinals=ordinals,
            )
        except Rejected as rejected:
            if not _matters_not(rejected, first(fields, "seen")):
                raise
            now_at = rejected.rejection.current_version
            await commands.act(
                by,
                run.id,
                command,
                expected_version=now_at,
                idempotency=idempotency,
                ordinals=ordinals,
            )
    except Rejected as rejected:
        pool, why = services_of(request).database.pool, rejected.rejection.message
        await note_refusal(pool, by, run.id, action, why)
        raise
    return go_on(
        request, f"/runs/{run.id}", ACTS[action].done if action != "cancel" else _cancelled(run)
    )


def idempotency_of(fields: dict[str, list[str]], path: str, render: object) -> Idempotency | None:
    """Take the key that was hidden in a form: sent twice, it acts once."""
    key = first(fields, "idempotency_key")
    if not 0 < len(key) <= 64 or not key.isascii() or not key.isprintable():  # noqa: PLR2004 -- ours have 36
        return None
    said = {name: values for name, values in sorted(fields.items()) if name != "_csrf"}
    digest = hashlib.sha256(f"{path}\n{said}".encode("utf-8", "surrogatepass")).digest()
    return Idempotency(key=f"page-{key}", body_sha256=digest, render=render)  # type: ignore[arg-type]  # a callable of the result


def _nothing(_run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=b"", headers={})


def _matters_not(rejected: Rejected, seen: str) -> bool:
    """Tell whether only progress was made since: same state, so the question still means the same."""
    rejection = rejected.rejection
    return rejection.code == "version-conflict" and bool(seen) and rejection.state == seen


def _cancelled(run: RunView) -> str:
    return "It is being ended" if run.state in ("running", "cancelling") else "Cancelled"


def _command(action: str, fields: dict[str, list[str]]) -> Command:  # noqa: PLR0911 -- one arm an action
    reason = first(fields, "reason")[:MOST_REASON] or None
    match action:
        case "fail":
            message = first(fields, "message")[:MOST_REASON]
            return Fail(message=message or "Declared failed by hand.", reason=reason)
        case "priority":
            return Reprioritise(priority=_priority(first(fields, "priority")), reason=reason)
        case "delete":
            return Delete(removed=("input", "output", "result"), reason=reason)
        case "cancel":
            return Cancel(reason=reason)
        case "kill":
            return Cancel(force=True, reason=reason)
        case "retry-now":
            return RetryNow(reason=reason)
        case "hold":
            return Hold(reason=reason)
        case "release":
            return Release(reason=reason)
        case "resume":
            return Resume(checkpoint=whole_number(first(fields, "checkpoint")), reason=reason)
        case "retry-items":
            return RetryItems(reason=reason)
        case "restart":
            return Restart(origin="beginning", reason=reason)
        case _:
            raise NotFoundError(action)


def _priority(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    number = whole_number(digits, least=0)
    if number is None or number > MOST_PRIORITY:
        raise Refused("bad-query", "The priority is a whole number from -100 to 100.")
    return sign * number


async def _own_run(request: HttpRequest, run_id: str) -> RunView:
    database = services_of(request).database
    run = await get_run(database, caller_of(request).tenant, as_run_id(run_id))
    if run is None:
        raise NotFoundError(run_id)
    return run


HANDLERS: Final[list[HTTPRouteHandler]] = [ask, act]
