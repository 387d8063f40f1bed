"""A queue: how many runs of it may run at once, how many may start a minute, and whether it is paused."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_contract.facts import QueueConfigured, QueueFact, QueuePaused, QueueResumed


class Queue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a queue. One that was never configured has no limits."""

    name: str
    concurrency: int | None = None
    rate_per_minute: int | None = None
    paused: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether its row must be locked to start a run of it."""
        return self.paused or self.concurrency is not None or self.rate_per_minute is not None


def evolve(queue: Queue | None, fact: QueueFact) -> Queue:
    """Fold one fact into the state."""
    queue = queue or Queue(name=fact.queue)
    match fact:
        case QueueConfigured():
            return replace(
                queue, concurrency=fact.concurrency, rate_per_minute=fact.rate_per_minute
            )
        case QueuePaused():
            return replace(queue, paused=True)
        case QueueResumed():
            return replace(queue, paused=False)
        case _:
            assert_never(fact)


def configure(
    queue: Queue, *, concurrency: int | None, rate_per_minute: int | None
) -> tuple[QueueFact, ...]:
    """Set the limits; nothing happens when they are so already."""
    if (queue.concurrency, queue.rate_per_minute) == (concurrency, rate_per_minute):
        return ()
    fact = QueueConfigured(
        queue=queue.name, concurrency=concurrency, rate_per_minute=rate_per_minute
    )
    return (fact,)


def pause(queue: Queue, reason: str | None) -> tuple[QueueFact, ...]:
    """Stop starting; pausing a paused queue changes nothing."""
    return () if queue.paused else (QueuePaused(queue=queue.name, reason=reason),)


def resume(queue: Queue, reason: str | None) -> tuple[QueueFact, ...]:
    """Start again; resuming a queue that is not paused changes nothing."""
    return (QueueResumed(queue=queue.name, reason=reason),) if queue.paused else ()
