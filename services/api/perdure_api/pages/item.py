"""One item of a batch: what it is, what was executed for it, and how it ended."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.calls import bound_words
from perdure_api.pages.item_contexts import ItemPage
from perdure_api.pages.items import row_of
from perdure_api.pages.rendering import html, pretty
from perdure_api.pages.visit import frame_of, whole_number
from perdure_api.projections.items import item_value, items_page
from perdure_api.security.access import HttpRequest
from perdure_api.services import services_of
from perdure_contract.binding import UnknownField
from perdure_contract.specs import BatchSpec


@get("/runs/{run_id:str}/items/{ordinal:str}", opt={"permission": "view"}, name="item")
async def item_page(request: HttpRequest, run_id: str, ordinal: str) -> ASGIApp:
    """Show one item by its number."""
    database = services_of(request).database
    found, number = await asked_run(request, run_id), whole_number(ordinal)
    if number is None:
        raise NotFoundError(ordinal)
    run, spec = found.run, found.run.request.spec
    total = run.items.total if run.items is not None else 0
    if not isinstance(spec, BatchSpec) or number > total:
        raise NotFoundError(ordinal)
    listed = (await items_page(database.pool, run, after=number - 1, limit=1)).items
    if not listed:
        raise NotFoundError(ordinal)
    value = await item_value(database.pool, run, number)
    try:
        argv = bound_words(spec.each, number, listed[0].key, value)
    except UnknownField:
        argv = ()
    page = ItemPage(
        run=run.id,
        run_name=run.request.name,
        row=row_of(listed[0], legal=False),
        value=pretty(value),
        argv=argv,
        previous=number - 1 or None,
        next=number + 1 if number < total else None,
    )
    frame = frame_of(request, f"Item {number} of {run.request.name}", "runs")
    return html("item.html", {"frame": frame, "page": page})


HANDLERS: Final[list[HTTPRouteHandler]] = [item_page]
