"""What each page is rendered from. A template knows nothing but its context; every field says what it is.

The main objects of the API (`RunView`, `QueueView`, …) are shown as they are; contexts add only what a
page needs beside them: links, words, geometry.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perdure_contract.objects import (
    ExecutorView,
    LogEntry,
    QueueView,
    RunView,
)

Section = Literal[
    "overview",
    "runs",
    "new",
    "jobs",
    "backups",
    "schedules",
    "timeline",
    "queues",
    "executors",
    "events",
    "",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the navigation."""

    key: Section
    """Section it leads to."""
    label: str
    """Its word."""
    href: str
    """Its address."""
    icon: str
    """Name of its icon."""
    phone_only: bool = False
    """Whether only the bar at the bottom of a phone shows it."""
    desk_only: bool = False
    """Whether that bar leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of a preference."""

    value: str
    """What is sent."""
    label: str
    """Its word."""
    chosen: bool
    """Whether it is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A preference of this browser, kept in a cookie."""

    name: str
    """Name of its form field and of the `data-` attribute of the page."""
    label: str
    """Its word."""
    choices: tuple[Choice, ...]
    """Its values, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What surrounds every page."""

    title: str
    """Title of the window, without the product's name."""
    section: Section
    """The navigation entry that is marked."""
    here: str
    """Path and query of this page: where a preference leads back to."""
    csrf: str
    """Token of the session, sent back by every form."""
    user: str
    """Who is signed in."""
    role: str
    """Role of the user."""
    may_operate: bool
    """Whether actions are shown."""
    may_author: bool
    """Whether new runs may be defined."""
    now: datetime
    """The server's clock, from which relative times are counted."""
    theme: str
    """`auto`, `light` or `dark`."""
    zone: str
    """`utc` or `local`: how times are written."""
    density: str
    """`comfortable` or `compact`."""
    keys: str
    """`on` or `off`: keyboard shortcuts."""
    entries: tuple[Entry, ...]
    """The navigation."""
    preferences: tuple[Preference, ...]
    """What the menu offers to set."""
    version: str
    """Version of Perdure."""
    live: str | None
    """Address of the page's one stream; none for pages that stand still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A page without the frame: login and errors."""

    title: str
    """Title of the window."""
    theme: str = "auto"
    """Colours to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage(Bare):
    """How to come in."""

    said: str | None = None
    """Why the last try did not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link with its words."""

    label: str
    """Its words."""
    href: str
    """Where it leads."""
    chosen: bool = False
    """Whether it is the one in force."""
    count: str | None = None
    """A number beside it."""
    key: str = ""
    """Name among its siblings."""
    state: str | None = None
    """State whose shape stands before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Bare):
    """What went wrong, and where to go from here."""

    status: int
    """HTTP status."""
    heading: str
    """What happened, in a few words."""
    text: str
    """What to do next."""
    links: tuple[Link, ...]
    """Ways on."""
    request_id: str | None
    """Id that the log of the server shows too."""


# --- overview ---------------------------------------------------------------------------------------


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
class SparkBar:
    """One hour of a tile's chart, in its units of 240 × 32."""

    x: int
    """Left edge."""
    good: float
    """Height of what went well."""
    bad: float
    """Height of what failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPiece:
    """A piece of a bar that is 240 wide."""

    state: str
    """State whose colour it has; `free` for nothing."""
    x: float
    """Left edge."""
    width: float
    """Width."""


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


# --- runs -------------------------------------------------------------------------------------------


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


# --- one run ----------------------------------------------------------------------------------------

RunTab = Literal["summary", "log", "items", "metrics", "events", "attempts", "definition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionButton:
    """Something that is legal now."""

    name: str
    """Last part of its address."""
    label: str
    """Its words."""
    icon: str
    """Its icon."""
    tone: str = ""
    """`primary`, `stop` or nothing."""
    confirm: bool = False
    """Whether a dialog asks first."""
    key: str = ""
    """Its keyboard shortcut."""
    csrf: str
    """Token of the session."""
    idempotency_key: str
    """Makes a form that is sent twice act once."""
    expected_version: int | None
    """Version that the button was shown for."""
    seen: str = ""
    """State that the button was shown in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuAction:
    """An action of the menu, legal or not."""

    name: str
    """Last part of its address."""
    label: str
    """Its words."""
    icon: str
    """Its icon."""
    tone: str
    """`stop`, or nothing."""
    why_not: str | None
    """Why it is not legal now; none where it is."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Lines of output by themselves, to be put below or above others."""

    lines: tuple[LogEntry, ...]
    """The lines."""
    line: int | None
    """The one that is marked."""
    line_href: str
    """Address of a line, up to its number."""
    times: bool
    """Whether each line shows its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPane:
    """A window on the output of one attempt."""

    attempt: int
    """Whose output."""
    attempts: tuple[Link, ...]
    """Attempts to choose from."""
    stream: str
    """The one stream that is shown; empty for both."""
    streams: tuple[Link, ...]
    """Both streams, or one."""
    looks: tuple[Link, ...]
    """Wrapped lines, times."""
    lines: tuple[LogEntry, ...]
    """At most 500 entries."""
    short: bool
    """Whether it is the small pane of the summary."""
    still: bool
    """Whether the attempt is over, so that the pane need not keep room for more."""
    tail: bool
    """Whether it ends with the newest line, so that new ones may follow."""
    wrap: bool
    """Whether long lines are wrapped."""
    times: bool
    """Whether each line shows its time."""
    line: int | None
    """The line that the address points at."""
    last: int
    """The last line that was looked at: new ones follow on it."""
    q: str
    """The words that are searched."""
    found_words: str
    """How much the search found."""
    count_words: str
    """How many lines there are."""
    line_href: str
    """Address of a line, up to its number."""
    full_href: str
    """The newest output, without a search."""
    first: int
    """The first line that is shown; 1 when there is none."""
    beginning: bool
    """Whether nothing comes before, although lines may begin later than 1."""
    earlier_href: str
    """The block before."""
    earlier_block: str
    """The lines of the block before, without a page around them."""
    later_href: str | None
    """The block after."""
    download_href: str
    """The whole output as a file."""
    empty_words: str
    """What to say when there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What was asked for, exactly."""

    title: str
    """What kind of thing is executed."""
    argv: tuple[str, ...] | None
    """Program and arguments, or a call, or none for a script."""
    hint: str
    """How these are to be read."""
    items: tuple[tuple[str, str], ...]
    """Of a batch: what is known of its items and of how they are gone through."""
    script: str | None
    """The script, when it is still kept."""
    script_bytes: int
    """Size of the script."""
    script_sha256: str
    """Hash of the script."""
    rules: tuple[tuple[str, str], ...]
    """Retries and limits, name and words."""
    env_names: tuple[str, ...]
    """Names of the environment's variables."""
    json: str
    """The request, without the values of the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultShown:
    """What a run brought."""

    text: str | None
    """The value over several lines; none when it is too large for a page."""
    bytes: int
    """Its size."""
    href: str
    """The value as a file."""


# --- forms ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionInput:
    """A field of a dialog."""

    name: str
    """Name of the field."""
    label: str
    """Its words."""
    value: str = ""
    """What is in it."""
    hint: str = ""
    """What to write."""
    required: bool = False
    """Whether it must be filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPage:
    """A question before something is done: a dialog, or a page of its own."""

    title: str
    """The question."""
    lines: tuple[str, ...]
    """What will happen."""
    href: str
    """Where the answer goes."""
    back: str
    """Where to go without doing it."""
    keep: str
    """Word for not doing it."""
    go: str
    """Word for doing it."""
    icon: str
    """Icon of doing it."""
    tone: str
    """`danger` or `primary`."""
    csrf: str
    """Token of the session."""
    idempotency_key: str
    """Makes a form that is sent twice act once."""
    expected_version: int | None = None
    """Version that the question was asked for."""
    seen: str = ""
    """State that the question was asked in."""
    inputs: tuple[ActionInput, ...] = ()
    """What may be said with it."""
    problem_text: str | None = None
    """What was wrong with the last answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedItem:
    """What a batch would do for one of its items."""

    title: str
    """Which item it is."""
    argv: tuple[str, ...]
    """What would be executed for it."""
    problem: str
    """Why nothing can be; empty where it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a filled form would do."""

    argv: tuple[str, ...] = ()
    """What would be executed."""
    lines: tuple[str, ...] = ()
    """In words."""
    warnings: tuple[str, ...] = ()
    """What stands in the way."""
    items: tuple[PreviewedItem, ...] = ()
    """The first items of a batch."""


# --- queues and executors ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCard:
    """A queue."""

    queue: QueueView
    """The queue."""
    words: str
    """What goes on in it."""
    csrf: str
    """Token of the session."""
    idempotency_key: str
    """Makes a form that is sent twice act once."""
    expected_version: int | None = None
    """Version that its buttons were shown for."""
    seen: str = ""
    """State that its buttons were shown in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorCard:
    """An executor."""

    executor: ExecutorView
    """The executor."""
    slots: tuple[bool, ...]
    """Whether each slot is in use; empty when there are too many to draw."""
