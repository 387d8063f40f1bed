"""Items of a batch: their outcomes, how many of each there are, and how a range of them is written."""

from typing import Literal

from msgspec import Struct

Outcome = Literal["done", "failed", "skipped", "filtered"]
"""What became of an item; until then it is `pending`."""

MAX_SPANS = 2000
"""In one event: a range in which every item differs from its neighbour takes a span each."""
MAX_NAMED_FAILURES = 100
"""In one event; the error of every item stands in its row."""
MAX_ERROR = 2000
"""Characters kept of an item's error; an event keeps `MAX_EVENT_ERROR` of them."""
MAX_EVENT_ERROR = 200
MAX_KEY = 200
"""Characters of a key."""


class ItemCounts(Struct, frozen=True, kw_only=True):
    """How many items a batch has, and how many of them ended how; the others are pending."""

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    filtered: int = 0

    @property
    def pending(self) -> int:
        """Items without an outcome."""
        return self.total - self.done - self.failed - self.skipped - self.filtered


class OutcomeSpan(Struct, frozen=True, array_like=True):
    """Items `first` to `last` that ended alike."""

    first: int
    last: int
    outcome: Outcome


class Range(Struct, frozen=True, array_like=True):
    """Items `first` to `last`."""

    first: int
    last: int


class FailedItem(Struct, frozen=True, kw_only=True):
    """An item that failed, by name."""

    ordinal: int
    key: str
    error: str
    tries: int
