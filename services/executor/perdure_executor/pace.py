"""How many attempts to ask for ahead of time, from how long the last ones took. Pure.

A grant costs a commit there and a commit back. Where attempts last milliseconds, slots would stand
empty meanwhile; where they last longer, an attempt that waits here would start sooner elsewhere.
"""

SHORT_SECONDS = 0.2
"""Attempts are asked for ahead only while they take less than this on average."""
COVERED_SECONDS = 0.1
"""The time between two grants that is bridged."""
MOST_A_SLOT = 250
MOST_AHEAD = 4000
"""Of one executor: each beat names all that it holds, and must fit into a message."""
LONGEST_ON_TRIP_SECONDS = 0.005
"""Calls share a trip to a worker only while attempts take less than this on average."""
TRIP_SECONDS = 0.02
"""What a trip should take."""
MOST_ON_TRIP = 64
WORTH_A_TRIP_SECONDS = 0.004
"""Slots are filled with trips that take at least so long: less is not worth waking a worker."""
WEIGHT = 0.1
"""Of the newest duration in the average."""


class Pace:
    """A moving average over the durations of attempts."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        """Know nothing, and so ask for nothing ahead."""
        self._seconds: float | None = None

    def took(self, seconds: float) -> None:
        """Note how long an attempt took."""
        seconds = min(max(seconds, 0.0002), 10.0)
        known = self._seconds
        self._seconds = seconds if known is None else known + WEIGHT * (seconds - known)

    def waited_in_vain(self) -> None:
        """Note that an attempt was given back: for a while, do not ask ahead."""
        self._seconds = 10.0

    def ahead(self, slots: int) -> int:
        """Give how many attempts to ask for beside one for each slot."""
        if self._seconds is None or self._seconds > SHORT_SECONDS:
            return 0
        for_each = min(MOST_A_SLOT, max(1.0, COVERED_SECONDS / self._seconds))
        return min(MOST_AHEAD, int(slots * for_each))

    def trip(self, waiting: int, free: int) -> int:
        """Give how many of the calls that wait go on one trip, when so many slots are free."""
        if self._seconds is None or self._seconds > LONGEST_ON_TRIP_SECONDS:
            return 1
        most = min(MOST_ON_TRIP, int(TRIP_SECONDS / self._seconds))
        worth = int(WORTH_A_TRIP_SECONDS / self._seconds)
        return max(1, min(most, max(worth, -(-waiting // free))))
