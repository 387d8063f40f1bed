"""What the page of what did not count is rendered from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """Something that was asked for or reported, and did not count."""

    title: str
    """What, and how often."""
    why: str
    """Why not."""
    about: str
    """What it was about; empty when there was nothing of its name."""
    href: str | None
    """Where that is shown."""
    by: str
    """Who asked, or reported on which attempt."""
    at: str
    """When, for the last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalsPage:
    """What did not count, newest first."""

    rows: tuple[RefusalRow, ...]
    """One page of it."""
    about: str
    """What it is narrowed to; empty for everything."""
    href: str
    """Address of exactly this page."""
    first_href: str | None
    """The first page, from a later one."""
    next_href: str | None
    """The page after."""
