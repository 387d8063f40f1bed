"""What the part of a run's page about its numbers and its result is shown."""

from dataclasses import dataclass

from perdure_api.pages.link_contexts import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One run in the chart, and in the table beside it."""

    run: str
    """Its id."""
    href: str
    """Its page."""
    state: str
    """How it ended."""
    at: str
    """When it ended."""
    words: str
    """Its value with its unit."""
    here: bool
    """Whether it is the run of this page."""
    x: int
    """Left edge of its bar, 10 a run."""
    y: float
    """Top of its bar, out of 100."""
    height: float
    """Height of its bar, at least visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChart:
    """One number over the last runs that are alike."""

    label: str
    """What is shown."""
    alike: str
    """Which runs these are, in words."""
    points: tuple[MetricPoint, ...]
    """The runs that have this number, oldest first."""
    width: int
    """Width of the picture in its own units."""
    zero: float
    """Where zero is, out of 100 from the top."""
    top: str
    """The value at the upper edge."""
    bottom: str
    """The value at the lower edge."""
    words: str
    """The chart in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPane:
    """The numbers of a run beside those of runs like it."""

    own: tuple[tuple[str, str, str], ...]
    """Each number of this run: name, value, and where it is charted."""
    choices: tuple[Link, ...]
    """What can be charted."""
    chart: MetricChart
    """What is charted."""
