"""What becomes of fire times that have come: kept, missed or skipped, each with its reason.

Late ones first: those from before the catch-up window are missed, then those beyond the grace, then
several are drawn together. What is left meets the runs that have not ended: see `admit`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from msgspec import Struct

from perdure_api.domain.triggers import Rule, fires
from perdure_contract.jobs import SchedulePlan

MOST_AT_ONCE: Final = 100
"""Fire times that are kept after one standstill."""
MOST_COUNTED: Final = 400
JUST_BEFORE: Final = timedelta(microseconds=1)

Missed = Literal["misfire-grace", "catch-up-window", "too-many"]
Skipped = Literal["coalesced", "overlap", "max-instances"]


class Gone(Struct, frozen=True):
    """Fire times in a row that are not kept."""

    why: Missed | Skipped
    first: datetime
    last: datetime
    count: int | None
    """None when there were too many to count."""

    @property
    def is_missed(self) -> bool:
        """Whether nobody could keep them, as against left out on purpose."""
        return self.why in {"misfire-grace", "catch-up-window", "too-many"}


class Due(Struct, frozen=True):
    """Fire times that have come, what is gone of them, and when the next one comes."""

    kept: tuple[datetime, ...]
    gone: tuple[Gone, ...]
    next: datetime | None


def due(rule: Rule, plan: SchedulePlan, first: datetime, now: datetime) -> Due:
    """Judge every fire time from `first`, the one waited for, to `now`.

    The cost is bounded however long the standstill was: what is too far back is not counted.
    """
    gone: list[Gone] = []
    begin = max(first, now - timedelta(seconds=plan.catch_up_seconds))
    if first < begin:
        gone.append(_before(rule, first, begin, "catch-up-window"))
    times, earlier = _lately(rule, begin, now)
    if earlier is not None:
        gone.append(earlier)
    if plan.misfire_grace_seconds is not None:
        grace = timedelta(seconds=plan.misfire_grace_seconds)
        late = [moment for moment in times if now - moment > grace]
        gone.extend(_gone("misfire-grace", late))
        times = times[len(late) :]
    kept, others = _coalesced(plan, times)
    gone.extend(others)
    return Due(tuple(kept), tuple(gone), rule.next(now))


def _before(rule: Rule, first: datetime, begin: datetime, why: Missed) -> Gone:
    times = _until(rule, first, begin - JUST_BEFORE)
    if len(times) <= MOST_COUNTED:
        return Gone(why, first, times[-1] if times else first, max(len(times), 1))
    return Gone(why, first, begin - JUST_BEFORE, None)


def _lately(rule: Rule, begin: datetime, now: datetime) -> tuple[list[datetime], Gone | None]:
    """Give the last fire times until now; when there are very many, those before in one."""
    first = begin
    times = _until(rule, begin, now)
    while len(times) > MOST_COUNTED:
        begin = now - (now - begin) / 4
        times = _until(rule, begin, now)
    if begin == first:
        return times, None
    return times, _before(rule, first, begin, "too-many")


def _until(rule: Rule, first: datetime, last: datetime) -> list[datetime]:
    found = fires(rule, first - JUST_BEFORE, 1)
    while found and len(found) <= MOST_COUNTED:
        moment = rule.next(found[-1])
        if moment is None or moment > last:
            break
        found.append(moment)
    return [moment for moment in found if moment <= last]


def _coalesced(
    plan: SchedulePlan, times: Sequence[datetime]
) -> tuple[Sequence[datetime], list[Gone]]:
    match plan.kept:
        case "latest":
            return times[-1:], _gone("coalesced", times[:-1])
        case "earliest":
            return times[:1], _gone("coalesced", times[1:])
        case "all":
            return times[-MOST_AT_ONCE:], _gone("too-many", times[:-MOST_AT_ONCE])
        case _:
            assert_never(plan.kept)


def _gone(why: Missed | Skipped, times: Sequence[datetime]) -> list[Gone]:
    return [Gone(why, times[0], times[-1], len(times))] if times else []


class Admitted(Struct, frozen=True):
    """Which fire times start a run now, wait for one to end, or are skipped; and how many must go."""

    start: tuple[datetime, ...]
    wait: tuple[datetime, ...]
    gone: tuple[Gone, ...]
    cancel: int = 0
    """How many of the oldest unfinished runs are cancelled for those that start."""


def admit(
    plan: SchedulePlan, waiting: Sequence[datetime], kept: Sequence[datetime], active: int
) -> Admitted:
    """Settle what happens while earlier runs of the schedule have not ended.

    Several fire times that were caught up wait for each other under `skip` and `queue_one`; a single
    one meets the policy.
    """
    times = [*waiting, *kept]
    limit = plan.limit
    if limit is None or not times:
        return Admitted(tuple(times), (), ())
    if plan.overlap == "cancel_other":
        start, others = times[-limit:], times[:-limit]
        cancel = max(0, active + len(start) - limit)
        return Admitted(tuple(start), (), tuple(_gone("overlap", others)), cancel)
    room = max(0, limit - active)
    start, rest = times[:room], times[room:]
    if plan.overlap == "allow":
        return Admitted(tuple(start), (), tuple(_gone("max-instances", rest)))
    patient = max(0, len(waiting) - len(start))
    if len(kept) > 1:
        patient = MOST_AT_ONCE
    elif plan.overlap == "queue_one":
        patient = max(1, patient)
    return Admitted(tuple(start), tuple(rest[:patient]), tuple(_gone("overlap", rest[patient:])))
