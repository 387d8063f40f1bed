"""What happens to a run, from its request to its outcome."""

from datetime import datetime
from typing import ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from perdure_contract.facts.fact import Fact
from perdure_contract.facts.values import Failure, Progress, Usage
from perdure_contract.items import FailedItem, ItemCounts, OutcomeSpan, Range
from perdure_contract.specs import BlobRef, Json, RunRequest


class RunRequested(RunRequest, Fact, frozen=True, kw_only=True):
    """A run was requested; the request is whole and resolved, its fields stand beside `run`."""

    event: ClassVar[str] = "run.requested"
    run: str


class RunQueued(Fact, frozen=True, kw_only=True):
    """A run that waited for something other than the clock may start."""

    event: ClassVar[str] = "run.queued"
    run: str
    why: Literal["dependencies-met", "released", "attempt-released", "retry-now"]


class AttemptStarted(Fact, frozen=True, kw_only=True):
    """An executor was granted the next attempt. The version of this event is the attempt's fence."""

    event: ClassVar[str] = "run.attempt-started"
    run: str
    attempt: int
    executor: str
    from_checkpoint: int | None = None


class RunProgressed(Fact, frozen=True, kw_only=True):
    """A milestone: the phase changed, or 10 % and 10 s have passed since the last."""

    event: ClassVar[str] = "run.progressed"
    run: str
    attempt: int
    progress: Progress


class RunCheckpointed(Fact, frozen=True, kw_only=True):
    """Progress inside a run was marked durably; a later attempt can go on from here."""

    event: ClassVar[str] = "run.checkpointed"
    run: str
    attempt: int
    number: int
    cursor: Json = None
    state: Json = None


class RunItemsPlanned(Fact, frozen=True, kw_only=True):
    """The items of a batch are stored; what is done from now on is done to these."""

    event: ClassVar[str] = "run.items-planned"
    run: str
    total: int
    sha256: str


class RunItemsRecorded(Fact, frozen=True, kw_only=True):
    """Outcomes that came together; they are what checkpoint `number` adds to the one before."""

    event: ClassVar[str] = "run.items-recorded"
    run: str
    attempt: int
    number: int
    cursor: int
    """Every item up to here has an outcome."""
    spans: tuple[OutcomeSpan, ...]
    failures: tuple[FailedItem, ...] = ()
    """The first failed ones among them, by name."""
    begun: tuple[int, ...] = ()
    """Items that had been begun and had no outcome yet."""


class RunItemsRetried(Fact, frozen=True, kw_only=True):
    """Chosen items are to be done again, and no others; the retry budget starts anew."""

    event: ClassVar[str] = "run.items-retried"
    run: str
    items: tuple[Range, ...]
    """Which ones; none for all that failed."""
    count: int
    cursor: int = 0
    """Every item up to here still has an outcome."""
    reason: str | None = None


class Silence(Struct, frozen=True, kw_only=True):
    """What a stuck attempt was concluded from: its last sign of life and how long ago that is."""

    last_sign: Literal["start", "output", "progress", "checkpoint"]
    last_sign_at: datetime
    silent_seconds: float
    allowed_seconds: float


class AttemptFailed(Usage, Fact, frozen=True, kw_only=True):
    """An attempt ended without success."""

    event: ClassVar[str] = "run.attempt-failed"
    run: str
    attempt: int
    failure: Failure
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    silence: Silence | None = None
    """With reason `stuck`: the evidence."""
    items: ItemCounts | UnsetType = UNSET
    """Of a batch: all its items as they stand now."""


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a loss was concluded from."""

    rule: Literal["lease-ended", "executor-returned-without-it", "executor-forgot-it"]
    executor: str
    last_seen_at: datetime | None = None
    silent_seconds: float | None = None
    allowed_seconds: float | None = None


class AttemptLost(Fact, frozen=True, kw_only=True):
    """The executor of an attempt is gone, or came back without it."""

    event: ClassVar[str] = "run.attempt-lost"
    run: str
    attempt: int
    evidence: Evidence


class AttemptReleased(Fact, frozen=True, kw_only=True):
    """An executor gave an attempt back at its clean stop; it does not count as a try."""

    event: ClassVar[str] = "run.attempt-released"
    run: str
    attempt: int
    checkpoint: int | None = None


class RetryScheduled(Fact, frozen=True, kw_only=True):
    """A failed or lost attempt will be followed by another one."""

    event: ClassVar[str] = "run.retry-scheduled"
    run: str
    next_attempt_at: datetime
    wait_seconds: float


class CancelRequested(Fact, frozen=True, kw_only=True):
    """Someone asked for the end of a run that has an open attempt."""

    event: ClassVar[str] = "run.cancel-requested"
    run: str
    reason: str | None = None
    force: bool = False


class RunHeld(Fact, frozen=True, kw_only=True):
    """A run was set aside by hand."""

    event: ClassVar[str] = "run.held"
    run: str
    reason: str | None = None


class RunReleased(Fact, frozen=True, kw_only=True):
    """A held run was let go on."""

    event: ClassVar[str] = "run.released"
    run: str
    reason: str | None = None


class RunReprioritised(Fact, frozen=True, kw_only=True):
    """A run got another priority."""

    event: ClassVar[str] = "run.reprioritised"
    run: str
    priority: int
    reason: str | None = None


class RunResumed(Fact, frozen=True, kw_only=True):
    """A final run goes on from a checkpoint; its retry budget starts anew."""

    event: ClassVar[str] = "run.resumed"
    run: str
    checkpoint: int
    reason: str | None = None
    items: ItemCounts | UnsetType = UNSET
    """Of a batch that goes back to an older checkpoint: what is left of its outcomes."""
    cursor: int | UnsetType = UNSET
    """With `items`: every item up to here still has an outcome."""


class RunRestarted(Fact, frozen=True, kw_only=True):
    """A run starts again, from its beginning or from a checkpoint; its retry budget starts anew."""

    event: ClassVar[str] = "run.restarted"
    run: str
    from_checkpoint: int | None = None
    reason: str | None = None
    fenced_attempt: int | None = None
    """The attempt that was open and may change nothing any more."""


class ReportRefused(Fact, frozen=True, kw_only=True):
    """An executor reported on an attempt that is not open any more."""

    event: ClassVar[str] = "run.report-refused"
    run: str
    attempt: int
    kind: str
    why: str


class RunCompleted(Usage, Fact, frozen=True, kw_only=True):
    """A run reached its goal."""

    event: ClassVar[str] = "run.completed"
    run: str
    attempt: int
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    result: Json = None
    result_blob: BlobRef | None = None
    items: ItemCounts | UnsetType = UNSET


class RunPartiallyCompleted(Usage, Fact, frozen=True, kw_only=True):
    """A run came to its end without everything: items of a batch failed, files were not copied."""

    event: ClassVar[str] = "run.partially-completed"
    run: str
    attempt: int
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    result: Json = None
    result_blob: BlobRef | None = None
    items: ItemCounts | UnsetType = UNSET


class RunCancelled(Usage, Fact, frozen=True, kw_only=True):
    """A run was ended on request; `attempt` is 0 when none was open."""

    event: ClassVar[str] = "run.cancelled"
    run: str
    attempt: int = 0
    reason: str | None = None
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    result: Json = None
    result_blob: BlobRef | None = None
    forced: bool = False
    """The executor did not answer in time, so the attempt was fenced instead of ended."""
    items: ItemCounts | UnsetType = UNSET


class RunFailed(Fact, frozen=True, kw_only=True):
    """A run failed and will not be tried again by itself."""

    event: ClassVar[str] = "run.failed"
    run: str
    failure: Failure


class RunDeleted(Fact, frozen=True, kw_only=True):
    """Input, output and result of a run were removed; the facts stay."""

    event: ClassVar[str] = "run.deleted"
    run: str
    removed: tuple[str, ...]
    reason: str | None = None


RunFact = (
    RunRequested
    | RunQueued
    | AttemptStarted
    | RunProgressed
    | RunCheckpointed
    | RunItemsPlanned
    | RunItemsRecorded
    | RunItemsRetried
    | AttemptFailed
    | AttemptLost
    | AttemptReleased
    | RetryScheduled
    | CancelRequested
    | RunHeld
    | RunReleased
    | RunReprioritised
    | RunResumed
    | RunRestarted
    | ReportRefused
    | RunCompleted
    | RunPartiallyCompleted
    | RunCancelled
    | RunFailed
    | RunDeleted
)
