"""What the pages about schedules are rendered from."""

from dataclasses import dataclass

from perdure_api.pages.link_contexts import Link
from perdure_contract.jobs import ScheduleView
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRow:
    """What became of a fire time, or of several in a row."""

    at: str
    """The fire time; of several in a row, the first."""
    until: str | None
    """Of several in a row, the last."""
    count_words: str
    """How many there are in a row; empty for one."""
    state: str
    """State whose shape and colour it has."""
    label: str
    """What became of it, in a word or two."""
    why: str
    """Why, in words."""
    run: RunView | None
    """The run that it started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A schedule in the list."""

    schedule: ScheduleView
    """The schedule."""
    state: str
    """State whose shape and colour it has."""
    state_word: str
    """Its state in a word."""
    rules: tuple[str, ...]
    """What happens to fire times that meet a running one, or come late."""
    last: FireRow | None
    """What became of its latest fire time."""
    strip: tuple[FireRow, ...]
    """What became of its latest fire times, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesPage:
    """The list of schedules."""

    rows: tuple[ScheduleRow, ...]
    """One page of them, by the names of their jobs."""
    q: str
    """Part of a job's name."""
    filtered: bool
    """Whether any filter is set."""
    words: str
    """The filter as a phrase."""
    href: str
    """Address of exactly this list."""
    pills: tuple[Link, ...]
    """States to choose from, with counts."""
    state: str
    """The state that is chosen; empty for all."""
    problem: str | None
    """What is wrong with the address; the list is then unfiltered."""
    first_href: str | None
    """The first page, from a later one."""
    next_href: str | None
    """The page that follows."""
    looked_words: str
    """When the schedules were last looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """One schedule with its history."""

    row: ScheduleRow
    """The schedule."""
    coming: tuple[str, ...]
    """Its next fire times."""
    notes: tuple[str, ...]
    """What clock changes do to it."""
    facts: tuple[tuple[str, str], ...]
    """Its rules, name and words."""
    from_file: bool
    """Whether the jobs file alone may change it."""
    fires: tuple[FireRow, ...]
    """What became of its fire times, the latest first."""
    pills: tuple[Link, ...]
    """Outcomes to choose from."""
    chosen: str
    """The outcome that is chosen; empty for all."""
    href: str
    """Address of exactly this page."""
    first_href: str | None
    """The newest page, from a later one."""
    next_href: str | None
    """The page of older fire times."""
    csrf: str
    """Token of the session."""
