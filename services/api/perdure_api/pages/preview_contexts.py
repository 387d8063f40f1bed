"""What a filled form would do, before it is sent."""

from dataclasses import dataclass


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
