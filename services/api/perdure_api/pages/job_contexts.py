"""What the pages about jobs and schedules are shown."""

from dataclasses import dataclass

from perdure_api.domain.jobs_file import JobsFile
from perdure_api.pages.form_contexts import FormSecrets
from perdure_api.pages.schedule_contexts import ScheduleRow
from perdure_contract.jobs import JobView, Parameter, PreviewView, RevisionView, ScheduleView
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
    looked_words: str
    """When the schedules were last looked at."""


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
class DurationBar:
    """How long one run took, in a chart of 600 × 100."""

    x: float
    """Left edge."""
    height: float
    """Height."""
    run: RunView
    """The run."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long the last runs took."""

    p50: float
    """Half of them took no longer, in seconds."""
    p95: float
    """Of twenty, nineteen took no longer."""
    count: int
    """How many were counted."""
    bars: tuple[DurationBar, ...]
    """The last of them, the oldest first."""
    p50_y: float
    """Height of the line at the half."""
    p95_y: float
    """Height of the line at nineteen of twenty."""
    width: float
    """Width of a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One difference between two revisions."""

    place: str
    """What it is about."""
    before: str
    """What it was."""
    after: str
    """What it became."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """One revision of a job."""

    revision: RevisionView
    """The revision."""
    by: str
    """Who made it."""
    changes: tuple[ChangeRow, ...]
    """What it changed."""
    is_current: bool
    """Whether the job is so now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage(FormSecrets):
    """One job."""

    job: JobView
    """The job."""
    argv: tuple[str, ...]
    """What it executes, one element a line; empty for a script."""
    script: str
    """The script that it is, or its beginning when it is very long; empty for everything else."""
    shell: str
    """What runs the script."""
    items: str
    """What it does that for, in words; empty where it does it once."""
    from_file: bool
    """Whether the jobs file alone may change it."""
    inputs: tuple[ParameterInput, ...]
    """Its form."""
    problem: str
    """Why it could not be run; empty when nothing went wrong."""
    schedules: tuple[ScheduleRow, ...]
    """When it is run."""
    next_fire_at: str | None
    """The soonest fire time."""
    recent: tuple[RunView, ...]
    """Its last runs, the newest first."""
    durations: Durations | None
    """How long they took; none while none has ended."""
    revisions: tuple[RevisionRow, ...]
    """What it was, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedJobPage:
    """A job that was deleted: what is left of it."""

    name: str
    """Its name."""
    at: str
    """When it was deleted."""
    by: str
    """Who did it."""
    reason: str
    """Why, in a person's words; empty when nothing was said."""
    recent: tuple[RunView, ...]
    """Its last runs, the newest first."""
    revisions: tuple[RevisionRow, ...]
    """What it was, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """What a filled form of a job or schedule would do."""

    argv: tuple[str, ...]
    """What would be executed."""
    lines: tuple[str, ...]
    """In words."""
    found: PreviewView | None
    """When it would fire; none where it is run by hand, or cannot be."""
    local: tuple[str, ...]
    """Its fire times by the clocks of its time zone."""
    warnings: tuple[str, ...]
    """What stands in the way."""
