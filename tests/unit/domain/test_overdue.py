"""A backup is overdue an interval and a half behind the last good one, and never for nothing."""

from datetime import UTC, datetime, timedelta

from perdure_api.domain.overdue import overdue_since
from perdure_contract.triggers import CronTrigger, DateTrigger, IntervalTrigger

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NIGHTLY = CronTrigger(expression="30 2 * * *")


def test_a_nightly_backup_is_overdue_half_a_day_behind_the_night_that_brought_none() -> None:
    good = MONDAY.replace(hour=2, minute=30, second=4)
    assert overdue_since(NIGHTLY, "UTC", anchor=MONDAY, last_good=good) == datetime(
        2026, 3, 3, 14, 30, tzinfo=UTC
    )


def test_a_backup_of_every_weekday_is_not_overdue_on_a_sunday() -> None:
    weekdays = CronTrigger(expression="0 20 * * 1-5")
    friday = datetime(2026, 3, 6, 20, 0, 1, tzinfo=UTC)
    since = overdue_since(weekdays, "UTC", anchor=MONDAY, last_good=friday)
    assert since == datetime(2026, 3, 10, 8, 0, tzinfo=UTC)


def test_one_that_was_never_good_is_counted_from_when_it_was_planned() -> None:
    hourly = IntervalTrigger(hours=1)
    since = overdue_since(hourly, "UTC", anchor=MONDAY, last_good=None)
    assert since == MONDAY + timedelta(minutes=90)


def test_a_backup_from_before_the_plan_does_not_make_it_overdue() -> None:
    long_ago = MONDAY - timedelta(days=400)
    since = overdue_since(NIGHTLY, "UTC", anchor=MONDAY, last_good=long_ago)
    assert since == MONDAY.replace(hour=14, minute=30)


def test_one_that_is_planned_once_is_overdue_an_hour_behind_it_and_never_when_it_was_good() -> None:
    once = DateTrigger(run_at=MONDAY + timedelta(hours=5))
    assert overdue_since(once, "UTC", anchor=MONDAY, last_good=None) == MONDAY.replace(hour=6)
    assert overdue_since(once, "UTC", anchor=MONDAY, last_good=MONDAY.replace(hour=5)) is None
