"""What the pages about jobs and schedules are shown."""

from dataclasses import dataclass

from perdure_api.domain.jobs_file import JobsFile
from perdure_contract.jobs import (
    FireView,
    JobView,
    Parameter,
    PreviewView,
    RevisionView,
    ScheduleView,
)
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the list."""

    job: JobView
    """The job."""
    schedules: tuple[ScheduleView, ...]
    """When it is run."""
    next_fire_at: str | None
    """The soonest fire time of them."""
    recent: tuple[RunView, ...]
    """Its last runs, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """The list of jobs."""

    rows: tuple[JobRow, ...]
    """The jobs by name."""
    file: JobsFile | None
    """What became of the jobs file; none when there never was one."""
    looked_seconds: float | None
    """How long ago schedules were last looked at here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInput:
    """One parameter in the form that runs a job."""

    name: str
    """Its name."""
    parameter: Parameter
    """Its type and bounds."""
    value: str
    """What stands in the field."""
    problem: str
    """What is wrong with it; empty when nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCard:
    """A schedule on a page."""

    schedule: ScheduleView
    """The schedule."""
    fires: tuple[FireView, ...]
    """What became of its last fire times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanForm:
    """The form for another schedule, with its preview."""

    expression: str
    """The cron expression that was typed."""
    timezone: str
    """The time zone that was typed."""
    preview: PreviewView | None
    """What it would do; none while nothing was typed, or it cannot be."""
    problem: str
    """Why it cannot be; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One job."""

    job: JobView
    """The job."""
    inputs: tuple[ParameterInput, ...]
    """Its form."""
    problem: str
    """Why it could not be run; empty when nothing went wrong."""
    cards: tuple[ScheduleCard, ...]
    """Its schedules."""
    plan: PlanForm
    """The form for another schedule."""
    recent: tuple[RunView, ...]
    """Its last runs, the newest first."""
    revisions: tuple[RevisionView, ...]
    """What it was, the newest first."""
