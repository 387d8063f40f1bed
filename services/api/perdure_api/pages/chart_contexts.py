"""Pieces of the small charts that stand beside numbers."""

from dataclasses import dataclass


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
