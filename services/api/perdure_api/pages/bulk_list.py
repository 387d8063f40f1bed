"""The list of actions on many runs: which there were, and how far each is."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.pages.bulk_contexts import BulkListPage
from perdure_api.pages.bulk_words import line_of
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import frame_of, query_of, wants_fragment, whole_number, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.projections import bulk as bulks
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of

PAGE: Final = 50


@get("/bulk", opt={"permission": "view"}, name="actions on many runs")
async def bulk_list(request: HttpRequest) -> ASGIApp:
    """Show one page of them, latest first."""
    database, tenant = services_of(request).database, caller_of(request).tenant
    live = await watch_all(database)
    after = whole_number(query_of(request).get("after"))
    found = await bulks.recent(database, tenant, after=after, limit=PAGE)
    page = BulkListPage(
        lines=tuple(line_of(bulk) for bulk in found.items),
        href=with_query("/bulk", {"after": after or ""}),
        first_href="/bulk" if after else None,
        next_href=with_query("/bulk", {"after": found.next}) if found.next else None,
    )
    frame = frame_of(request, "Actions on many runs", "runs", live=live)
    template = "_bulk_list.html" if wants_fragment(request) else "bulk_list.html"
    return html(template, {"frame": frame, "page": page})


HANDLERS: Final[list[HTTPRouteHandler]] = [bulk_list]
