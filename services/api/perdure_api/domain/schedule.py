"""A schedule: its plan, and whether it fires at all."""

from datetime import datetime, timedelta
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.triggers import Bounded, compiled
from perdure_contract.facts import (
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
from perdure_contract.jobs import SchedulePlan, Source

FIRES_KEPT: Final = timedelta(days=90)
"""How long what became of a fire time is listed; what it started stays."""


class Schedule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a schedule."""

    id: str
    plan: SchedulePlan
    anchor: datetime
    enabled: bool = True
    paused_reason: str | None = None
    source: Source = "api"
    deleted: bool = False

    @property
    def rule(self) -> Bounded:
        """When it fires."""
        return compiled(self.plan.trigger, self.plan.timezone, self.anchor)

    def next_fire(self, after: datetime) -> datetime | None:
        """Give the next fire time; none while it is paused and when none is left."""
        return self.rule.next(after) if self.enabled and not self.deleted else None


def evolve(schedule: Schedule | None, fact: ScheduleFact) -> Schedule:
    """Fold one fact into the state."""
    if isinstance(fact, ScheduleCreated):
        return Schedule(
            id=fact.schedule,
            plan=fact.plan,
            anchor=fact.anchor,
            enabled=fact.enabled,
            source=fact.source,
        )
    if schedule is None:
        message = "a schedule went on before it was created"
        raise ValueError(message)
    match fact:
        case ScheduleRevised():
            return replace(schedule, plan=fact.plan)
        case SchedulePaused():
            return replace(schedule, enabled=False, paused_reason=fact.reason)
        case ScheduleResumed():
            return replace(schedule, enabled=True, paused_reason=None)
        case ScheduleFired() | ScheduleMissed() | ScheduleSkipped():
            return schedule
        case ScheduleDeleted():
            return replace(schedule, deleted=True, enabled=False)
        case _:
            assert_never(fact)


def revise(schedule: Schedule, plan: SchedulePlan) -> tuple[ScheduleFact, ...]:
    """Give it another plan; the same one again changes nothing."""
    return () if schedule.plan == plan else (ScheduleRevised(schedule=schedule.id, plan=plan),)


def pause(schedule: Schedule, reason: str | None) -> tuple[ScheduleFact, ...]:
    """Let it fire no more; pausing a paused one changes nothing."""
    if not schedule.enabled:
        return ()
    return (SchedulePaused(schedule=schedule.id, reason=reason),)


def resume(schedule: Schedule, reason: str | None) -> tuple[ScheduleFact, ...]:
    """Let it fire again; resuming one that fires changes nothing."""
    if schedule.enabled:
        return ()
    return (ScheduleResumed(schedule=schedule.id, reason=reason),)


def delete(schedule: Schedule, reason: str | None) -> tuple[ScheduleFact, ...]:
    """Let it fire no more, for good."""
    return (ScheduleDeleted(schedule=schedule.id, reason=reason),)
