"""A saved job: its revisions, its parameters, and how they make a run's request."""

from typing import assert_never

from msgspec import UNSET, Struct
from msgspec.structs import replace

from perdure_api.domain.parameters import bound
from perdure_api.domain.rejections import Rejection
from perdure_contract.facts import JobCreated, JobDeleted, JobFact, JobRevised
from perdure_contract.jobs import JobDefinition, Source, Value
from perdure_contract.retries import retry_of
from perdure_contract.specs import BatchSpec, Limits, PythonSpec, RunRequest, Spec


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a job."""

    name: str
    revision: int
    """Counted over the whole life of the name, deleted jobs included."""
    definition: JobDefinition
    source: Source = "api"
    deleted: bool = False


def evolve(job: Job | None, fact: JobFact) -> Job:
    """Fold one fact into the state."""
    match fact:
        case JobCreated() | JobRevised():
            return Job(
                name=fact.job,
                revision=fact.revision,
                definition=fact.definition,
                source=fact.source,
            )
        case JobDeleted():
            if job is None:
                message = "a job was deleted before it was created"
                raise ValueError(message)
            return replace(job, deleted=True)
        case _:
            assert_never(fact)


def create(
    job: Job | None, name: str, definition: JobDefinition, source: Source
) -> tuple[JobFact, ...] | Rejection:
    """Save a job under a name that is free."""
    if job is not None and not job.deleted:
        return Rejection(code="already-exists", message="There is a job of this name already.")
    revision = 1 if job is None else job.revision + 1
    return (JobCreated(job=name, revision=revision, definition=definition, source=source),)


def revise(
    job: Job,
    definition: JobDefinition,
    source: Source,
    *,
    rolled_back_to: int | None = None,
    reason: str | None = None,
) -> tuple[JobFact, ...]:
    """Give a job another definition; the same one again changes nothing."""
    if (job.definition, job.source) == (definition, source) and rolled_back_to is None:
        return ()
    fact = JobRevised(
        job=job.name,
        revision=job.revision + 1,
        definition=definition,
        source=source,
        rolled_back_to=rolled_back_to,
        reason=reason,
    )
    return (fact,)


def delete(job: Job, reason: str | None) -> tuple[JobFact, ...]:
    """Let a job be run no more."""
    return (JobDeleted(job=job.name, reason=reason),)


def request_of(job: Job, values: dict[str, Value]) -> RunRequest:
    """Make the request of one run from values that `parameters.checked` gave."""
    made = job.definition
    return RunRequest(
        name=job.name,
        spec=bound(made.spec, values),
        job=job.name,
        job_revision=job.revision,
        trusted_func=True if job.source == "file" and _calls_function(made.spec) else UNSET,
        params=dict(values),
        queue=made.queue,
        priority=made.priority,
        tags=made.tags,
        labels=made.labels,
        retry=retry_of(made.spec, made.retry),
        limits=made.limits or Limits(),
    )


def _calls_function(spec: Spec) -> bool:
    return isinstance(spec.each if isinstance(spec, BatchSpec) else spec, PythonSpec)
