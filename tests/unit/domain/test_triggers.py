"""Fire times against tables: what clocks on the wall show, and what became of skipped hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from perdure_api.domain.cron_fields import BadTrigger
from perdure_api.domain.trigger_words import notes, words
from perdure_api.domain.triggers import compiled, delay, fires, settled
from perdure_contract.triggers import (
    Blackout,
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    Trigger,
)

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def cron(expression: str) -> CronTrigger:
    return CronTrigger(expression=expression)


def shown(trigger: Trigger, zone: str, after: str, count: int) -> list[str]:
    """Give fire times as the zone's clocks show them, with their offset."""
    moment = datetime.fromisoformat(after).astimezone(UTC)
    found = fires(compiled(settled(trigger, zone), zone, ANCHOR), moment, count)
    return [fire.astimezone(ZoneInfo(zone)).isoformat() for fire in found]


def fields(**given: str | int) -> CronTrigger:
    return CronTrigger(**given)  # type: ignore[arg-type]


CLOCK_CHANGES = [
    # A fixed time that is skipped fires at the gap's end, once.
    (cron("30 2 * * *"), "America/New_York", "2026-03-08T00:00-05:00",
     ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
    (cron("0,15,30 2 * * *"), "Europe/Berlin", "2027-03-28T00:00+01:00",
     ["2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"]),
    (cron("30 2,3 * * *"), "Europe/Berlin", "2027-03-28T00:00+01:00",
     ["2027-03-28T03:00:00+02:00", "2027-03-28T03:30:00+02:00"]),
    (cron("0 2,3 * * *"), "Europe/Berlin", "2027-03-28T00:00+01:00",
     ["2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"]),
    (fields(hour=2, minute=30), "Europe/Berlin", "2027-03-28T00:00+01:00",
     ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]),
    (cron("15 2 * * *"), "Australia/Lord_Howe", "2026-10-04T00:00+10:30",
     ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]),
    (cron("30 2 * * *"), "Australia/Sydney", "2026-10-04T00:00+10:00",
     ["2026-10-04T03:00:00+11:00", "2026-10-05T02:30:00+11:00"]),
    (cron("0 0 * * *"), "America/Santiago", "2026-09-05T12:00-04:00",
     ["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"]),
    # A fixed time that comes twice fires the first time only.
    (cron("30 1 * * *"), "America/New_York", "2026-11-01T00:00-04:00",
     ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
    (fields(hour="2", minute="30"), "Europe/Berlin", "2026-10-25T00:00+02:00",
     ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
    (cron("45 1 * * *"), "Australia/Lord_Howe", "2026-04-05T00:00+11:00",
     ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]),
    (cron("30 23 * * *"), "America/Santiago", "2027-04-03T12:00-03:00",
     ["2027-04-03T23:30:00-03:00", "2027-04-04T23:30:00-04:00"]),
    (cron("30 2 * * *"), "Europe/Berlin", "2026-10-25T02:10+01:00",
     ["2026-10-26T02:30:00+01:00", "2026-10-27T02:30:00+01:00"]),
    # Stars and steps follow elapsed time.
    (cron("*/30 * * * *"), "America/New_York", "2026-11-01T00:45-04:00",
     ["2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00",
      "2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00"]),
    (cron("0 * * * *"), "Europe/Berlin", "2027-03-28T00:30+01:00",
     ["2027-03-28T01:00:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T04:00:00+02:00"]),
    (cron("*/10 2 * * *"), "Europe/Berlin", "2027-03-28T00:00+01:00",
     ["2027-03-29T02:00:00+02:00", "2027-03-29T02:10:00+02:00"]),
    (fields(minute="*/20"), "Australia/Lord_Howe", "2026-04-05T01:30+11:00",
     ["2026-04-05T01:40:00+11:00", "2026-04-05T01:40:00+10:30", "2026-04-05T02:00:00+10:30"]),
    (IntervalTrigger(hours=12), "Europe/Berlin", "2027-03-27T13:00+01:00",
     ["2027-03-28T01:00:00+01:00", "2027-03-28T14:00:00+02:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "zone", "after", "expected"), CLOCK_CHANGES)
def test_clock_changes_follow_one_rule(
    trigger: Trigger, zone: str, after: str, expected: list[str]
) -> None:
    assert shown(trigger, zone, after, len(expected)) == expected


PATTERNS = [
    (cron("0 12 29 2 *"), "2027-01-01T00:00+00:00", ["2028-02-29T12:00", "2032-02-29T12:00"]),
    (cron("0 12 29 2 *"), "2097-01-01T00:00+00:00", ["2104-02-29T12:00"]),
    (cron("59 23 31 12 *"), "2026-12-31T23:58+00:00", ["2026-12-31T23:59", "2027-12-31T23:59"]),
    (cron("0 0 13 * fri"), "2026-04-03T12:00+00:00", ["2026-04-10T00:00", "2026-04-13T00:00"]),
    (cron("0 0 */10 * 1"), "2026-06-01T12:00+00:00", ["2026-08-31T00:00"]),
    (cron("0 9 * * 1-5"), "2026-04-03T12:00+00:00", ["2026-04-06T09:00", "2026-04-07T09:00"]),
    (cron("0 9 * * 0"), "2026-04-03T12:00+00:00", ["2026-04-05T09:00"]),
    (cron("0 9 * * 7"), "2026-04-03T12:00+00:00", ["2026-04-05T09:00"]),
    (cron("0 9 * * sat-sun"), "2026-04-03T12:00+00:00", ["2026-04-04T09:00", "2026-04-05T09:00"]),
    (cron("0 9 1 jan,jul *"), "2026-04-03T12:00+00:00", ["2026-07-01T09:00", "2027-01-01T09:00"]),
    (cron("10/20 9 * * *"), "2026-04-03T12:00+00:00", ["2026-04-04T09:10", "2026-04-04T09:30"]),
    (fields(day_of_week=0), "2026-04-03T12:00+00:00", ["2026-04-06T00:00"]),
    (fields(day_of_week="mon-sun", hour="2", minute="30"), "2026-04-03T12:00+00:00",
     ["2026-04-04T02:30", "2026-04-05T02:30"]),
    (fields(day="last"), "2026-04-03T12:00+00:00", ["2026-04-30T00:00", "2026-05-31T00:00"]),
    (fields(day="last", month=2), "2027-01-01T12:00+00:00", ["2027-02-28T00:00", "2028-02-29T00:00"]),
    (fields(day="2nd fri", hour=5), "2026-04-03T12:00+00:00", ["2026-04-10T05:00", "2026-05-08T05:00"]),
    (fields(day="last sun"), "2026-04-03T12:00+00:00", ["2026-04-26T00:00", "2026-05-31T00:00"]),
    (fields(day="5th fri"), "2026-04-03T12:00+00:00", ["2026-05-29T00:00", "2026-07-31T00:00"]),
    (fields(week=53, day_of_week="mon"), "2026-04-03T12:00+00:00", ["2026-12-28T00:00", "2032-12-27T00:00"]),
    (fields(year=2028), "2026-04-03T12:00+00:00", ["2028-01-01T00:00"]),
    (fields(month="jan-mar", day="1,15"), "2026-04-03T12:00+00:00", ["2027-01-01T00:00", "2027-01-15T00:00"]),
    (fields(day="13", day_of_week="fri"), "2026-04-03T12:00+00:00", ["2026-11-13T00:00"]),
    (fields(second="*/30"), "2026-04-03T12:00:10+00:00", ["2026-04-03T12:00:30", "2026-04-03T12:01"]),
    (IntervalTrigger(minutes=5, start=datetime(2026, 4, 3, 12, 2, tzinfo=UTC)),
     "2026-04-03T11:00+00:00", ["2026-04-03T12:02", "2026-04-03T12:07"]),
    (IntervalTrigger(weeks=1), "2026-01-01T00:00+00:00", ["2026-01-08T00:00"]),
    (DateTrigger(run_at=datetime.fromisoformat("2026-05-01T07:00")), "2026-04-03T12:00+00:00",
     ["2026-05-01T07:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "after", "expected"), PATTERNS)
def test_patterns_fire_when_the_table_says(
    trigger: Trigger, after: str, expected: list[str]
) -> None:
    found = shown(trigger, "UTC", after, len(expected))
    assert found == [datetime.fromisoformat(f"{time}+00:00").isoformat() for time in expected]


REFUSED = [
    ("60 * * * *", "Minute: 60 is not 0–59."),
    ("* 24 * * *", "Hour: 24 is not 0–23."),
    ("* * 0 * *", "Day of month: 0 is not 1–31."),
    ("* * * * 8", "Day of week: 8 is not 0–7."),
    ("* * * * * *", "Use 5 fields."),
    ("@reboot", "Use 5 fields."),
    ("", "Use 5 fields."),
    ("0 0 30 2 *", "Never happens."),
    ("0 0 31 4,6,9,11 *", "Never happens."),
    ("5-1 * * * *", "Minute: 5-1 runs backwards."),
    ("*/0 * * * *", "Minute: a step is 1–60."),
    ("x * * * *", "Minute: this is no minute."),
]


@pytest.mark.parametrize(("expression", "message"), REFUSED)
def test_what_is_no_expression_is_refused_in_words(expression: str, message: str) -> None:
    with pytest.raises(BadTrigger) as refused:
        compiled(cron(expression), "UTC", ANCHOR)
    assert (refused.value.code, refused.value.message) == ("bad-cron", message)


@pytest.mark.parametrize(
    ("trigger", "code"),
    [
        (IntervalTrigger(seconds=0.2), "too-often"),
        (IntervalTrigger(), "missing"),
        (fields(hour=25), "bad-cron"),
        (CronTrigger(expression="* * * * *", hour=1), "not-both"),
    ],
)
def test_what_cannot_be_a_trigger_is_refused(trigger: Trigger, code: str) -> None:
    with pytest.raises(BadTrigger) as refused:
        compiled(trigger, "UTC", ANCHOR)
    assert refused.value.code == code


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadTrigger, match="There is no such time zone") as refused:
        compiled(cron("* * * * *"), "Mars/Phobos", ANCHOR)
    assert refused.value.code == "bad-zone"


WORDS = [
    (cron("30 2 * * 1-5"), "Europe/Berlin", "Every weekday at 02:30, Europe/Berlin"),
    (cron("30 2 * * *"), "UTC", "Every day at 02:30, UTC"),
    (cron("*/5 * * * *"), "UTC", "Every 5 minutes, UTC"),
    (cron("0 * * * *"), "UTC", "Every hour, UTC"),
    (cron("0 9,17 * * mon,wed"), "UTC", "Every Monday and Wednesday at 09:00 and 17:00, UTC"),
    (cron("*/15 9-17 * * 1-5"), "UTC", "Every 15 minutes from 09:00 to 17:59, every weekday, UTC"),
    (cron("0 0 1 * *"), "UTC", "On the 1st of every month at 00:00, UTC"),
    (fields(day="last"), "UTC", "On the last day of every month at 00:00, UTC"),
    (fields(day="2nd fri", hour=5), "UTC", "On the 2nd Friday of every month at 05:00, UTC"),
    (fields(day_of_week=0, hour=3), "UTC", "Every Monday at 03:00, UTC"),
    (fields(second="*/10"), "UTC", "Every 10 seconds, UTC"),
    (IntervalTrigger(minutes=5), "UTC", "Every 5 minutes"),
    (IntervalTrigger(days=1), "UTC", "Every day"),
    (
        DateTrigger(run_at=datetime(2026, 5, 1, 7, tzinfo=UTC)),
        "UTC",
        "Once, on 1 May 2026 07:00, UTC",
    ),
]


@pytest.mark.parametrize(("trigger", "zone", "said"), WORDS)
def test_a_trigger_is_said_in_plain_words(trigger: Trigger, zone: str, said: str) -> None:
    assert words(trigger, zone) == said


def test_notes_name_the_days_on_which_clocks_change() -> None:
    said = notes(cron("30 2 * * *"), "Europe/Berlin", datetime(2026, 10, 1, tzinfo=UTC))
    assert said[0] == "25 October 2026: 02:30 comes twice, it fires the first time only."
    assert said[1] == "28 March 2027: 02:30 does not exist, it fires at 03:00."


def test_nothing_fires_within_a_blackout_nor_out_of_bounds() -> None:
    trigger = CronTrigger(
        expression="0 * * * *",
        end=datetime(2026, 4, 5, 8, tzinfo=UTC),
        blackouts=(
            Blackout(since="22:00", until="06:00"),
            Blackout(since="2026-04-04T07:00:00Z", until="2026-04-04T22:00:00Z"),
        ),
    )
    assert shown(trigger, "UTC", "2026-04-03T20:30+00:00", 99) == [
        f"2026-04-0{day}T{hour:02}:00:00+00:00"
        for day, hour in [(3, 21), (4, 6), (5, 6), (5, 7), (5, 8)]
    ]


def test_a_pattern_that_lies_wholly_in_blackouts_ends_its_search() -> None:
    trigger = CronTrigger(
        expression="30 2 * * *", blackouts=(Blackout(since="02:00", until="03:00"),)
    )
    assert shown(trigger, "UTC", "2026-04-03T20:30+00:00", 1) == []


def test_the_same_fire_time_is_always_delayed_alike() -> None:
    trigger = CronTrigger(expression="* * * * *", jitter_seconds=30)
    found = [delay(trigger, "s", ANCHOR + timedelta(minutes=n)) for n in range(200)]
    assert found == [delay(trigger, "s", ANCHOR + timedelta(minutes=n)) for n in range(200)]
    assert len(set(found)) > 100
    assert all(timedelta() <= late < timedelta(seconds=30) for late in found)


NUMBER = {"minute": 59, "hour": 23}
SOME = {
    name: st.one_of(
        st.just("*"),
        st.integers(2, 20).map(lambda n: f"*/{n}"),
        st.integers(0, top).map(str),
        st.tuples(st.integers(0, top // 2), st.integers(top // 2, top)).map(
            lambda t: f"{t[0]}-{t[1]}"
        ),
    )
    for name, top in NUMBER.items()
}


@given(
    minute=SOME["minute"],
    hour=SOME["hour"],
    day=st.sampled_from(["*", "1", "15", "*/7", "28-31"]),
    month=st.sampled_from(["*", "2", "*/3", "mar-oct"]),
    weekday=st.sampled_from(["*", "0", "1-5", "*/2", "sat"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    start=st.integers(0, 3 * 525_600),
)
def test_any_expression_fires_as_another_library_says(
    *, minute: str, hour: str, day: str, month: str, weekday: str, zone: str, start: int
) -> None:
    # Zones that change by half an hour are left to the tables: the other library fires late there.
    expression = f"{minute} {hour} {day} {month} {weekday}"
    after = ANCHOR + timedelta(minutes=start)
    other = CronSim(expression, after.astimezone(ZoneInfo(zone)))
    expected = [next(other).astimezone(UTC) for _ in range(4)]
    assert fires(compiled(cron(expression), zone, ANCHOR), after, 4) == expected
