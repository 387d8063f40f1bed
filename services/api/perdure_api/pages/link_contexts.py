"""A link as every page shows it."""

from dataclasses import dataclass


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
