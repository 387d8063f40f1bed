"""The facts: every event that can be stored, its type name and its data.

The classes are stored and published alike: the bytes that `encode` gives are what is hashed, kept in
PostgreSQL, sent on NATS and answered by `/api/events`. A fact only grows: new fields have defaults;
anything else is a new version and a lifting in the store's codec. One golden sample each lies in
`samples/`.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from perdure_contract.jobs import JobDefinition, SchedulePlan, Source
from perdure_contract.specs import BlobRef, FailureReason, RunRequest

MAX_EVENT_BYTES = 65536
Json = Any
"""A JSON value that a program gave as its result; opaque to Perdure."""


class Fact(Struct, frozen=True, kw_only=True):
    """Something that happened. `event` is `<kind>.<name>`; the stored type adds prefix and version."""

    event: ClassVar[str] = ""
    version: ClassVar[int] = 1


class Failure(Struct, frozen=True, kw_only=True):
    """Why an attempt or a run failed, in one word and in a sentence."""

    reason: FailureReason
    message: str
    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the program, like `SIGSEGV`."""


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a program says it is."""

    done: float | None = None
    total: float | None = None
    unit: Annotated[str, Meta(max_length=32)] | None = None
    message: Annotated[str, Meta(max_length=500)] | None = None


class Usage(Struct, frozen=True, kw_only=True):
    """What an attempt left behind and used up."""

    lines: int = 0
    bytes: int = 0
    log_sha256: str | None = None
    """SHA-256 over the kept log text, lines joined with newlines."""
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0


# --- run ------------------------------------------------------------------------------------------


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
    | RunCancelled
    | RunFailed
    | RunDeleted
)

# --- queue ----------------------------------------------------------------------------------------


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

# --- executor -------------------------------------------------------------------------------------


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

# --- token ----------------------------------------------------------------------------------------


class TokenIssued(Fact, frozen=True, kw_only=True):
    """An API token was made; the secret itself is nowhere in the store."""

    event: ClassVar[str] = "token.issued"
    token: str
    name: str
    role: str
    expires_at: datetime | None = None


class TokenRevoked(Fact, frozen=True, kw_only=True):
    """An API token opens nothing any more."""

    event: ClassVar[str] = "token.revoked"
    token: str
    reason: str | None = None


TokenFact = TokenIssued | TokenRevoked

# --- bulk -----------------------------------------------------------------------------------------


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

# --- job ------------------------------------------------------------------------------------------


class JobCreated(Fact, frozen=True, kw_only=True):
    """A job was saved under a name that was free."""

    event: ClassVar[str] = "job.created"
    job: str
    revision: int
    definition: JobDefinition
    source: Source = "api"


class JobRevised(Fact, frozen=True, kw_only=True):
    """A job got another definition; runs that were requested before keep theirs."""

    event: ClassVar[str] = "job.revised"
    job: str
    revision: int
    definition: JobDefinition
    source: Source = "api"
    rolled_back_to: int | None = None
    reason: str | None = None


class JobDeleted(Fact, frozen=True, kw_only=True):
    """A job can be run no more; its runs stay."""

    event: ClassVar[str] = "job.deleted"
    job: str
    reason: str | None = None


JobFact = JobCreated | JobRevised | JobDeleted

# --- schedule -------------------------------------------------------------------------------------


class ScheduleCreated(Fact, frozen=True, kw_only=True):
    """A job is to be run by the clock."""

    event: ClassVar[str] = "schedule.created"
    schedule: str
    plan: SchedulePlan
    anchor: datetime
    """What an interval without a start counts from."""
    enabled: bool = True
    source: Source = "api"


class ScheduleRevised(Fact, frozen=True, kw_only=True):
    """A schedule got another plan; times that it has fired at are not fired again."""

    event: ClassVar[str] = "schedule.revised"
    schedule: str
    plan: SchedulePlan


class SchedulePaused(Fact, frozen=True, kw_only=True):
    """Nothing fires until it is resumed."""

    event: ClassVar[str] = "schedule.paused"
    schedule: str
    reason: str | None = None


class ScheduleResumed(Fact, frozen=True, kw_only=True):
    """A paused schedule goes on with the next fire time ahead."""

    event: ClassVar[str] = "schedule.resumed"
    schedule: str
    reason: str | None = None


class ScheduleFired(Fact, frozen=True, kw_only=True):
    """A fire time was kept: a run was requested."""

    event: ClassVar[str] = "schedule.fired"
    schedule: str
    fire_at: datetime
    job: str
    run: str
    why: Literal["due", "caught-up", "waited", "triggered", "backfilled"] = "due"
    late_seconds: float = 0.0


class ScheduleMissed(Fact, frozen=True, kw_only=True):
    """Fire times came and went while nobody could keep them."""

    event: ClassVar[str] = "schedule.missed"
    schedule: str
    fire_at: datetime
    until: datetime
    """The last of them."""
    count: int | None
    """None when there were too many to count."""
    why: Literal["misfire-grace", "catch-up-window", "too-many"]


class ScheduleSkipped(Fact, frozen=True, kw_only=True):
    """Fire times were left out on purpose."""

    event: ClassVar[str] = "schedule.skipped"
    schedule: str
    fire_at: datetime
    until: datetime
    """The last of them."""
    count: int | None
    why: Literal[
        "coalesced", "overlap", "max-instances", "job-disabled", "job-missing", "bad-params"
    ]


class ScheduleDeleted(Fact, frozen=True, kw_only=True):
    """A schedule fires no more."""

    event: ClassVar[str] = "schedule.deleted"
    schedule: str
    reason: str | None = None


ScheduleFact = (
    ScheduleCreated
    | ScheduleRevised
    | SchedulePaused
    | ScheduleResumed
    | ScheduleFired
    | ScheduleMissed
    | ScheduleSkipped
    | ScheduleDeleted
)

# --- jobs file ------------------------------------------------------------------------------------


class FileFault(Struct, frozen=True, kw_only=True):
    """What is wrong with the jobs file, and where; lines and columns count from 1."""

    line: int
    column: int
    message: str


class JobsFileLoaded(Fact, frozen=True, kw_only=True):
    """The jobs file was taken over whole."""

    event: ClassVar[str] = "jobsfile.loaded"
    file: str
    sha256: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    """Jobs that are in it no more; their schedules were paused."""
    unchanged: int = 0
    names: tuple[str, ...] = ()
    """Every job that it names."""


class JobsFileRefused(Fact, frozen=True, kw_only=True):
    """The jobs file has faults; what was loaded before stays."""

    event: ClassVar[str] = "jobsfile.refused"
    file: str
    sha256: str
    faults: tuple[FileFault, ...]


JobsFileFact = JobsFileLoaded | JobsFileRefused

AnyFact = (
    RunFact
    | QueueFact
    | ExecutorFact
    | TokenFact
    | BulkFact
    | JobFact
    | ScheduleFact
    | JobsFileFact
)

FACTS: tuple[type[Fact], ...] = tuple(AnyFact.__args__)


def type_name(fact: type[Fact] | Fact) -> str:
    """Give the public type name of a fact, like `perdure.run.requested.v1`."""
    return f"perdure.{fact.event}.v{fact.version}"


BY_TYPE: dict[str, type[Fact]] = {type_name(fact): fact for fact in FACTS}

_encoder = msgspec.json.Encoder()


def encode(fact: Fact) -> bytes:
    """Give the exact bytes of a fact's `data`: what is stored, hashed and published."""
    return _encoder.encode(fact)
