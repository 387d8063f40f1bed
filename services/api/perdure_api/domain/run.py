"""The state of a run.

    requested ─► pending ─► running ─► completed | partial | failed | cancelled
                 ▲  │ ▲        │ └──► cancelling ──► cancelled
                 │  ▼ └────────┘ retry, lost, released
               paused

`phase` is what is stored; what people see is `state_at`: the clock turns scheduled and retrying runs
into queued ones without an event. `run_folding` makes it of the events of a run. Decisions about runs are in
`run_decisions` (people and time) and `run_reports` (executors).
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from perdure_contract.facts import Failure, Json, Progress, RunRequested, Usage
from perdure_contract.items import ItemCounts
from perdure_contract.objects import State
from perdure_contract.specs import BlobRef

Phase = Literal[
    "pending",
    "waiting",
    "paused",
    "running",
    "cancelling",
    "completed",
    "partial",
    "failed",
    "cancelled",
]
OPEN_PHASES = frozenset({"running", "cancelling"})
FINAL_PHASES = frozenset({"completed", "partial", "failed", "cancelled"})

AttemptState = Literal[
    "running", "cancelling", "completed", "failed", "cancelled", "lost", "released", "fenced"
]
OWN_ENDS = frozenset({"completed", "failed", "cancelled", "released"})
"""Ends that the attempt's executor reported itself; hearing them again is a duplicate."""


class Stamp(Struct, frozen=True):
    """Where and when an event stands in the log."""

    position: int
    version: int
    time: datetime
    tenant: str = "default"


class AttemptRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest attempt of a run."""

    number: int
    fence: int
    executor: str
    state: AttemptState = "running"
    started_at: datetime
    ended_at: datetime | None = None
    from_checkpoint: int | None = None
    failure: Failure | None = None
    usage: Usage | None = None


class CheckpointRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last checkpoint of a run."""

    number: int
    cursor: Json = None
    state: Json = None
    at: datetime


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run as its events tell it."""

    id: str
    tenant: str
    version: int
    position: int
    created: int
    """Position of its request: its age."""
    created_at: datetime
    request: RunRequested
    """As it stands in the first event; a `RunRequest` with the run's id."""
    phase: Phase = "pending"
    priority: int = 0
    waits_for: Literal["scheduled", "retrying"] | None = None
    available_at: datetime | None = None
    """When it may start; None = at once."""
    attempt: AttemptRecord | None = None
    past: tuple[tuple[int, AttemptState], ...] = ()
    refused: tuple[str, ...] = ()
    """`<attempt>:<kind>` of reports already refused by an event."""
    tries: int = 0
    """Counted attempts since requested, restarted or resumed."""
    lost_in_a_row: int = 0
    start_from: int | None = None
    """Checkpoint that the next attempt goes on from."""
    checkpoint: CheckpointRecord | None = None
    items: ItemCounts | None = None
    """Of a batch."""
    settled: int = 0
    """Every item up to here has an outcome."""
    begun: tuple[int, ...] = ()
    """Items that the latest attempt last said to have begun, without an outcome yet."""
    only_chosen: bool = False
    """Whether the next attempt does the items that were chosen for another try, and no others."""
    progress: Progress | None = None
    milestone_at: datetime | None = None
    milestones: int = 0
    """Of the latest attempt, so far."""
    metrics: dict[str, float] = {}
    result: Json = None
    result_blob: BlobRef | None = None
    failure: Failure | None = None
    cancel_reason: str | None = None
    cancel_forced: bool = False
    cancelling_since: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deleted: bool = False

    @property
    def is_open(self) -> bool:
        """Whether an executor has an attempt of it."""
        return self.phase in OPEN_PHASES

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.phase in FINAL_PHASES


def state_at(run: Run, now: datetime) -> State:
    """Give the state of a run as people see it at `now`."""
    if run.phase != "pending":
        return run.phase
    if run.waits_for is not None and run.available_at is not None and run.available_at > now:
        return run.waits_for
    return "queued"
