"""What happens to a schedule, with every fire time it kept, missed or skipped."""

from datetime import datetime
from typing import ClassVar, Literal

from perdure_contract.facts.fact import Fact
from perdure_contract.jobs import SchedulePlan, Source


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
