"""The runs that a sweep would end now: alive, but without a sign for longer than allowed."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.intake.sweep import find_stuck
from perdure_api.pages.rendering import html
from perdure_api.pages.stuck_contexts import StuckPage
from perdure_api.pages.visit import frame_of, wants_fragment
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import duration
from perdure_api.routes.recovery import stuck_view
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_contract.objects import StuckView


@get("/stuck", opt={"permission": "view"}, name="what a sweep would end")
async def stuck_page(request: HttpRequest) -> ASGIApp:
    """Look as the sweep does, and change nothing."""
    services = services_of(request)
    live = await watch_all(services.database)
    items = await stuck_runs(services, caller_of(request).tenant)
    allowed = services.settings.stuck_after_seconds
    page = StuckPage(items=items, words=words_of(len(items), allowed), allowed_seconds=allowed)
    frame = frame_of(request, "Stuck runs", "runs", live=live)
    template = "_stuck.html" if wants_fragment(request) else "stuck.html"
    return html(template, {"frame": frame, "stuck": page})


async def stuck_runs(services: Services, tenant: str) -> tuple[StuckView, ...]:
    """Give what a sweep would end now, with the evidence."""
    allowed = services.settings.stuck_after_seconds
    found = await find_stuck(services.database, allowed_seconds=allowed, tenant=tenant)
    return tuple(stuck_view(stuck) for stuck in found)


def words_of(count: int, allowed_seconds: float) -> str:
    """Say how many a sweep would end."""
    if not count:
        allowed = duration(allowed_seconds)
        return f"Every attempt gave a sign within {allowed}, or what its own run allows."
    return f"A sweep would end {'this one' if count == 1 else f'these {count}'}"


HANDLERS: Final[list[HTTPRouteHandler]] = [stuck_page]
