"""Executors: who is there, what they hold, and having one take nothing new."""

from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.pages.action_contexts import ActionPage
from perdure_api.pages.asking import REASON, ask_before
from perdure_api.pages.executor_contexts import ExecutorCard
from perdure_api.pages.rendering import html
from perdure_api.pages.sent_forms import reason_of
from perdure_api.pages.timeline import slots_of
from perdure_api.pages.visit import csrf_of, frame_of, go_on, read_form, wants_fragment
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted
from perdure_api.projections.executors import get_executor, list_executors
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.objects import ExecutorView


@get("/executors", opt={"permission": "view"}, name="executors")
async def executors_page(request: HttpRequest) -> ASGIApp:
    """Show every executor that ever joined."""
    services = services_of(request)
    frame = frame_of(request, "Executors", "executors", live=await watch_all(services.database))
    found = await list_executors(services.database.pool, caller_of(request).tenant)
    cards = tuple(_card(executor) for executor in found)
    template = "_executors.html" if wants_fragment(request) else "executors.html"
    return html(template, {"frame": frame, "executors": cards})


@get("/executors/{name:str}/drain", opt={"permission": "operate"}, name="ask before draining")
async def ask_drain(request: HttpRequest, name: str) -> ASGIApp:
    """Ask before an executor is emptied."""
    caller = caller_of(request)
    executor = await get_executor(services_of(request).database.pool, caller.tenant, name)
    if executor is None:
        raise NotFoundError(name)
    page = ActionPage(
        title=f"Drain executor {name}?",
        lines=(
            "It takes no new attempts until it is started again.",
            f"{counted(executor.running, 'attempt')} on it may run to the end.",
        ),
        href=f"/executors/{name}/drain",
        back="/executors",
        keep="Leave it",
        go="Drain",
        icon="pause",
        tone="primary",
        csrf=csrf_of(request),
        inputs=(REASON,),
    )
    return ask_before(request, page, "executors")


@post("/executors/{name:str}/drain", opt={"permission": "operate"}, name="drain")
async def drain(request: HttpRequest, name: str) -> ASGIApp:
    """Have an executor take nothing new."""
    fields = await read_form(request)
    reason = reason_of(fields)
    await services_of(request).commands.drain_executor(caller_of(request), name, reason)
    return go_on(request, "/executors", f"Executor {name} takes nothing new")


def _card(executor: ExecutorView) -> ExecutorCard:
    used = executor.running if executor.state in ("live", "draining") else 0
    return ExecutorCard(executor=executor, slots=slots_of(used, executor.slots))


HANDLERS: Final[list[HTTPRouteHandler]] = [executors_page, ask_drain, drain]
