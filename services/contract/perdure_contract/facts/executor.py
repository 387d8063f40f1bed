"""What happens to an executor."""

from datetime import datetime
from typing import ClassVar

from perdure_contract.facts.fact import Fact


class ExecutorJoined(Fact, frozen=True, kw_only=True):
    """An executor opened a session."""

    event: ClassVar[str] = "executor.joined"
    executor: str
    session: str
    slots: int
    labels: dict[str, str] = {}
    queues: tuple[str, ...] = ()
    """The queues it serves; none means all."""
    program: str = ""
    """Version of the executor's program."""
    programs: dict[str, str] = {}
    """Programs that some kinds of runs need, with their versions, as far as they are there."""


class ExecutorLost(Fact, frozen=True, kw_only=True):
    """The lease of an executor's session ended without a word from it."""

    event: ClassVar[str] = "executor.lost"
    executor: str
    session: str
    last_seen_at: datetime
    silent_seconds: float


class ExecutorDraining(Fact, frozen=True, kw_only=True):
    """An executor takes no new attempts."""

    event: ClassVar[str] = "executor.draining"
    executor: str
    reason: str | None = None


class ExecutorLeft(Fact, frozen=True, kw_only=True):
    """An executor ended its session by itself."""

    event: ClassVar[str] = "executor.left"
    executor: str
    session: str


ExecutorFact = ExecutorJoined | ExecutorLost | ExecutorDraining | ExecutorLeft
