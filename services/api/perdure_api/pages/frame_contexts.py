"""What surrounds every page: the navigation, the preferences, who is signed in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
