"""What may be done to a schedule: a question first where it matters, then one command."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.run import Run
from perdure_api.domain.triggers import read_zone
from perdure_api.errors import Refused
from perdure_api.once import StoredAnswer
from perdure_api.pages.action_contexts import ActionInput, ActionPage
from perdure_api.pages.asking import REASON, ask_before
from perdure_api.pages.schedule_words import OUTCOMES
from perdure_api.pages.schedules import asked
from perdure_api.pages.sent_forms import idempotency_of, reason_of
from perdure_api.pages.visit import csrf_of, first, go_on, lead_on, read_form
from perdure_api.pages.words import counted
from perdure_api.projections import schedules
from perdure_api.routes.schedules import Backfill, times_between
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services
from perdure_api.store import event_log
from perdure_contract.jobs import FireView, ScheduleView


@get(
    [f"/schedules/{{id:str}}/{action}" for action in ("pause", "trigger", "backfill")],
    opt={"permission": "operate"},
    name="ask about a schedule",
)
async def ask(request: HttpRequest) -> ASGIApp:
    """Ask before something is done: in a dialog, or without scripts on a page of its own."""
    _, schedule = await asked(request)
    question = QUESTIONS[request.url.path.rpartition("/")[2]]
    return ask_before(request, question(schedule, csrf_of(request)), "schedules")


@post("/schedules/{id:str}/pause", opt={"permission": "operate"}, name="pause a schedule")
async def pause(request: HttpRequest) -> ASGIApp:
    """Let a schedule fire no more until it is resumed."""
    services, schedule = await asked(request)
    reason = reason_of(await read_form(request))
    await services.schedules.pause(caller_of(request), schedule.id, reason)
    return go_on(request, f"/schedules/{schedule.id}", f"A schedule of {schedule.job} is paused")


@post("/schedules/{id:str}/resume", opt={"permission": "operate"}, name="resume a schedule")
async def resume(request: HttpRequest) -> ASGIApp:
    """Let a paused schedule go on with the next fire time ahead."""
    services, schedule = await asked(request)
    await services.schedules.resume(caller_of(request), schedule.id, None)
    return go_on(request, f"/schedules/{schedule.id}", f"A schedule of {schedule.job} goes on")


@post("/schedules/{id:str}/trigger", opt={"permission": "operate"}, name="fire a schedule")
async def trigger(request: HttpRequest) -> ASGIApp:
    """Fire a schedule now and go to the run."""
    services, schedule = await asked(request)
    fields = await read_form(request)
    key = idempotency_of(fields, f"/schedules/{schedule.id}/trigger", _place_of)
    done = await services.schedules.trigger(
        caller_of(request), schedule.id, schedule.job, idempotency=key
    )
    result = done.result
    path = result.body.decode() if isinstance(result, StoredAnswer) else f"/runs/{result.id}"
    return lead_on(request, path)


@post("/schedules/{id:str}/backfill", opt={"permission": "operate"}, name="backfill a schedule")
async def backfill(request: HttpRequest) -> ASGIApp:
    """Fire for times of the past that were not kept."""
    services, schedule = await asked(request)
    fields = await read_form(request)
    try:
        became = await _backfilled(request, services, schedule, fields)
    except Refused as refused:
        words = " ".join(fault.message for fault in refused.errors) or refused.detail
        page = _backfill(schedule, csrf_of(request))
        inputs = tuple(replace(i, value=first(fields, i.name)) for i in page.inputs)
        return ask_before(
            request, replace(page, inputs=inputs, problem_text=words), "schedules", status=422
        )
    return go_on(request, f"/schedules/{schedule.id}", _told(became))


@get("/schedules/{id:str}/delete", opt={"permission": "author"}, name="ask to delete a schedule")
async def ask_delete(request: HttpRequest) -> ASGIApp:
    """Ask before a schedule is deleted."""
    _, schedule = await asked(request)
    lines = ("It fires no more. Its runs stay, and so does what is on record.",)
    page = _question(schedule, csrf_of(request), "delete", "Delete this schedule?", lines, "Delete")
    return ask_before(
        request, replace(page, icon="x", tone="danger", inputs=(REASON,)), "schedules"
    )


@post("/schedules/{id:str}/delete", opt={"permission": "author"}, name="delete a schedule")
async def delete(request: HttpRequest) -> ASGIApp:
    """Delete a schedule, and go to the others."""
    services, schedule = await asked(request)
    reason = reason_of(await read_form(request))
    await services.schedules.delete(caller_of(request), schedule.id, reason)
    return lead_on(request, "/schedules")


async def _backfilled(
    request: HttpRequest, services: Services, schedule: ScheduleView, fields: dict[str, list[str]]
) -> list[FireView]:
    by, pool = caller_of(request), services.database.pool
    between = Backfill(
        since=_moment(first(fields, "from"), schedule.timezone),
        until=_moment(first(fields, "until"), schedule.timezone),
    )
    _, state = await schedules.find_schedule(pool, by.tenant, schedule.id)
    times = times_between(state, between, (await event_log.head(pool)).now)
    await services.schedules.backfill(by, schedule.id, schedule.job, times)
    return await schedules.fires_at(pool, schedule.id, times)


def _moment(text: str, timezone: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("validation", "Write a time like 2026-03-29 02:30.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=read_zone(timezone))


def _told(became: list[FireView]) -> str:
    if not became:
        return "There is no fire time between the two"
    counts = {word: sum(f.outcome == name for f in became) for name, (_, word) in OUTCOMES.items()}
    parts = [f"{count} {word.lower()}" for word, count in counts.items() if count]
    return f"{counted(len(became), 'fire time')}: {', '.join(parts)}"


def _question(  # noqa: PLR0917 -- the words of a question, in the order in which they are read
    schedule: ScheduleView, csrf: str, action: str, title: str, lines: tuple[str, ...], go: str
) -> ActionPage:
    return ActionPage(
        title=title,
        lines=(f"{schedule.job}: {schedule.words}", *lines),
        href=f"/schedules/{schedule.id}/{action}",
        back=f"/schedules/{schedule.id}",
        keep="Leave it",
        go=go,
        icon="pause",
        tone="primary",
        csrf=csrf,
    )


def _pause(schedule: ScheduleView, csrf: str) -> ActionPage:
    lines = ("It fires no more until it is resumed. What runs goes on.",)
    page = _question(schedule, csrf, "pause", "Pause this schedule?", lines, "Pause")
    return replace(page, inputs=(REASON,))


def _trigger(schedule: ScheduleView, csrf: str) -> ActionPage:
    lines = ("It starts a run now, beside all its rules: also while it is paused or one runs.",)
    page = _question(schedule, csrf, "trigger", "Fire it now?", lines, "Fire now")
    return replace(page, icon="play")


def _backfill(schedule: ScheduleView, csrf: str) -> ActionPage:
    lines = (
        "Each fire time between the two that has not fired gets a run, 100 at most.",
        "They keep to its rule for overlap.",
    )
    page = _question(schedule, csrf, "backfill", "Fire for times of the past?", lines, "Backfill")
    hint = f"Like 2026-03-29 02:30, in {schedule.timezone}."
    inputs = (
        ActionInput(name="from", label="From", hint=hint, required=True),
        ActionInput(name="until", label="Until", hint="Both ends count.", required=True),
    )
    return replace(page, icon="history", inputs=inputs)


QUESTIONS: Final[dict[str, Callable[[ScheduleView, str], ActionPage]]] = {
    "pause": _pause,
    "trigger": _trigger,
    "backfill": _backfill,
}


def _place_of(run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=f"/runs/{run.id}".encode(), headers={})


HANDLERS: Final[list[HTTPRouteHandler]] = [
    ask, pause, resume, trigger, backfill, ask_delete, delete,
]  # fmt: skip
