"""A trigger in plain English, and what its reader should know about clock changes."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from perdure_api.domain.cron_fields import CronFields, Numbers
from perdure_api.domain.local_days import DAY_SECONDS, ONE_DAY, LocalDay, local_day
from perdure_api.domain.triggers import Cron, cron_fields, read_zone
from perdure_contract.triggers import Bounds, CronTrigger, DateTrigger, IntervalTrigger, Trigger

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
NTH: Final = {1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 5: "5th", -1: "last"}
WEEK: Final = tuple(range(7))
WORKING: Final = WEEK[:5]
MANY_TIMES: Final = 6
"""More times of a day than this are not listed."""
LOOK_AHEAD_DAYS: Final = 400
MOST_NOTES: Final = 3


def words(trigger: Trigger, timezone: str) -> str:
    """Say when a trigger fires, like "Every weekday at 02:30, Europe/Berlin"."""
    if isinstance(trigger, DateTrigger):
        return f"Once, on {_moment(trigger.run_at, timezone)}, {timezone}"
    if isinstance(trigger, IntervalTrigger):
        said = f"Every {_every(trigger)}"
        where = timezone if trigger.start or trigger.end or trigger.blackouts else ""
    else:
        said, where = _cron(cron_fields(trigger)), timezone
    return ", ".join(part for part in (said, *_bounds(trigger, timezone), where) if part)


def _bounds(trigger: Bounds, timezone: str) -> Iterator[str]:
    if trigger.start is not None:
        yield f"from {_moment(trigger.start, timezone)}"
    if trigger.end is not None:
        yield f"until {_moment(trigger.end, timezone)}"
    for blackout in trigger.blackouts:
        on = f" on {blackout.days}" if blackout.days else ""
        yield f"not between {blackout.since} and {blackout.until}{on}"
    if trigger.jitter_seconds:
        yield f"each run up to {_number(trigger.jitter_seconds)} s later"


def _every(trigger: IntervalTrigger) -> str:
    units = [("week", trigger.weeks), ("day", trigger.days), ("hour", trigger.hours),
             ("minute", trigger.minutes), ("second", trigger.seconds)]  # fmt: skip
    given = [(unit, amount) for unit, amount in units if amount]
    if len(given) == 1 and given[0][1] == 1:
        return given[0][0]
    return _listed(
        [f"{_number(amount)} {unit}{'' if amount == 1 else 's'}" for unit, amount in given]
    )


def _cron(fields: CronFields) -> str:
    days, times = _days(fields), _times(fields)
    if times.startswith("every "):
        said = times if days == "every day" else f"{times}, {days}"
    else:
        said = f"{days} {times}"
    return said[0].upper() + said[1:]


def _times(fields: CronFields) -> str:
    hour, minute, second = fields.hour, fields.minute, fields.second
    if second.values != (0,):
        return _with_seconds(hour, minute, second)
    if hour.is_any:
        return _of_every_hour(minute)
    if len(hour.values) * len(minute.values) <= MANY_TIMES and not minute.is_any:
        return "at " + _listed([f"{h:02}:{m:02}" for h in hour.values for m in minute.values])
    if hour.step and minute.values == (0,):
        return f"every {hour.step} hours"
    if hour.step and len(minute.values) == 1:
        return f"every {hour.step} hours, at minute {minute.values[0]}"
    return f"{_of_every_hour(minute)} {_within_hours(hour)}"


def _of_every_hour(minute: Numbers) -> str:
    if minute.is_any:
        return "every minute"
    if minute.step:
        return f"every {minute.step} minutes"
    if minute.values == (0,):
        return "every hour"
    return f"every hour at minute{'s' if len(minute.values) > 1 else ''} {_numbers(minute)}"


def _with_seconds(hour: Numbers, minute: Numbers, second: Numbers) -> str:
    many = len(hour.values) * len(minute.values) * len(second.values)
    if many <= MANY_TIMES:
        clock = [(h, m, s) for h in hour.values for m in minute.values for s in second.values]
        return "at " + _listed([f"{h:02}:{m:02}:{s:02}" for h, m, s in clock])
    if second.is_any:
        said = "every second"
    elif second.step:
        said = f"every {second.step} seconds"
    else:
        said = f"every minute at second{'s' if len(second.values) > 1 else ''} {_numbers(second)}"
    if not minute.is_any:
        said += f" of minute{'s' if len(minute.values) > 1 else ''} {_numbers(minute)}"
    return said if hour.is_any else f"{said} {_within_hours(hour)}"


def _within_hours(hour: Numbers) -> str:
    first, last = hour.values[0], hour.values[-1]
    if len(hour.values) == last - first + 1:
        return f"from {first:02}:00 to {last:02}:59"
    return f"of the hours {_numbers(hour)}"


def _days(fields: CronFields) -> str:
    weekdays = _weekdays(fields.day_of_week.values)
    numbers = _days_of_month(fields)
    months = (
        "" if fields.month.is_any else _listed([MONTHS[month - 1] for month in fields.month.values])
    )
    if numbers and fields.either_day:
        said = (
            f"on the {numbers}{f' of {months}' if months else ' of the month'}, and also {weekdays}"
        )
        said += f" of {months}" if months else ""
    elif numbers:
        said = f"on the {numbers} of {months or 'every month'}"
        said += "" if weekdays == "every day" else f" when it is {weekdays.removeprefix('every ')}"
    else:
        said = weekdays + (f" in {months}" if months else "")
    if not fields.week.is_any:
        said += f" of week{'s' if len(fields.week.values) > 1 else ''} {_numbers(fields.week)}"
    if not fields.year.is_any:
        said += f" of {_numbers(fields.year)}"
    return said


def _weekdays(values: Sequence[int]) -> str:
    if tuple(values) == WEEK:
        return "every day"
    if tuple(values) == WORKING:
        return "every weekday"
    return "every " + _listed([DAYS[day] for day in values])


def _days_of_month(fields: CronFields) -> str:
    if fields.any_date:
        return ""
    named = [f"{NTH[which]} {DAYS[day]}" for which, day in fields.nth_days]
    last = ["last day"] if fields.last_day else []
    if len(fields.day.values) > MANY_TIMES:
        return _listed([*([f"days {_numbers(fields.day)}"]), *named, *last])
    return _listed([*map(_ordinal, fields.day.values), *named, *last])


def _ordinal(number: int) -> str:
    teens = (11, 12, 13)
    ending = "th" if number in teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _numbers(numbers: Numbers) -> str:
    """Write numbers with runs drawn together: 1–5, 7 and 9."""
    runs: list[list[int]] = []
    for value in numbers.values:
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return _listed([f"{a}" if a == b else f"{a}–{b}" for a, b in runs])


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(amount: float) -> str:
    return f"{amount:g}"


def _moment(moment: datetime, timezone: str) -> str:
    local = moment.astimezone(read_zone(timezone))
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{local.day} {MONTHS[local.month - 1]} {local.year} {clock}"


def notes(trigger: Trigger, timezone: str, after: datetime) -> list[str]:
    """Tell what happens on the next days on which the clocks change and this trigger is concerned."""
    if not isinstance(trigger, CronTrigger):
        return []
    fields, zone = cron_fields(trigger), read_zone(timezone)
    said: list[str] = []
    if fields.either_day:
        said.append("Day of month and day of week are both given: it fires when either matches.")
    first = after.astimezone(zone).date()
    for day in fields.dates(first):
        if day - first > timedelta(days=LOOK_AHEAD_DAYS) or len(said) >= MOST_NOTES:
            break
        said.extend(_changes(Cron(fields, zone), day, local_day(zone, day)))
    return said[:MOST_NOTES]


def _changes(cron: Cron, day: date, whole: LocalDay) -> Iterator[str]:
    shown = 0
    for piece in (*whole.pieces, None):
        first = DAY_SECONDS if piece is None else piece.first
        on = f"{day.day} {MONTHS[day.month - 1]} {day.year}"
        if first > shown and (times := cron.clock_times(shown, first)):
            then = _clock(first) if piece is not None else f"midnight of {day + ONE_DAY}"
            if cron.fields.follows_elapsed_time:
                yield f"{on}: the clocks go from {_clock(shown)} to {then}; what is between is left out."
            else:
                yield f"{on}: {_clock(times[0])} does not exist, it fires at {then}."
        if piece is not None and first < shown and (times := cron.clock_times(first, shown)):
            if cron.fields.follows_elapsed_time:
                yield f"{on}: {_clock(first)} to {_clock(shown)} comes twice, and it fires in both."
            else:
                yield f"{on}: {_clock(times[0])} comes twice, it fires the first time only."
        shown = max(shown, DAY_SECONDS if piece is None else piece.last)


def _clock(second: int) -> str:
    text = f"{second // 3600:02}:{second // 60 % 60:02}"
    return text if not second % 60 else f"{text}:{second % 60:02}"
