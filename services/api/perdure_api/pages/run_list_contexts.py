"""What the list of runs is rendered from."""

from dataclasses import dataclass

from perdure_api.pages.link_contexts import Link
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """The filter of the list as the address has it."""

    state: str = ""
    """States with commas."""
    job: str = ""
    """One job."""
    queue: str = ""
    """One queue."""
    executor: str = ""
    """One executor."""
    tag: str = ""
    """One tag."""
    q: str = ""
    """Part of a name or an id."""
    since: str = ""
    """`1h`, `24h`, `7d` or `30d`: requested within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkButton:
    """An action on the runs that are ticked."""

    action: str
    """What is sent."""
    label: str
    """Its words."""
    icon: str
    """Its icon."""
    tone: str
    """`stop`, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """The list of runs."""

    items: tuple[RunView, ...]
    """One page of runs, newest first."""
    moving: bool
    """Whether a run of it makes progress, so that it is worth looking again soon."""
    filter: RunFilter
    """The filter in force."""
    filtered: bool
    """Whether any filter is set."""
    words: str
    """The filter as a phrase, like `41 failed runs in queue backup`."""
    href: str
    """Address of exactly this list."""
    held_href: str | None
    """Address of this list as far down as its first run now, for who has scrolled away from its top."""
    newer: str | None
    """How many runs came since, when the list is held there."""
    pills: tuple[Link, ...]
    """States to choose from, with counts."""
    queues: tuple[str, ...]
    """Queues to choose from."""
    executors: tuple[str, ...]
    """Executors to choose from."""
    sinces: tuple[tuple[str, str], ...]
    """Times to choose from: value and words."""
    previous_href: str | None
    """The newest page, from a later one."""
    next_href: str | None
    """The page of older runs."""
    range_words: str
    """Where in the list this page stands."""
    problem: str | None
    """What is wrong with the address; the list is then unfiltered."""
    examples: tuple[Link, ...]
    """First runs to try, for an empty system."""
    all_words: str
    """Words for choosing not only what is ticked, but all runs that pass the filter."""
    buttons: tuple[BulkButton, ...]
    """What may be done with the chosen runs."""
