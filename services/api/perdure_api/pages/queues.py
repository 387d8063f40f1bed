"""Queues: what runs and waits in each, its limits, pausing it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain import lanes
from perdure_api.errors import NotFoundError
from perdure_api.fields import PATTERN_WORDS
from perdure_api.pages.action_contexts import ActionInput, ActionPage
from perdure_api.pages.asking import REASON, ask_before
from perdure_api.pages.queue_contexts import QueueCard
from perdure_api.pages.rendering import html
from perdure_api.pages.sent_forms import reason_of
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    go_on,
    read_form,
    wants_fragment,
    whole_number,
)
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted, number
from perdure_api.projections import overview
from perdure_api.projections.executors import list_executors
from perdure_api.projections.overview import Unfit
from perdure_api.projections.queues import get_queue, list_queues
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.identifiers import NAME_PATTERN, Name
from perdure_contract.objects import ExecutorView, QueueView

MOST: Final = 1_000_000
"""Largest limit that the page takes."""


@get("/queues", opt={"permission": "view"}, name="queues")
async def queues_page(request: HttpRequest) -> ASGIApp:
    """Show every queue."""
    services = services_of(request)
    frame = frame_of(request, "Queues", "queues", live=await watch_all(services.database))
    queues = await list_queues(services.database.pool, caller_of(request).tenant)
    csrf = csrf_of(request)
    executors = await list_executors(services.database.pool, caller_of(request).tenant)
    at_work = [executor for executor in executors if executor.state in ("live", "draining")]
    unfit = await overview.unfit(services.database.pool, caller_of(request).tenant, at_work)
    cards = tuple(
        QueueCard(
            queue=queue,
            words=queue_words(queue, at_work, [u for u in unfit if u.queue == queue.name]),
            csrf=csrf,
        )
        for queue in queues
    )
    template = "_queues.html" if wants_fragment(request) else "queues.html"
    return html(template, {"frame": frame, "queues": cards})


def queue_words(queue: QueueView, at_work: Sequence[ExecutorView], unfit: Sequence[Unfit]) -> str:
    """Say in a sentence what goes on in a queue.

    Args:
        queue: The queue.
        at_work: Executors that live or are draining, of any queue.
        unfit: What waits in it for something that none of them has.
    """
    if queue.paused:
        return "Paused: nothing starts from it until it is resumed. What runs goes on."
    if queue.concurrency is not None and queue.running >= queue.concurrency:
        waiting = (
            f" {counted(queue.queued, 'run waits', 'runs wait')} for a place."
            if queue.queued
            else ""
        )
        return f"At its limit.{waiting}"
    if queue.queued:
        said = counted(queue.queued, "run waits", "runs wait")
        live = [e for e in at_work if e.state == "live"]
        if not any(not e.queues or queue.name in e.queues for e in live):
            return f"{said}, and no live executor serves it."
        if unfit:
            needs = ", or ".join(lanes.words_of(lane.lane) for lane in unfit)
            few = sum(lane.waiting for lane in unfit)
            of = "" if few >= queue.queued else f", {number(few)} of them"
            return f"{said}{of} for an executor that has {needs}."
        rate = queue.rate_per_minute
        most = "" if rate is None else f"; at most {number(rate)} start a minute"
        return f"{said} for an executor with a free slot{most}."
    return "Runs start as soon as an executor has a free slot."


@get("/queues/new", opt={"permission": "operate"}, name="ask for a new queue")
async def ask_new(request: HttpRequest) -> ASGIApp:
    """Ask for the name and the limits of a queue."""
    return ask_before(request, _limits(_unlimited(""), csrf_of(request)), "queues")


@post("/queues/new", opt={"permission": "operate"}, name="make a queue")
async def make(request: HttpRequest) -> ASGIApp:
    """Configure a queue under a new name."""
    fields = await read_form(request)
    return await _configure(request, first(fields, "name"), fields)


@get("/queues/{name:str}/{action:str}", opt={"permission": "operate"}, name="ask about a queue")
async def ask(request: HttpRequest, name: str, action: str) -> ASGIApp:
    """Ask before a queue is changed."""
    queue = await get_queue(services_of(request).database.pool, _known(name))
    csrf = csrf_of(request)
    if action == "limits":
        return ask_before(request, _limits(queue, csrf), "queues")
    if action == "pause":
        return ask_before(request, _pause(queue, csrf), "queues")
    raise NotFoundError(action)


@post("/queues/{name:str}/{action:str}", opt={"permission": "operate"}, name="change a queue")
async def change(request: HttpRequest, name: str, action: str) -> ASGIApp:
    """Set limits, pause or resume."""
    fields = await read_form(request)
    commands, by = services_of(request).commands, caller_of(request)
    reason = reason_of(fields)
    match action:
        case "limits":
            return await _configure(request, _known(name), fields)
        case "pause":
            await commands.pause_queue(by, _known(name), reason)
            return go_on(request, "/queues", f"Queue {name} is paused")
        case "resume":
            await commands.resume_queue(by, _known(name), reason)
            return go_on(request, "/queues", f"Queue {name} goes on")
        case _:
            raise NotFoundError(action)


async def _configure(request: HttpRequest, name: str, fields: dict[str, list[str]]) -> Reply:
    limits, problem = {}, None if is_name(name) else PATTERN_WORDS[NAME_PATTERN][1]
    for field in ("concurrency", "rate_per_minute"):
        text = first(fields, field)
        limits[field] = whole_number(text)
        if text and (limits[field] is None or int(text) > MOST):
            problem = problem or "A limit is a whole number from 1 on; leave it empty for none."
    if problem is not None:
        return _again(request, name, fields, problem)
    await services_of(request).commands.configure_queue(caller_of(request), name, **limits)
    return go_on(request, "/queues", f"Limits of queue {name} are set")


def is_name(text: str) -> bool:
    """Tell whether a text can name a queue."""
    try:
        msgspec.convert(text, Name)
    except msgspec.ValidationError:
        return False
    return True


def _known(name: str) -> str:
    if not is_name(name):
        raise NotFoundError(name)
    return name


def _limits(queue: QueueView, csrf: str) -> ActionPage:
    inputs = [
        ActionInput(
            name="concurrency",
            label="Running at once, at most",
            value=str(queue.concurrency or ""),
            hint="Empty: no limit but the executors' slots.",
        ),
        ActionInput(
            name="rate_per_minute",
            label="Starts a minute, at most",
            value=str(queue.rate_per_minute or ""),
            hint="Empty: no limit.",
        ),
    ]
    if not queue.name:
        hint = "Lower-case letters, digits, _ and -."
        inputs.insert(0, ActionInput(name="name", label="Name", hint=hint, required=True))
    return ActionPage(
        title=f"Limits of queue {queue.name}" if queue.name else "New queue",
        lines=("They count at once. What runs already goes on.",) if queue.name else (),
        href=f"/queues/{queue.name}/limits" if queue.name else "/queues/new",
        back="/queues",
        keep="Leave it",
        go="Set limits" if queue.name else "Make queue",
        icon="gauge" if queue.name else "plus",
        tone="primary",
        csrf=csrf,
        inputs=tuple(inputs),
    )


def _unlimited(name: str) -> QueueView:
    return QueueView(
        name=name,
        concurrency=None,
        rate_per_minute=None,
        paused=False,
        queued=0,
        running=0,
        version=0,
    )


def _pause(queue: QueueView, csrf: str) -> ActionPage:
    return ActionPage(
        title=f"Pause queue {queue.name}?",
        lines=(f"Nothing more starts from it. {counted(queue.running, 'run')} of it go on.",),
        href=f"/queues/{queue.name}/pause",
        back="/queues",
        keep="Leave it open",
        go="Pause",
        icon="pause",
        tone="primary",
        csrf=csrf,
        inputs=(REASON,),
    )


def _again(request: HttpRequest, name: str, fields: dict[str, list[str]], problem: str) -> Reply:
    """Show the question again with what was typed and what is wrong."""
    known = name if request.url.path != "/queues/new" else ""
    page = _limits(_unlimited(known), csrf_of(request))
    inputs = tuple(replace(i, value=first(fields, i.name)) for i in page.inputs)
    return ask_before(
        request, replace(page, inputs=inputs, problem_text=problem), "queues", status=422
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [queues_page, ask_new, make, ask, change]
