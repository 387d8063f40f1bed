"""What the part of a batch's page about its items is rendered from."""

from dataclasses import dataclass

from perdure_api.pages.chart_contexts import BarPiece
from perdure_api.pages.link_contexts import Link
from perdure_contract.objects import ItemCountsView, ItemView, RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One item."""

    item: ItemView
    """The item."""
    label: str
    """Its outcome in a word."""
    short: str
    """Its error in one line."""
    whole: str
    """The whole error; empty when the line says it all."""
    tickable: bool
    """Whether it can be chosen for another try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsBar:
    """How the items of a batch stand."""

    counts: ItemCountsView
    """How many there are of each outcome."""
    pieces: tuple[BarPiece, ...]
    """The outcomes as one bar."""
    words: str
    """The same in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPane:
    """The items of a batch."""

    pills: tuple[Link, ...]
    """Outcomes to choose from, with counts."""
    rows: tuple[ItemRow, ...]
    """One page of items, in order."""
    outcome: str
    """The outcomes in force, with commas."""
    q: str
    """The words that are searched."""
    words: str
    """What is listed, in words."""
    clear_href: str | None
    """The list without a filter, where there is one."""
    first_href: str | None
    """The first page, from a later one."""
    next_href: str | None
    """The page after this one."""
    page_words: str
    """How long a page is, or how far a search has come that has taken long."""
    seek_href: str | None
    """Where a search goes on by itself that has found nothing so far."""
    csv_href: str
    """All that is listed, as a file."""
    holds_still: bool
    """Whether rows could come and go while someone reads, so that they are left as they are."""
    retry_href: str
    """Where failed items are run again."""
    retry_words: str | None
    """What running all failed items again is called; none when that is not legal now."""
    past: bool
    """Whether the run is shown as it was: items are shown as they are now, so not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsSought:
    """Items without the page around them."""

    run: RunView
    """Their run."""
    items: ItemsPane
    """What was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """One item on a page of its own."""

    run: str
    """Id of its run."""
    run_name: str
    """Name of its run."""
    row: ItemRow
    """How it stands."""
    value: str
    """The item as it was given, as JSON."""
    argv: tuple[str, ...]
    """What is executed for it."""
    previous: int | None
    """Number of the item before it."""
    next: int | None
    """Number of the item after it."""
