"""What the first page is rendered from."""

from dataclasses import dataclass

from perdure_api.pages.chart_contexts import BarPiece, SparkBar
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that wants a look."""

    key: str
    """Id among its siblings, stable over time."""
    state: str
    """State whose shape and colour it has."""
    title: str
    """What it is about."""
    id6: str | None
    """Last six characters of a run's id."""
    href: str
    """Where to look."""
    text: str
    """What happened, in words."""
    at: str | None
    """When it happened; none for what lasts."""
    action: str = ""
    """Word of the one thing to do."""
    action_href: str | None = None
    """Where that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number of the overview with its last 24 hours."""

    key: str
    """Id among its siblings."""
    label: str
    """What is counted."""
    value: str
    """The number."""
    of: str
    """What it is part of, or its unit."""
    sub: str
    """One line below."""
    href: str
    """The list behind the number."""
    bars: tuple[SparkBar, ...] = ()
    """A chart of bars, one an hour."""
    line: str = ""
    """A chart as an SVG path."""
    pieces: tuple[BarPiece, ...] = ()
    """A chart as one bar, cut into states."""
    chart: str = ""
    """The chart in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The first page: what needs someone, then what goes on."""

    attention: tuple[Attention, ...]
    """What wants a look, worst first."""
    more_attention: bool
    """Whether there is more than is shown."""
    any_failed: bool
    """Whether a run is failed now."""
    last_failure_at: str | None
    """When a run last failed."""
    tiles: tuple[Tile, ...]
    """Four numbers."""
    running: tuple[RunView, ...]
    """Runs with an open attempt."""
    recent: tuple[RunView, ...]
    """Runs that ended last."""
    looked_words: str
    """When the schedules were last looked at."""
