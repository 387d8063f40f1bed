"""Which attempts occupy a slot of the executor: calls on one trip share one."""

from collections import Counter
from collections.abc import Iterable


class Slots:
    """So many attempts or trips at once."""

    def __init__(self, count: int) -> None:
        """Have so many slots, all free."""
        self._count = count
        self._trips = 0
        self._trip_of: dict[str, int] = {}
        self._left: Counter[int] = Counter()
        """How many of each trip are not over."""

    @property
    def free(self) -> int:
        """How many more may start; none while more run than there are slots."""
        return max(0, self._count - len(self._left))

    def take(self, keys: Iterable[str]) -> None:
        """Let attempts share one slot."""
        self._trips += 1
        for key in keys:
            self._trip_of[key] = self._trips
            self._left[self._trips] += 1

    def leave(self, key: str) -> None:
        """An attempt's processes are gone; its slot is free when it was the last of its trip."""
        trip = self._trip_of.pop(key, None)
        if trip is None:
            return
        self._left[trip] -= 1
        if not self._left[trip]:
            del self._left[trip]

    def found(self, keys: Iterable[str]) -> None:
        """These are what runs, and nothing else; each may need a slot of its own."""
        self._trip_of.clear()
        self._left.clear()
        for key in keys:
            self.take([key])
