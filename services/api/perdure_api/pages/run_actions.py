"""What may be done to a run: a question before what destroys, then one command."""

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
from perdure_api.once import StoredAnswer
from perdure_api.pages.action_buttons import ACTS
from perdure_api.pages.action_questions import question
from perdure_api.pages.asking import ask_before
from perdure_api.pages.chosen_items import chosen_items, read_ordinals
from perdure_api.pages.sent_forms import MOST_REASON, idempotency_of, reason_of
from perdure_api.pages.visit import csrf_of, first, go_on, query_of, read_form, whole_number
from perdure_api.projections.ledger import note_refusal
from perdure_api.projections.run_detail import get_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.objects import RunView

MOST_PRIORITY: Final = 100


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
    return ask_before(request, page, "runs")


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
    idempotency = idempotency_of(fields, f"/runs/{run.id}/{action}", _nothing)

    async def carry_out(expected_version: int | None) -> None:
        await commands.act(
            by,
            run.id,
            command,
            expected_version=expected_version,
            idempotency=idempotency,
            ordinals=ordinals,
        )

    try:
        try:
            await carry_out(whole_number(first(fields, "expected_version")))
        except Rejected as rejected:
            if not _matters_not(rejected, first(fields, "seen")):
                raise
            await carry_out(rejected.rejection.current_version)
    except Rejected as rejected:
        pool, why = services_of(request).database.pool, rejected.rejection.message
        await note_refusal(pool, by, run.id, action, why)
        raise
    return go_on(
        request, f"/runs/{run.id}", ACTS[action].done if action != "cancel" else _cancelled(run)
    )


def _nothing(_run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=b"", headers={})


def _matters_not(rejected: Rejected, seen: str) -> bool:
    """Tell whether only progress was made since: same state, so the question still means the same."""
    rejection = rejected.rejection
    return rejection.code == "version-conflict" and bool(seen) and rejection.state == seen


def _cancelled(run: RunView) -> str:
    return "It is being ended" if run.state in ("running", "cancelling") else "Cancelled"


def _command(action: str, fields: dict[str, list[str]]) -> Command:  # noqa: PLR0911 -- one arm an action
    reason = reason_of(fields)
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
