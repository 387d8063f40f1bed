"""Cron patterns read into sets of numbers: the five-field expression and the form of single fields.

The two differ in how they are written, not in what comes out. In an expression Sunday is 0 or 7, and
a day of month and a day of week that are both restricted mean either. In single fields Monday is 0,
every field must match, and days may be `last`, `2nd fri` or `last sun`.
"""

import calendar
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ORDINALS: Final = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": -1}

LIMITS: Final = {
    "year": (1970, 9999), "month": (1, 12), "day": (1, 31), "week": (1, 53), "day_of_week": (0, 6),
    "hour": (0, 23), "minute": (0, 59), "second": (0, 59),
}  # fmt: skip
LEAST: Final = {"month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}
"""What a field is when it is left out behind the last one given; any other is `*`."""
EXPRESSION: Final = ("minute", "hour", "day", "month", "day_of_week")

MANY_YEARS: Final = 100
"""A date that does not come within so many years never comes: leap days are at most 8 years apart,
and a leap day on a given day of the week at most 40."""


class BadTrigger(ValueError):
    """A trigger that cannot be: the field, the fault's code, and words."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one field."""

    values: tuple[int, ...]
    is_any: bool
    """Everything that the field can be."""
    is_open: bool
    """Written with `*` or a step: it follows elapsed time, not the face of the clock."""
    step: int | None = None
    """Of a field that is nothing but `*/step`."""


NONE_OF_THEM: Final = Numbers((), is_any=False, is_open=False)


@dataclass(frozen=True, slots=True)
class CronFields:
    """A cron pattern. Days of the week count from Monday = 0."""

    year: Numbers
    month: Numbers
    week: Numbers
    day: Numbers
    day_of_week: Numbers
    hour: Numbers
    minute: Numbers
    second: Numbers
    nth_days: tuple[tuple[int, int], ...] = ()
    """(which, day of week): `2nd fri` is (2, 4), `last sun` is (-1, 6)."""
    last_day: bool = False
    either_day: bool = False
    """Whether a day matches by its number or by its day of the week, not by both."""

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether hours that are skipped are skipped, and hours that come twice count twice."""
        return self.hour.is_open or self.minute.is_open

    @property
    def any_date(self) -> bool:
        """Whether every day of the month can match."""
        return self.day.is_any and not self.nth_days and not self.last_day

    def dates(self, first: date) -> Iterator[date]:
        """Give the matching dates from `first` on, for at most a hundred years."""
        years = self.year.values
        for year in range(first.year, min(first.year + MANY_YEARS, years[-1]) + 1):
            if year not in years:
                continue
            for month in self.month.values:
                if (year, month) >= (first.year, first.month):
                    days = (date(year, month, day) for day in self._days(year, month))
                    yield from (day for day in days if day >= first)

    def _days(self, year: int, month: int) -> Iterator[int]:
        first_weekday, length = calendar.monthrange(year, month)
        by_number = self._by_number(first_weekday, length)
        for day in range(1, length + 1):
            weekday = (first_weekday + day - 1) % 7
            named, on_weekday = day in by_number, weekday in self.day_of_week.values
            fits = (named or on_weekday) if self.either_day else (named and on_weekday)
            if fits and (self.week.is_any or _iso_week(year, month, day) in self.week.values):
                yield day

    def _by_number(self, first_weekday: int, length: int) -> set[int]:
        days = set(self.day.values)
        if self.last_day:
            days.add(length)
        for which, weekday in self.nth_days:
            all_of_them = range((weekday - first_weekday) % 7 + 1, length + 1, 7)
            if which < 0:
                days.add(all_of_them[-1])
            elif which <= len(all_of_them):
                days.add(all_of_them[which - 1])
        return days


def read_expression(text: str) -> CronFields:
    """Read an expression of five fields.

    Raises:
        BadTrigger: when it is none, or can never happen.
    """
    parts = text.split()
    if len(parts) != len(EXPRESSION):
        raise BadTrigger("expression", "bad-cron", "Use 5 fields.")
    given = dict(zip(EXPRESSION, parts, strict=True))
    numbers = {
        name: _numbers(name, part, at="expression", sunday_first=True)
        for name, part in given.items()
    }
    # As in Vixie's cron: a field that begins with a star, steps included, restricts nothing alone.
    both = not given["day"].startswith("*") and not given["day_of_week"].startswith("*")
    fields = CronFields(
        year=_everything("year"),
        month=numbers["month"],
        week=_everything("week"),
        day=numbers["day"],
        day_of_week=numbers["day_of_week"],
        hour=numbers["hour"],
        minute=numbers["minute"],
        second=_just(0),
        either_day=both,
    )
    return _checked(fields, "expression")


def read_fields(given: Mapping[str, str | int]) -> CronFields:
    """Read single fields; those left out are `*` before the last given one and least behind it.

    Raises:
        BadTrigger: when one cannot be, or together they can never happen.
    """
    if not given:
        raise BadTrigger("", "bad-cron", "Give an expression, or at least one field like hour.")
    last = max(list(LIMITS).index(name) for name in given)
    numbers: dict[str, Numbers] = {}
    nth_days: tuple[tuple[int, int], ...] = ()
    last_day = False
    for index, name in enumerate(LIMITS):
        text = str(given.get(name, "*" if index < last else LEAST.get(name, "*"))).strip().lower()
        if name == "day":
            text, nth_days, last_day = _named_days(text)
        numbers[name] = _numbers(name, text, at=name) if text else NONE_OF_THEM
    fields = CronFields(
        year=numbers["year"],
        month=numbers["month"],
        week=numbers["week"],
        day=numbers["day"],
        day_of_week=numbers["day_of_week"],
        hour=numbers["hour"],
        minute=numbers["minute"],
        second=numbers["second"],
        nth_days=nth_days,
        last_day=last_day,
    )
    return _checked(fields, "")


def weekdays(text: str, *, at: str) -> frozenset[int]:
    """Read days of the week as a single field writes them; Monday is 0."""
    return frozenset(_numbers("day_of_week", text.strip().lower(), at=at).values)


def _iso_week(year: int, month: int, day: int) -> int:
    return date(year, month, day).isocalendar().week


def _checked(fields: CronFields, at: str) -> CronFields:
    # Any Gregorian century will do: 2000 to 2100 holds every kind of year, 1970 on every given one.
    first = date(max(2000, min(9900, fields.year.values[0])), 1, 1)
    if fields.year.values[-1] < first.year:
        first = date(fields.year.values[0], 1, 1)
    if next(fields.dates(first), None) is None:
        raise BadTrigger(at, "bad-cron", "Never happens.")
    return fields


def _everything(name: str) -> Numbers:
    low, high = LIMITS[name]
    return Numbers(tuple(range(low, high + 1)), is_any=True, is_open=True)


def _just(value: int) -> Numbers:
    return Numbers((value,), is_any=False, is_open=False)


def _named_days(text: str) -> tuple[str, tuple[tuple[int, int], ...], bool]:
    """Take `last`, `2nd fri` and the like out of a list of days."""
    plain, nth_days, last_day = [], [], False
    for part in (part.strip() for part in text.split(",")):
        words = part.split()
        if part == "last":
            last_day = True
        elif len(words) == 2 and words[0] in ORDINALS and words[1] in WEEKDAYS:  # noqa: PLR2004
            nth_days.append((ORDINALS[words[0]], WEEKDAYS.index(words[1])))
        elif len(words) > 1:
            raise BadTrigger("day", "bad-cron", "Day: write it like `2nd fri` or `last sun`.")
        else:
            plain.append(part)
    return ",".join(plain), tuple(nth_days), last_day


_PART: Final = re.compile(r"(?:(\*)|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?")


def _numbers(name: str, text: str, *, at: str, sunday_first: bool = False) -> Numbers:
    low, high = LIMITS[name]
    found: set[int] = set()
    is_open = False
    step = None
    for part in text.lower().split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise BadTrigger(at, "bad-cron", f"{_title(name)}: this is no {_title(name).lower()}.")
        star, first, last, every = match.groups()
        is_open = is_open or star is not None or every is not None
        size = 1 if every is None else int(every)
        if not 1 <= size <= high - low + 1:
            words = f"{_title(name)}: a step is 1–{high - low + 1}."
            raise BadTrigger(at, "bad-cron", words)
        if star:
            # Steps begin at Sunday where Sunday is 0.
            shift = -1 if sunday_first and name == "day_of_week" else 0
            found.update(
                (value + shift) % 7 if shift else value for value in range(low, high + 1, size)
            )
            step = size
        else:
            found.update(_range(name, first, last, every, at=at, sunday_first=sunday_first))
    values = tuple(sorted(found))
    is_any = len(values) == high - low + 1
    return Numbers(values, is_any, is_open, step if "," not in text else None)


def _range(
    name: str, first: str, last: str | None, every: str | None, *, at: str, sunday_first: bool
) -> Iterable[int]:
    high = LIMITS[name][1]
    if name == "day_of_week" and sunday_first:
        high = 7
    begin = _number(name, first, high, at=at, sunday_first=sunday_first)
    if last is not None:
        end = _number(name, last, high, at=at, sunday_first=sunday_first)
    else:
        end = begin if every is None else high
    if name == "day_of_week" and sunday_first and end == 0 < begin:
        end = 7
    if end < begin:
        raise BadTrigger(at, "bad-cron", f"{_title(name)}: {first}-{last} runs backwards.")
    run = range(begin, end + 1, 1 if every is None else int(every))
    if name == "day_of_week" and sunday_first:
        return [(day - 1) % 7 for day in run]
    return run


def _number(name: str, text: str, high: int, *, at: str, sunday_first: bool) -> int:
    low = LIMITS[name][0]
    if text.isdecimal():
        value = int(text[:6])
        if not low <= value <= high:
            raise BadTrigger(at, "bad-cron", f"{_title(name)}: {text[:6]} is not {low}–{high}.")
        return value
    if name == "month" and text in MONTHS:
        return MONTHS.index(text) + 1
    if name == "day_of_week" and text in WEEKDAYS:
        day = WEEKDAYS.index(text)
        return (day + 1) % 7 if sunday_first else day
    raise BadTrigger(at, "bad-cron", f"{_title(name)}: this is no {_title(name).lower()}.")


def _title(name: str) -> str:
    return {"day": "Day of month"}.get(name, name.replace("_", " ").capitalize())
