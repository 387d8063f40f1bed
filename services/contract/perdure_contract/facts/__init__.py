"""The facts: every event that can be stored, its type name and its data.

The classes are stored and published alike: the bytes that `encode` gives are what is hashed, kept in
PostgreSQL, sent on NATS and answered by `/api/events`. A fact only grows: new fields have defaults;
anything else is a new version and a lifting in the store's codec. One golden sample each lies in
`samples/`.
"""

import msgspec

from perdure_contract.facts.bulk import BulkFact, BulkFinished, BulkRequested, BulkStopRequested
from perdure_contract.facts.executor import (
    ExecutorDraining,
    ExecutorFact,
    ExecutorJoined,
    ExecutorLeft,
    ExecutorLost,
)
from perdure_contract.facts.fact import MAX_EVENT_BYTES, Fact
from perdure_contract.facts.host import HostDeleted, HostFact, HostSaved
from perdure_contract.facts.job import JobCreated, JobDeleted, JobFact, JobRevised
from perdure_contract.facts.jobs_file import (
    FileFault,
    JobsFileFact,
    JobsFileLoaded,
    JobsFileRefused,
)
from perdure_contract.facts.queue import QueueConfigured, QueueFact, QueuePaused, QueueResumed
from perdure_contract.facts.run import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    Evidence,
    ReportRefused,
    RetryScheduled,
    RunCancelled,
    RunCheckpointed,
    RunCompleted,
    RunDeleted,
    RunFact,
    RunFailed,
    RunHeld,
    RunItemsPlanned,
    RunItemsRecorded,
    RunItemsRetried,
    RunPartiallyCompleted,
    RunProgressed,
    RunQueued,
    RunReleased,
    RunReprioritised,
    RunRequested,
    RunRestarted,
    RunResumed,
    Silence,
)
from perdure_contract.facts.schedule import (
    ScheduleCreated,
    ScheduleDeleted,
    ScheduleFact,
    ScheduleFired,
    ScheduleMissed,
    SchedulePaused,
    ScheduleResumed,
    ScheduleRevised,
    ScheduleSkipped,
)
from perdure_contract.facts.token import TokenFact, TokenIssued, TokenRevoked
from perdure_contract.facts.values import Failure, Progress, Usage
from perdure_contract.specs import Json

__all__ = [
    "BY_TYPE",
    "FACTS",
    "MAX_EVENT_BYTES",
    "AnyFact",
    "AttemptFailed",
    "AttemptLost",
    "AttemptReleased",
    "AttemptStarted",
    "BulkFact",
    "BulkFinished",
    "BulkRequested",
    "BulkStopRequested",
    "CancelRequested",
    "Evidence",
    "ExecutorDraining",
    "ExecutorFact",
    "ExecutorJoined",
    "ExecutorLeft",
    "ExecutorLost",
    "Fact",
    "Failure",
    "FileFault",
    "HostDeleted",
    "HostFact",
    "HostSaved",
    "JobCreated",
    "JobDeleted",
    "JobFact",
    "JobRevised",
    "JobsFileFact",
    "JobsFileLoaded",
    "JobsFileRefused",
    "Json",
    "Progress",
    "QueueConfigured",
    "QueueFact",
    "QueuePaused",
    "QueueResumed",
    "ReportRefused",
    "RetryScheduled",
    "RunCancelled",
    "RunCheckpointed",
    "RunCompleted",
    "RunDeleted",
    "RunFact",
    "RunFailed",
    "RunHeld",
    "RunItemsPlanned",
    "RunItemsRecorded",
    "RunItemsRetried",
    "RunPartiallyCompleted",
    "RunProgressed",
    "RunQueued",
    "RunReleased",
    "RunReprioritised",
    "RunRequested",
    "RunRestarted",
    "RunResumed",
    "ScheduleCreated",
    "ScheduleDeleted",
    "ScheduleFact",
    "ScheduleFired",
    "ScheduleMissed",
    "SchedulePaused",
    "ScheduleResumed",
    "ScheduleRevised",
    "ScheduleSkipped",
    "Silence",
    "TokenFact",
    "TokenIssued",
    "TokenRevoked",
    "Usage",
    "encode",
    "type_name",
]

AnyFact = (
    RunFact
    | QueueFact
    | ExecutorFact
    | TokenFact
    | BulkFact
    | JobFact
    | ScheduleFact
    | JobsFileFact
    | HostFact
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
