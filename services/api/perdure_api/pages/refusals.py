"""What was refused anywhere: who asked for what in vain, and reports that did not count."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.pages.event_words import actor_words
from perdure_api.pages.refusal_contexts import RefusalRow, RefusalsPage
from perdure_api.pages.rendering import html
from perdure_api.pages.run_record import refusal_words
from perdure_api.pages.visit import frame_of, query_of, wants_fragment, whole_number, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import short_id
from perdure_api.projections import ledger
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of

PAGE: Final = 50
MOST_ABOUT: Final = 80


@get("/refusals", opt={"permission": "view"}, name="what was refused")
async def refusals_page(request: HttpRequest) -> ASGIApp:
    """Show one page of what was refused, newest first."""
    database, query = services_of(request).database, query_of(request)
    live = await watch_all(database)
    after, about = whole_number(query.get("after")), query.get("about", "")[:MOST_ABOUT]
    found = await ledger.recent(
        database.pool, caller_of(request).tenant, stream=about or None, after=after, limit=PAGE
    )
    page = RefusalsPage(
        rows=tuple(_row(refusal) for refusal in found.items),
        about=about.replace("-", " ", 1),
        href=with_query("/refusals", {"about": about, "after": after or ""}),
        first_href=with_query("/refusals", {"about": about}) if after else None,
        next_href=with_query("/refusals", {"about": about, "after": found.next})
        if found.next
        else None,
    )
    frame = frame_of(request, "What was refused", "overview", live=live)
    template = "_refusals.html" if wants_fragment(request) else "refusals.html"
    return html(template, {"frame": frame, "page": page})


def _row(refusal: ledger.Refusal) -> RefusalRow:
    about, href = _about(refusal.stream) if refusal.stream is not None else ("", None)
    return RefusalRow(
        title=refusal_words(refusal),
        why=refusal.why,
        about=about,
        href=href,
        by=actor_words(refusal.by)
        + (f", attempt {refusal.attempt}" if refusal.attempt is not None else ""),
        at=refusal.at,
    )


def _about(stream: str) -> tuple[str, str | None]:
    """Name what a stream is of as a kind of refusal leaves it open, and give its page."""
    kind, _, key = stream.partition("-")
    match kind:
        case "run":
            return f"run {short_id(key)}", f"/runs/{key}"
        case "bulk":
            return short_id(key), f"/bulk/{key}"
        case "job":
            return key, f"/jobs/{key}"
        case "queue" | "executor":
            return key, f"/{kind}s"
        case _:
            return key, None


HANDLERS: Final[list[HTTPRouteHandler]] = [refusals_page]
