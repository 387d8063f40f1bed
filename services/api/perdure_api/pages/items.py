"""The items of a batch on its page: how they stand, one page of them, and what failed once more."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, get_args

import asyncpg
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.run import Run
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.item_contexts import ItemRow, ItemsBar, ItemsPane, ItemsSought
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.timeline import bar_pieces
from perdure_api.pages.visit import query_of, whole_number, with_query
from perdure_api.pages.words import counted, number
from perdure_api.projections.items import ItemOutcome, ItemPage, items_csv, items_page
from perdure_api.projections.run_detail import run_view
from perdure_api.routes.items import items_download
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.security.roles import may
from perdure_api.services import services_of
from perdure_contract.objects import ItemCountsView, ItemView, RunView

PAGE: Final = 50
MOST_TEXT: Final = 200
ONE_LINE: Final = 160
OUTCOMES: Final[tuple[ItemOutcome, ...]] = ("done", "failed", "skipped", "filtered", "pending")
"""In the order in which bar and filter show them."""


class Asked:
    """What an address asks of the items; what makes no sense counts as not given."""

    def __init__(self, query: Mapping[str, str]) -> None:
        known = get_args(ItemOutcome)
        given = query.get("outcome", "").split(",")
        self.outcomes: tuple[ItemOutcome, ...] = tuple(o for o in known if o in given)
        self.q = query.get("q", "").strip()[:MOST_TEXT]
        self.after = whole_number(query.get("after")) or 0

    def address(self, path: str, **changed: object) -> str:
        """Give the address of the same items, changed in some respects."""
        kept: dict[str, object] = {"outcome": ",".join(self.outcomes), "q": self.q}
        return with_query(path, {**kept, **changed}).replace("%2C", ",")


def items_bar(counts: ItemCountsView | None) -> ItemsBar | None:
    """Lay out how items stand; none when there are none."""
    if counts is None:
        return None
    of = {outcome: int(getattr(counts, outcome)) for outcome in OUTCOMES}
    said = [f"{number(count)} {outcome}" for outcome, count in of.items() if count]
    return ItemsBar(
        counts=counts,
        pieces=bar_pieces([(o, n) for o, n in of.items() if o != "pending"], counts.total),
        words=f"{counted(counts.total, 'item')}: {', '.join(said)}",
    )


async def items_pane(
    pool: asyncpg.Pool, run: Run, view: RunView, query: Mapping[str, str], *, operates: bool
) -> ItemsPane:
    """Read a page of items; `operates` is whether the reader may run some of them again."""
    asked = Asked(query)
    past = view.version != run.version
    page = ItemPage((), None)
    if not past:
        page = await items_page(
            pool, run, outcomes=asked.outcomes, q=asked.q or None, after=asked.after, limit=PAGE
        )
    path = f"/runs/{run.id}"
    legal = operates and view.actions["retry-items"] is None
    failed = view.items.failed if view.items is not None else 0
    filtered = bool(asked.outcomes or asked.q)
    return ItemsPane(
        pills=_pills(asked, view.items, path),
        rows=tuple(row_of(item, legal=legal) for item in page.items),
        outcome=",".join(asked.outcomes),
        q=asked.q,
        words=_words(asked, page),
        clear_href=f"{path}?tab=items" if filtered else None,
        first_href=asked.address(path, tab="items") if asked.after else None,
        next_href=asked.address(path, tab="items", after=page.next) if page.next else None,
        page_words=_page_words(run, page),
        seek_href=None
        if page.items or page.next is None
        else asked.address(f"{path}/items/search", after=page.next),
        csv_href=asked.address(f"{path}/items.csv"),
        holds_still=filtered,
        retry_href=f"{path}/retry-items",
        retry_words=f"Retry all failed ({number(failed)})" if legal else None,
        past=past,
    )


def _pills(asked: Asked, counts: ItemCountsView | None, path: str) -> tuple[Link, ...]:
    total = counts.total if counts is not None else 0
    every = Link(
        key="all",
        label="All",
        href=asked.address(path, tab="items", outcome=""),
        chosen=not asked.outcomes,
        count=number(total),
    )
    return every, *(
        Link(
            key=outcome,
            label=outcome.capitalize(),
            href=asked.address(path, tab="items", outcome=outcome),
            chosen=outcome in asked.outcomes,
            count=number(getattr(counts, outcome)) if counts is not None else None,
            state=outcome,
        )
        for outcome in OUTCOMES
    )


def row_of(item: ItemView, *, legal: bool) -> ItemRow:
    """Give an item as a row; `legal` is whether items that failed may run again."""
    error = item.error or ""
    line = error.strip().partition("\n")[0]
    # The last line of a traceback is the one that says what was wrong.
    if line.startswith("Traceback "):
        line = error.strip().rpartition("\n")[2]
    short = line if len(line) <= ONE_LINE else f"{line[:ONE_LINE]}…"
    return ItemRow(
        item=item,
        label="Passed over" if item.passed_over else item.outcome.capitalize(),
        short=short,
        whole=error if error.strip() != short else "",
        tickable=legal and item.outcome == "failed",
    )


def _words(asked: Asked, page: ItemPage) -> str:
    words = f"{' or '.join(asked.outcomes).capitalize()} items" if asked.outcomes else "Items"
    if asked.q:
        words += f" with “{asked.q}”"
    if page.items and (asked.after or page.next):
        first, last = page.items[0].ordinal, page.items[-1].ordinal
        words += f", {number(first)}" + (f" to {number(last)}" if last > first else "")
    return words


def _page_words(run: Run, page: ItemPage) -> str:
    if page.next is None or len(page.items) == PAGE or run.items is None:
        return f"{PAGE} a page, by number"
    return f"Looked at items up to {number(int(page.next))} of {number(run.items.total)} so far"


@get("/runs/{run_id:str}/items/search", opt={"permission": "view"}, name="search of items")
async def search_items(request: HttpRequest, run_id: str) -> ASGIApp:
    """Go on with a search in the page: what follows of it, without the page around it."""
    database, caller = services_of(request).database, caller_of(request)
    found = await asked_run(request, run_id)
    view = run_view(found.run, found.now, found.live)
    operates = may(caller.role, "operate")
    pane = await items_pane(database.pool, found.run, view, query_of(request), operates=operates)
    # Nothing was found before this, so there is no earlier page to go back to.
    sought = ItemsSought(run=view, items=replace(pane, first_href=None))
    return html("_items_rows.html", {"run_page": sought})


@get("/runs/{run_id:str}/items.csv", opt={"permission": "view"}, name="items as a file")
async def download_items(request: HttpRequest, run_id: str) -> ASGIApp:
    """Give all items that pass a filter as CSV, however many there are."""
    database = services_of(request).database
    found = await asked_run(request, run_id)
    asked = Asked(query_of(request))
    source = items_csv(database.pool, found.run, outcomes=asked.outcomes, q=asked.q or None)
    return items_download(found.run.id, source)


HANDLERS: Final[list[HTTPRouteHandler]] = [search_items, download_items]
