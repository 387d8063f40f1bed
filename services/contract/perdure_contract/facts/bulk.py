"""What happens to one action on many runs."""

from typing import ClassVar, Literal

from perdure_contract.facts.fact import Fact
from perdure_contract.specs import Json


class BulkRequested(Fact, frozen=True, kw_only=True):
    """One action was asked for on many runs; which ones was settled then."""

    event: ClassVar[str] = "bulk.requested"
    bulk: str
    action: str
    options: dict[str, Json] = {}
    """The action's body."""
    filter: dict[str, Json] | None = None
    """The filter that chose the runs; none when they were named by id."""
    matched: int
    canary: bool = False
    """The first run alone, the others only after it has completed."""


class BulkStopRequested(Fact, frozen=True, kw_only=True):
    """Someone asked that a bulk operation goes no further."""

    event: ClassVar[str] = "bulk.stop-requested"
    bulk: str
    reason: str | None = None


class BulkFinished(Fact, frozen=True, kw_only=True):
    """A bulk operation is over. Runs neither done nor refused were left as they are."""

    event: ClassVar[str] = "bulk.finished"
    bulk: str
    done: int
    refused: int
    left: int
    why: Literal["all-done", "stopped", "canary-failed"]


BulkFact = BulkRequested | BulkStopRequested | BulkFinished
