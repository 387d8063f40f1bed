"""How a run came to be as it is: in a sentence, as bars, event by event, and by which rules."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyRow:
    """A rule behind the state of a run."""

    rule: str
    """The rule in words."""
    values: str
    """What it saw."""
    version: int | None
    """The event of the run that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """Something that was said about a run and did not count."""

    title: str
    """What it was."""
    why: str
    """Why it did not count."""
    by: str
    """Who said it."""
    at: str
    """When."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens to a run now, or how it ended, in one sentence."""

    state: str
    """State whose colour it has."""
    icon: str
    """Its shape."""
    text: str
    """The sentence."""
    at: str | None = None
    """A time that ends the sentence."""
    detail: str | None = None
    """A second sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of an attempt's row, in units of 1,000 over the life of the run."""

    kind: Literal["wait", "exec", "exec open"]
    """What was going on."""
    x: float
    """Left edge."""
    width: float
    """Width, at least visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One attempt between the request and the end of its run."""

    number: int
    """The attempt."""
    state: str
    """Its state."""
    words: str
    """State and duration in words."""
    segments: tuple[Segment, ...]
    """Waiting, then working."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All attempts on one scale."""

    rows: tuple[TimelineRow, ...] = ()
    """One row an attempt, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event of a run in words."""

    version: int
    """Its place in the stream."""
    type: str
    """Its public type."""
    icon: str
    """Its shape."""
    tone: str
    """State whose colour it has."""
    title: str
    """What happened."""
    detail: str
    """What more is known of it."""
    actor: str
    """Who or what brought it about."""
    time: str
    """When it was committed."""
    after: float | None
    """Seconds since the event before; none for the first."""
    json: str
    """The whole event, as it is published."""
