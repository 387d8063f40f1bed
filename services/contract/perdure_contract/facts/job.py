"""What happens to a saved job."""

from typing import ClassVar

from perdure_contract.facts.fact import Fact
from perdure_contract.jobs import JobDefinition, Source


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
