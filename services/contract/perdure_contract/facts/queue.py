"""What happens to a queue."""

from typing import ClassVar

from perdure_contract.facts.fact import Fact


class QueueConfigured(Fact, frozen=True, kw_only=True):
    """A queue got its limits; none means without limit."""

    event: ClassVar[str] = "queue.configured"
    queue: str
    concurrency: int | None = None
    rate_per_minute: int | None = None


class QueuePaused(Fact, frozen=True, kw_only=True):
    """Nothing starts from this queue until it is resumed."""

    event: ClassVar[str] = "queue.paused"
    queue: str
    reason: str | None = None


class QueueResumed(Fact, frozen=True, kw_only=True):
    """A paused queue goes on."""

    event: ClassVar[str] = "queue.resumed"
    queue: str
    reason: str | None = None


QueueFact = QueueConfigured | QueuePaused | QueueResumed
