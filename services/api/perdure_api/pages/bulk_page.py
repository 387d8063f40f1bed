"""The page of one action on many runs: how far it is, what became of each run, the stop."""

from collections.abc import Mapping
from typing import Final, Literal

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.pages.bulk_contexts import BulkPage, OutcomeRow
from perdure_api.pages.bulk_words import how_far, line_of
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import (
    csrf_of,
    frame_of,
    go_on,
    query_of,
    read_form,
    wants_fragment,
    whole_number,
    with_query,
)
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import number
from perdure_api.projections import bulk as bulks
from perdure_api.projections import run_list
from perdure_api.projections.run_detail import run_view
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_api.store.database import Database
from perdure_contract.objects import BulkView
from perdure_runtime.clock import now

PAGE: Final = 50
FILTERS: Final[tuple[Literal["done", "refused"], ...]] = ("done", "refused")


@get("/bulk/{bulk_id:str}", opt={"permission": "view"}, name="an action on many runs")
async def bulk_page(request: HttpRequest, bulk_id: str) -> ASGIApp:
    """Show how far it is and what became of each run."""
    database = services_of(request).database
    bulk = await _found(request, bulk_id)
    live = await watch_all(database) if bulk.state != "finished" else None
    page = await _context(database, bulk, query_of(request), csrf_of(request))
    frame = frame_of(request, page.line.title, "runs", live=live)
    template = "_bulk.html" if wants_fragment(request) else "bulk.html"
    return html(template, {"frame": frame, "page": page})


@post("/bulk/{bulk_id:str}/stop", opt={"permission": "operate"}, name="stop an action on many runs")
async def stop(request: HttpRequest, bulk_id: str) -> ASGIApp:
    """Go no further than the runs under way."""
    bulk = await _found(request, bulk_id)
    await read_form(request)
    await services_of(request).commands.stop_bulk(caller_of(request), bulk.id, None)
    return go_on(request, f"/bulk/{bulk.id}", "It stops; what is done stays done")


async def _found(request: HttpRequest, bulk_id: str) -> BulkView:
    database, tenant = services_of(request).database, caller_of(request).tenant
    bulk = await bulks.find(database, tenant, as_run_id(bulk_id))
    if bulk is None:
        raise NotFoundError(bulk_id)
    return bulk


async def _context(
    database: Database, bulk: BulkView, query: Mapping[str, str], csrf: str
) -> BulkPage:
    path = f"/bulk/{bulk.id}"
    outcome = next((word for word in FILTERS if word == query.get("outcome")), None)
    after = whole_number(query.get("after")) or 0
    found = await bulks.outcomes(database, bulk.id, after=after, limit=PAGE, outcome=outcome)
    moment = now()
    runs = await run_list.runs_of(database, [item.run for item in found.items])
    views = {run.id: run_view(run, moment) for run in runs}
    rows = []
    for item in found.items:
        view = views.get(item.run)
        name = view.name if view is not None else "It is gone"
        rows.append(
            OutcomeRow(run=item.run, name=name, view=view, outcome=item.outcome, why=item.why)
        )
    return BulkPage(
        line=line_of(bulk),
        words=how_far(bulk),
        filters=tuple(
            Link(
                label=label,
                href=with_query(path, {"outcome": value}),
                chosen=value == (outcome or ""),
                count=number(count),
            )
            for value, label, count in (
                ("", "All", bulk.matched),
                ("done", "Done", bulk.done),
                ("refused", "Refused", bulk.refused),
            )
        ),
        rows=tuple(rows),
        href=with_query(path, {"outcome": outcome, "after": after or ""}),
        first_href=with_query(path, {"outcome": outcome}) if after else None,
        next_href=with_query(path, {"outcome": outcome, "after": found.next})
        if found.next
        else None,
        csrf=csrf,
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [bulk_page, stop]
