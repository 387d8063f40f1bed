"""Which item comes next: from the file, read as it is needed, or again after its wait."""

import heapq
import random
from io import BufferedReader
from typing import NamedTuple

import msgspec
from msgspec import Struct

from perdure_contract.items import Outcome
from perdure_contract.specs import Retry, RetryReason
from perdure_contract.wire import ItemToDo

MOST_WAITING = 200
"""Items that wait for their next try; with so many, no new one is begun: each report names them."""

_decoder = msgspec.json.Decoder(ItemToDo)


class Task(Struct):
    """An item under way."""

    item: ItemToDo
    tries: int = 0


class Ending(Struct, frozen=True):
    """How a try of an item ended."""

    outcome: Outcome
    error: str | None = None
    reason: RetryReason | None = None
    """Of a failed one; none when it makes no sense to try again."""
    exit_code: int | None = None


class _Waiting(NamedTuple):
    due: float
    order: int
    task: Task


class Supply:
    """The items of one attempt, each given once, and again as often as it is tried again."""

    def __init__(self, items: BufferedReader, retry: Retry) -> None:
        """Start.

        Args:
            items: lines of `ItemToDo`.
            retry: when a failed item is tried again.
        """
        self._items = items
        self._retry = retry
        self._waiting: list[_Waiting] = []
        self._order = 0

    @property
    def empty(self) -> bool:
        """Whether nothing comes any more, as things stand."""
        return not self._waiting and not self._items.peek(1)

    def take(self, now: float) -> Task | None:
        """Give the next item; none when there is none for now."""
        if self._waiting and self._waiting[0].due <= now:
            return heapq.heappop(self._waiting).task
        if len(self._waiting) >= MOST_WAITING:
            return None
        line = self._items.readline()
        return Task(_decoder.decode(line)) if line else None

    def try_again(self, task: Task, ending: Ending, now: float) -> bool:
        """Have an item given again after a wait, if the policy says so; tell whether it does."""
        policy = self._retry
        if (
            ending.reason not in policy.on
            or task.tries >= policy.max_attempts
            or (ending.exit_code is not None and ending.exit_code in policy.not_exit_codes)
        ):
            return False
        due = now + wait_seconds(policy, task.tries, random.uniform(-1, 1))  # noqa: S311 - a spread
        self._order += 1
        heapq.heappush(self._waiting, _Waiting(due, self._order, task))
        return True

    def wake_at(self) -> float | None:
        """Give the time at which a waiting item is due, or none."""
        return self._waiting[0].due if self._waiting else None


def wait_seconds(policy: Retry, tries: int, spread: float) -> float:
    """Give how long an item waits after so many tries; `spread` is from -1 to 1."""
    try:
        wait = policy.initial_seconds * policy.factor ** (tries - 1)
    except OverflowError:
        wait = policy.max_seconds if policy.initial_seconds else 0.0
    return min(wait, policy.max_seconds) * (1 + policy.jitter * spread)
