"""Saved jobs and their schedules, as they are written, stored and shown."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from perdure_contract.identifiers import DEFAULT_QUEUE, Name
from perdure_contract.specs import Limits, Retry, Spec
from perdure_contract.triggers import Trigger

Source = Literal["ui", "api", "file"]
"""Where a job or schedule was made; those of the file are changed by the file alone."""

PARAMETER_NAME = r"^[a-z_][a-z0-9_]{0,62}$"
ParameterName = Annotated[str, Meta(pattern=PARAMETER_NAME)]
Value = str | int | float | bool
"""What a parameter is given."""
Description = Annotated[str, Meta(max_length=1000)]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that is given when a job is run; without a default it must be given."""

    type: Literal["string", "number", "choice", "boolean", "path"] = "string"
    description: Description = ""
    default: Value | None = None
    choices: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=100)] = ()
    """With `choice`: what can be chosen."""
    minimum: float | None = None
    maximum: float | None = None
    """With `number`: its bounds, both included."""
    pattern: Annotated[str, Meta(max_length=200)] | None = None
    """With `string`: a regular expression that the whole value matches."""
    max_length: Annotated[int, Meta(ge=1, le=10000)] = 1000
    """With `string` and `path`, in characters."""
    root: Annotated[str, Meta(max_length=1000)] | None = None
    """With `path`: the directory that it must lie in."""


class JobDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job runs, and how. A value that is exactly `{name}` is replaced by that parameter."""

    spec: Spec
    description: Description = ""
    params: Annotated[dict[ParameterName, Parameter], Meta(max_length=50)] = {}
    queue: Name = DEFAULT_QUEUE
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    tags: Annotated[tuple[Tag, ...], Meta(max_length=32)] = ()
    labels: Annotated[dict[str, str], Meta(max_length=32)] = {}
    retry: Retry | None = None
    limits: Limits | None = None
    enabled: bool = True
    """A job that is not enabled is not run by its schedules."""


Overlap = Literal["skip", "queue_one", "allow", "cancel_other"]
Coalesce = Literal["latest", "earliest", "all"]


class SchedulePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a job is run by the clock, and what happens to fire times that cannot be kept."""

    job: Name
    trigger: Trigger
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    overlap: Overlap = "skip"
    """What happens when it fires while `max_instances` of its runs have not ended."""
    misfire_grace_seconds: Annotated[float, Meta(ge=0, le=366 * 86400)] | None = 3600
    """A fire time that is later than this is missed; none = never."""
    coalesce: Coalesce | bool = "latest"
    """Which of several late fire times is kept; true is the latest, false all."""
    catch_up_seconds: Annotated[float, Meta(ge=0, le=31 * 86400)] = 3600
    """How far back fire times are looked for after a standstill; at most 100 are fired."""
    max_instances: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Left out: 1, and no limit where overlap is allowed."""
    params: dict[str, Value | None] = {}
    description: Description = ""

    @property
    def kept(self) -> Coalesce:
        """Which of several late fire times is kept."""
        if isinstance(self.coalesce, bool):
            return "latest" if self.coalesce else "all"
        return self.coalesce

    @property
    def limit(self) -> int | None:
        """How many runs of it may be unfinished at once."""
        return self.max_instances if self.overlap == "allow" else (self.max_instances or 1)


class JobView(Struct, frozen=True, kw_only=True):
    """A job as it is now."""

    name: str
    revision: int
    version: int
    description: str
    enabled: bool
    source: Source
    spec: Spec
    params: dict[str, Parameter]
    queue: str
    priority: int
    tags: tuple[str, ...]
    labels: dict[str, str]
    retry: Retry | None
    limits: Limits | None


class Change(Struct, frozen=True, kw_only=True):
    """One difference between two revisions; a side is null where there is nothing."""

    pointer: str
    before: msgspec.Raw
    after: msgspec.Raw


class RevisionView(Struct, frozen=True, kw_only=True):
    """One revision of a job, with what it changed."""

    revision: int
    at: str
    actor: str | None
    source: Source
    reason: str | None
    rolled_back_to: int | None
    definition: JobDefinition
    changes: tuple[Change, ...]


class ScheduleView(Struct, frozen=True, kw_only=True):
    """A schedule as it is now."""

    id: str
    job: str
    trigger: Trigger
    timezone: str
    words: str
    enabled: bool
    paused_reason: str | None
    next_fire_at: str | None
    last_fire_at: str | None
    overlap: Overlap
    misfire_grace_seconds: float | None
    coalesce: Coalesce
    catch_up_seconds: float
    max_instances: int | None
    params: dict[str, Value | None]
    description: str
    source: Source
    version: int
    created_at: str


class FireView(Struct, frozen=True, kw_only=True):
    """What became of a fire time, or of several in a row."""

    fire_at: str
    until: str | None
    count: int | None
    """None when there were too many to count."""
    outcome: Literal["fired", "waiting", "skipped", "missed"]
    why: str
    run: str | None


class PreviewView(Struct, frozen=True, kw_only=True):
    """What a trigger would do."""

    fires: tuple[str, ...]
    words: str
    notes: tuple[str, ...]
