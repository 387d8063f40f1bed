"""The newest events of the log, as this process has committed them."""

from collections.abc import Sequence
from typing import Final

from perdure_contract.envelope import Event

MOST_EVENTS: Final = 2000


class Tail:
    """So that what has just been written need not be read back: a run of positions without gaps.

    When another replica wrote in between, it begins anew after that.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, events: Sequence[Event]) -> None:
        """Take events that are committed."""
        if self._events and events and events[0].position != self._events[-1].position + 1:
            self._events.clear()
        self._events.extend(events)
        if len(self._events) > 2 * MOST_EVENTS:
            del self._events[:-MOST_EVENTS]

    def after(self, position: int, limit: int) -> list[Event]:
        """Give the events that come next after a position; none when only the log has them."""
        start = position + 1 - self._events[0].position if self._events else -1
        return self._events[start : start + limit] if start >= 0 else []

    def forget(self) -> None:
        """Believe nothing any more: the log may be another one."""
        self._events.clear()
