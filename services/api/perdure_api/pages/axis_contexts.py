"""What the timeline is rendered from: lanes, and marks in percent of their width."""

from dataclasses import dataclass
from datetime import datetime

from perdure_api.pages.link_contexts import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of the axis with its time."""

    x: float
    """Where, in percent."""
    at: datetime
    """The time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A run, a fire time that was left out, or one ahead; or several of one kind close together."""

    state: str
    """State whose colour and shape it has."""
    x: float
    """Left end, in percent."""
    width: float
    """Width in percent; 0 for a moment."""
    y: int
    """Its middle in the lane, in pixels."""
    at: datetime
    """When it began, or would."""
    until: datetime | None
    """When it ended."""
    label: str
    """What it is, in a few words."""
    detail: str
    """What more is known of it."""
    href: str
    """Where to look closer."""
    count: int
    """How many it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Everything of one job."""

    job: str
    """The job's name; empty for runs without one."""
    words: str
    """How much there is."""
    height: int
    """In pixels."""
    marks: tuple[Mark, ...]
    """From left to right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePage:
    """Past and coming runs on one axis."""

    begin: datetime
    """Where the axis begins."""
    end: datetime
    """Where it ends."""
    now_x: float | None
    """Where now is, in percent; none when it is not in sight."""
    ticks: tuple[Tick, ...]
    """Its lines."""
    tick_form: str
    """How their times are written: `hm` or `day`."""
    lanes: tuple[Lane, ...]
    """By name of the job."""
    words: str
    """What is to be seen, in a sentence."""
    cuts: tuple[str, ...]
    """What was left out because it is too much."""
    zooms: tuple[Link, ...]
    """How much time is shown."""
    zoom: str
    """How much is shown now."""
    earlier_href: str
    """A piece back."""
    later_href: str
    """A piece on."""
    now_href: str | None
    """Back to now; none when now is in sight."""
    since: str
    """Where the address says that the axis begins; empty for around now."""
    job: str
    """The job that is chosen; empty for all."""
    jobs: tuple[str, ...]
    """Jobs to choose from."""
    href: str
    """Address of exactly this picture."""
    legend: tuple[tuple[str, str], ...]
    """Each state that can be seen, and its word."""
