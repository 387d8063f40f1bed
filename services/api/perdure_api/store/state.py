"""The inline rows: folded states as the writer loads and stores them."""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from perdure_api.domain import bulk, executor, host, job, jobs_file, queue, run, schedule, token
from perdure_api.domain.bulk import Bulk
from perdure_api.domain.executor import Executor
from perdure_api.domain.host import Host
from perdure_api.domain.job import Job
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.domain.lanes import lane_of
from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.domain.token import Token
from perdure_api.kinds import kind
from perdure_contract.facts import (
    AnyFact,
    BulkFinished,
    BulkRequested,
    BulkStopRequested,
    ExecutorDraining,
    ExecutorJoined,
    ExecutorLeft,
    ExecutorLost,
    HostDeleted,
    HostSaved,
    JobCreated,
    JobDeleted,
    JobRevised,
    JobsFileLoaded,
    JobsFileRefused,
    QueueConfigured,
    QueuePaused,
    QueueResumed,
    ScheduleCreated,
    ScheduleDeleted,
    ScheduleFired,
    ScheduleMissed,
    SchedulePaused,
    ScheduleResumed,
    ScheduleRevised,
    ScheduleSkipped,
    TokenIssued,
    TokenRevoked,
)
from perdure_contract.identifiers import stream_kind

StreamState = Queue | Executor | Token | Bulk | Job | Schedule | JobsFile | Host

FORCE_ANSWER_SECONDS = 5
"""How long a forced cancel waits for the executor before the run is closed without it."""

MOST_RECENT = 1000
_recent: dict[bytes, Run] = {}
"""Runs by their bytes, oldest first: most are read once more soon after they were written."""
_run_decoder = msgspec.json.Decoder(Run)
_encoder = msgspec.json.Encoder()
_state_types: dict[str, type[StreamState]] = {
    "queue": Queue,
    "executor": Executor,
    "token": Token,
    "bulk": Bulk,
    "job": Job,
    "schedule": Schedule,
    "jobsfile": JobsFile,
    "host": Host,
}


class StreamRow(Struct, frozen=True, kw_only=True):
    """A stream that is not a run's."""

    stream: str
    tenant: str
    version: int
    first_position: int
    last_position: int
    state: StreamState


def decode_run(data: bytes) -> Run:
    """Read a run's inline state."""
    return _recent.get(data) or _run_decoder.decode(data)


def encode_run(run: Run) -> bytes:
    """Give the bytes of a run's inline state; for a while, to read them again costs nothing."""
    data = _encoder.encode(run)
    _recent[data] = run
    if len(_recent) > MOST_RECENT:
        del _recent[next(iter(_recent))]
    return data


def encode_state(state: StreamState) -> bytes:
    """Give the bytes of the inline state of a stream that is not a run's."""
    return _encoder.encode(state)


def decode_stream_state(stream: str, data: bytes) -> StreamState:
    """Read the inline state of a stream that is not a run's."""
    return msgspec.json.decode(data, type=_state_types[stream_kind(stream)])


def evolve_stream(state: StreamState | None, fact: AnyFact) -> StreamState:
    """Fold a fact into the state of a stream that is not a run's."""
    match fact:
        case QueueConfigured() | QueuePaused() | QueueResumed():
            return queue.evolve(state if isinstance(state, Queue) else None, fact)
        case ExecutorJoined() | ExecutorLost() | ExecutorDraining() | ExecutorLeft():
            return executor.evolve(state if isinstance(state, Executor) else None, fact)
        case TokenIssued() | TokenRevoked():
            return token.evolve(state if isinstance(state, Token) else None, fact)
        case BulkRequested() | BulkStopRequested() | BulkFinished():
            return bulk.evolve(state if isinstance(state, Bulk) else None, fact)
        case JobCreated() | JobRevised() | JobDeleted():
            return job.evolve(state if isinstance(state, Job) else None, fact)
        case (
            ScheduleCreated()
            | ScheduleRevised()
            | SchedulePaused()
            | ScheduleResumed()
            | ScheduleFired()
            | ScheduleMissed()
            | ScheduleSkipped()
            | ScheduleDeleted()
        ):
            return schedule.evolve(state if isinstance(state, Schedule) else None, fact)
        case HostSaved() | HostDeleted():
            return host.evolve(state if isinstance(state, Host) else None, fact)
        case JobsFileLoaded() | JobsFileRefused():
            return jobs_file.evolve(state if isinstance(state, JobsFile) else None, fact)
        case _:
            message = f"{type(fact).__name__} belongs to a run"
            raise TypeError(message)


class RunColumns(Struct, frozen=True):
    """What dispatch and recovery look for in `perdure.runs`, taken from the state."""

    phase: str
    queue: str
    lane: str
    priority: int
    ready_at: datetime | None
    executor: str | None
    act_at: datetime | None
    unique_key: str | None


def run_columns(state: Run, now: datetime) -> RunColumns:
    """Give the columns of a run's row."""
    timed = state.phase == "pending" and state.available_at is not None and state.available_at > now
    acts = (
        state.phase == "cancelling" and state.cancel_forced and state.cancelling_since is not None
    )
    return RunColumns(
        phase="final" if state.phase in run.FINAL_PHASES else state.phase,
        queue=state.request.queue,
        lane=lane_of(state.request.labels, kind.programs_of(state.request.spec)),
        priority=state.priority,
        ready_at=state.available_at if timed else None,
        executor=state.attempt.executor if state.is_open and state.attempt is not None else None,
        act_at=state.cancelling_since + timedelta(seconds=FORCE_ANSWER_SECONDS)
        if acts and state.cancelling_since is not None
        else None,
        unique_key=None if state.is_final else state.request.unique_key,
    )
