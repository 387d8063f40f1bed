"""What becomes of fire times that have come: kept, missed or skipped."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure_api.domain.misfire import MOST_AT_ONCE, admit, due
from perdure_api.domain.triggers import compiled
from perdure_contract.jobs import SchedulePlan
from perdure_contract.triggers import CronTrigger, IntervalTrigger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAN = SchedulePlan(job="one", trigger=CronTrigger(minute="*"))
RULE = compiled(PLAN.trigger, "UTC", NOON)


def minutes(*numbers: int) -> tuple[datetime, ...]:
    return tuple(NOON + number * MINUTE for number in numbers)


@pytest.mark.parametrize(
    ("coalesce", "kept"),
    [
        ("latest", (3,)),
        ("earliest", (1,)),
        ("all", (1, 2, 3)),
        (True, (3,)),
        (False, (1, 2, 3)),
    ],
)
def test_of_several_late_fire_times_coalesce_keeps_which_it_says(
    *, coalesce: str | bool, kept: tuple[int, ...]
) -> None:
    plan = replace(PLAN, coalesce=coalesce)
    found = due(RULE, plan, NOON + MINUTE, NOON + 3.5 * MINUTE)
    assert found.kept == minutes(*kept)
    assert found.next == NOON + 4 * MINUTE
    assert sum(gone.count or 0 for gone in found.gone) == 3 - len(kept)
    assert {gone.why for gone in found.gone} <= {"coalesced"}


def test_a_fire_time_beyond_the_grace_is_missed_with_its_reason() -> None:
    plan = replace(PLAN, misfire_grace_seconds=60, coalesce="all")
    found = due(RULE, plan, NOON + MINUTE, NOON + 3.5 * MINUTE)
    assert found.kept == minutes(3)
    assert [(gone.why, gone.first, gone.last, gone.count) for gone in found.gone] == [
        ("misfire-grace", *minutes(1, 2), 2)
    ]


def test_what_lies_before_the_catch_up_window_is_missed() -> None:
    found = due(RULE, replace(PLAN, misfire_grace_seconds=None), NOON, NOON + 90 * MINUTE)
    assert found.kept == minutes(90)
    assert [(gone.why, gone.first, gone.last, gone.count) for gone in found.gone] == [
        ("catch-up-window", *minutes(0, 29), 30),
        ("coalesced", *minutes(30, 89), 60),
    ]


def test_at_most_a_hundred_are_caught_up() -> None:
    plan = replace(PLAN, trigger=IntervalTrigger(seconds=1), coalesce="all")
    rule = compiled(plan.trigger, "UTC", NOON)
    found = due(rule, plan, NOON, NOON + 40 * MINUTE)
    assert len(found.kept) == MOST_AT_ONCE
    assert found.kept[-1] == NOON + 40 * MINUTE
    assert {gone.why for gone in found.gone} == {"too-many"}


def test_years_of_standstill_cost_no_more_than_an_hour() -> None:
    plan = replace(PLAN, trigger=IntervalTrigger(seconds=1))
    rule = compiled(plan.trigger, "UTC", NOON)
    found = due(rule, plan, NOON, NOON + timedelta(days=4000))
    assert found.kept == (NOON + timedelta(days=4000),)
    assert found.gone[0].count is None


@given(
    late=st.floats(0, 5000),
    grace=st.none() | st.floats(0, 4000),
    window=st.floats(0, 4000),
    coalesce=st.sampled_from(["latest", "earliest", "all"]),
)
def test_every_fire_time_is_accounted_for_once(
    late: float, grace: float | None, window: float, coalesce: str
) -> None:
    plan = replace(PLAN, misfire_grace_seconds=grace, catch_up_seconds=window, coalesce=coalesce)
    now = NOON + timedelta(seconds=late)
    found = due(RULE, plan, NOON, now)
    times = set(minutes(*range(int(late // 60) + 1)))
    told = [*found.kept]
    for gone in found.gone:
        covered = [moment for moment in times if gone.first <= moment <= gone.last]
        assert len(covered) == gone.count
        told.extend(covered)
    assert sorted(told) == sorted(times)
    assert found.next is not None
    assert found.next > now


OVERLAPS = [
    # overlap, limit, waiting, kept, active → start, wait, skipped, cancelled
    ("skip", None, (), (1,), 0, (1,), (), (), 0),
    ("skip", None, (), (1,), 1, (), (), (1,), 0),
    ("skip", 2, (), (1,), 1, (1,), (), (), 0),
    ("skip", None, (), (1, 2, 3), 0, (1,), (2, 3), (), 0),
    ("skip", None, (1, 2), (), 0, (1,), (2,), (), 0),
    ("skip", None, (1, 2), (3,), 1, (), (1, 2), (3,), 0),
    ("queue_one", None, (), (1,), 1, (), (1,), (), 0),
    ("queue_one", None, (1,), (2,), 1, (), (1,), (2,), 0),
    ("queue_one", None, (1,), (2,), 0, (1,), (2,), (), 0),
    ("allow", None, (), (1, 2, 3), 9, (1, 2, 3), (), (), 0),
    ("allow", 4, (), (1, 2, 3), 3, (1,), (), (2, 3), 0),
    ("cancel_other", None, (), (1,), 1, (1,), (), (), 1),
    ("cancel_other", None, (), (1, 2), 0, (2,), (), (1,), 0),
    ("cancel_other", 2, (), (1,), 1, (1,), (), (), 0),
]


@pytest.mark.parametrize(
    ("overlap", "limit", "waiting", "kept", "active", "start", "wait", "skipped", "cancel"),
    OVERLAPS,
    ids=[f"{row[0]}-{index}" for index, row in enumerate(OVERLAPS)],
)
def test_the_overlap_policy_does_what_it_says(
    *,
    overlap: str,
    limit: int | None,
    waiting: tuple[int, ...],
    kept: tuple[int, ...],
    active: int,
    start: tuple[int, ...],
    wait: tuple[int, ...],
    skipped: tuple[int, ...],
    cancel: int,
) -> None:
    plan = replace(PLAN, overlap=overlap, max_instances=limit)
    found = admit(plan, minutes(*waiting), minutes(*kept), active)
    assert found.start == minutes(*start)
    assert found.wait == minutes(*wait)
    assert found.cancel == cancel
    assert sum(gone.count or 0 for gone in found.gone) == len(skipped)
    if skipped:
        assert (found.gone[0].first, found.gone[0].last) == minutes(skipped[0], skipped[-1])
