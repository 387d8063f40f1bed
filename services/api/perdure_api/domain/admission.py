"""Which waiting runs start now, and where: a pure function over counts taken from state.

The order is priority, then age, over all queues. A queue's limit, its rate, an executor's free slots,
labels and queues bound it. Nothing is remembered between two passes, so no count can leak.
"""

from collections.abc import Sequence

from msgspec import Struct

from perdure_api.domain.lanes import serves


class Candidate(Struct, frozen=True):
    """A run that could start now."""

    run: str
    queue: str
    lane: str
    priority: int
    age: int
    """Position of its request."""


class Seat(Struct):
    """An executor with free slots; `free` goes down as runs are seated."""

    executor: str
    session: str
    free: int
    labels: dict[str, str]
    queues: tuple[str, ...]

    def takes(self, queue: str, lane: str) -> bool:
        """Tell whether it serves a queue and a lane."""
        return (not self.queues or queue in self.queues) and serves(self.labels, lane)


class Assignment(Struct, frozen=True):
    """A run and the executor that gets it."""

    run: str
    queue: str
    executor: str
    session: str


def admit(
    candidates: Sequence[Candidate], seats: Sequence[Seat], room: dict[str, int | None]
) -> list[Assignment]:
    """Seat candidates in order; `room` is how many more each queue may start (None = no limit).

    Among the executors that fit, the one with most free slots gets the run.
    """
    room = dict(room)
    free = {seat.executor: seat.free for seat in seats}
    assignments: list[Assignment] = []
    for candidate in sorted(candidates, key=lambda c: (-c.priority, c.age)):
        left = room.get(candidate.queue)
        if left is not None and left <= 0:
            continue
        fitting = [
            s for s in seats if free[s.executor] > 0 and s.takes(candidate.queue, candidate.lane)
        ]
        if not fitting:
            continue
        seat = max(fitting, key=lambda s: free[s.executor])
        free[seat.executor] -= 1
        if left is not None:
            room[candidate.queue] = left - 1
        assignments.append(Assignment(candidate.run, candidate.queue, seat.executor, seat.session))
    return assignments
