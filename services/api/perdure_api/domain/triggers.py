"""When a schedule fires next: pure arithmetic over a trigger, a time zone and a moment.

Clock changes follow one rule in every form. A fixed time that is skipped fires once, at the moment
the clocks jump to; one that comes twice fires the first time only. Where hour or minute are written
with `*` or a step, the pattern follows elapsed time: skipped hours are skipped, hours that come
twice count twice.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from perdure_api.domain.blackouts import Window, read_window
from perdure_api.domain.cron_fields import (
    LIMITS,
    BadTrigger,
    CronFields,
    read_expression,
    read_fields,
)
from perdure_api.domain.local_days import DAY_SECONDS, Piece, local_date, local_day
from perdure_contract.triggers import Bounds, CronTrigger, DateTrigger, IntervalTrigger, Trigger

SHORTEST: Final = timedelta(seconds=1)
MAX_LEAPS: Final = 2000
"""Fire times within blackouts that are passed over before a search ends."""
LAST: Final = datetime(9990, 1, 1, tzinfo=UTC)


class Rule(Protocol):
    """Something that gives its fire times one after another."""

    def next(self, after: datetime) -> datetime | None:
        """Give the first fire time behind a moment; none when there is no other."""
        ...


@dataclass(frozen=True, slots=True)
class Cron:
    """Fire times by the face of a clock."""

    fields: CronFields
    zone: ZoneInfo

    def next(self, after: datetime) -> datetime | None:
        """Give the first matching moment behind `after`."""
        if after >= LAST:
            return None
        for day in self.fields.dates(local_date(self.zone, after)):
            for moment in self._moments(day, after):
                return moment
        return None

    def _moments(self, day: date, after: datetime) -> Iterator[datetime]:
        whole = local_day(self.zone, day)
        if whole.end < after:
            return
        shown = 0
        for piece in whole.pieces:
            first = piece.first if self.fields.follows_elapsed_time else max(piece.first, shown)
            if piece.first > shown and self._is_hit_in_gap(shown, piece.first):
                jump = _at(piece, piece.first)
                if jump > after:
                    yield jump
            # One second behind `after`, on this piece's clock.
            ahead = max(first, (after - piece.midnight) // SHORTEST + 1)
            yield from (_at(piece, second) for second in self._seconds(ahead, piece.last))
            shown = max(shown, piece.last)
        if shown < DAY_SECONDS and self._is_hit_in_gap(shown, DAY_SECONDS) and whole.end > after:
            yield whole.end

    def clock_times(self, first: int, last: int) -> list[int]:
        """Give the first few matching seconds of a day from `first` to before `last`."""
        return list(islice(self._seconds(first, last), 5))

    def _is_hit_in_gap(self, first: int, last: int) -> bool:
        """Tell whether a fixed time falls into what is skipped."""
        if self.fields.follows_elapsed_time:
            return False
        return next(self._seconds(first, last), None) is not None

    def _seconds(self, first: int, last: int) -> Iterator[int]:
        """Give the matching seconds of a day from `first` to before `last`."""
        fields = self.fields
        for hour in fields.hour.values:
            if (hour + 1) * 3600 <= first:
                continue
            if hour * 3600 >= last:
                return
            for minute in fields.minute.values:
                start = hour * 3600 + minute * 60
                if start + 60 <= first:
                    continue
                for second in fields.second.values:
                    if start + second >= last:
                        return
                    if start + second >= first:
                        yield start + second


@dataclass(frozen=True, slots=True)
class Interval:
    """Fire times by elapsed time."""

    anchor: datetime
    every: timedelta

    def next(self, after: datetime) -> datetime | None:
        """Give the anchor, or the first whole number of intervals behind it that is after `after`."""
        times = 0 if after < self.anchor else (after - self.anchor) // self.every + 1
        moment = self.anchor + times * self.every if after < LAST else LAST
        return moment if moment < LAST else None


@dataclass(frozen=True, slots=True)
class Once:
    """One fire time."""

    moment: datetime

    def next(self, after: datetime) -> datetime | None:
        """Give the moment while it is ahead."""
        return self.moment if self.moment > after else None


@dataclass(frozen=True, slots=True)
class Bounded:
    """A rule between its start and its end, outside of its blackouts."""

    rule: Rule
    start: datetime | None
    end: datetime | None
    windows: tuple[Window, ...]
    zone: ZoneInfo

    def next(self, after: datetime) -> datetime | None:
        """Give the next fire time that is in bounds."""
        if self.start is not None and after < self.start:
            after = self.start - timedelta(microseconds=1)
        for _ in range(MAX_LEAPS):
            moment = self.rule.next(after)
            if moment is None or (self.end is not None and moment > self.end):
                return None
            ends = [w.end_around(moment, self.zone) for w in self.windows]
            hidden = [end for end in ends if end is not None]
            if not hidden:
                return moment
            after = max(moment, max(hidden) - timedelta(microseconds=1))
        return None


@lru_cache(maxsize=4096)
def compiled(trigger: Trigger, timezone: str, anchor: datetime) -> Bounded:
    """Make a rule of a trigger that was `settled`.

    Args:
        trigger: with aware times only.
        timezone: name of an IANA zone.
        anchor: what an interval without a start counts from.

    Raises:
        BadTrigger: when it cannot be, or can never fire.
    """
    zone = read_zone(timezone)
    if isinstance(trigger, DateTrigger):
        return Bounded(Once(trigger.run_at), None, None, (), zone)
    rule: Rule
    if isinstance(trigger, IntervalTrigger):
        rule = Interval(trigger.start or anchor, _every(trigger))
    else:
        rule = Cron(cron_fields(trigger), zone)
    if trigger.start is not None and trigger.end is not None and trigger.end < trigger.start:
        raise BadTrigger("end", "out-of-range", "The end is before the start.")
    windows = tuple(
        read_window(blackout, zone, f"blackouts/{index}")
        for index, blackout in enumerate(trigger.blackouts)
    )
    return Bounded(rule, trigger.start, trigger.end, windows, zone)


@lru_cache(maxsize=4096)
def cron_fields(trigger: CronTrigger) -> CronFields:
    """Read the pattern of a cron trigger.

    Raises:
        BadTrigger: when it cannot be.
    """
    given = {name: getattr(trigger, name) for name in LIMITS}
    fields = {name: value for name, value in given.items() if value is not None}
    if trigger.expression is None:
        return read_fields(fields)
    if fields:
        raise BadTrigger("expression", "not-both", "Give an expression or single fields, not both.")
    return read_expression(trigger.expression)


def settled(trigger: Trigger, timezone: str) -> Trigger:
    """Give the trigger with every time in UTC; those without an offset are the zone's.

    Raises:
        BadTrigger: when the zone is none.
    """
    zone = read_zone(timezone)

    def fixed(moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

    if isinstance(trigger, DateTrigger):
        return replace(trigger, run_at=fixed(trigger.run_at))
    return replace(trigger, start=fixed(trigger.start), end=fixed(trigger.end))


@lru_cache(maxsize=1024)
def read_zone(name: str) -> ZoneInfo:
    """Find a time zone.

    Raises:
        BadTrigger: when there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        words = "There is no such time zone. Names are like Europe/Berlin or UTC."
        raise BadTrigger("timezone", "bad-zone", words) from None


def fires(rule: Rule, after: datetime, count: int) -> list[datetime]:
    """Give the next fire times, at most `count`."""
    found: list[datetime] = []
    while len(found) < count and (moment := rule.next(found[-1] if found else after)) is not None:
        found.append(moment)
    return found


def delay(trigger: Trigger, key: str, fire_at: datetime) -> timedelta:
    """Give how much later than its fire time a run starts: the same for the same key and time."""
    if not isinstance(trigger, Bounds) or not trigger.jitter_seconds:
        return timedelta()
    digest = hashlib.sha256(f"{key} {fire_at.isoformat()}".encode()).digest()
    part = int.from_bytes(digest[:6], "big") / (1 << 48)
    return timedelta(milliseconds=int(trigger.jitter_seconds * 1000 * part))


def _every(trigger: IntervalTrigger) -> timedelta:
    every = timedelta(
        weeks=trigger.weeks,
        days=trigger.days,
        hours=trigger.hours,
        minutes=trigger.minutes,
        seconds=trigger.seconds,
    )
    if not every:
        raise BadTrigger("", "missing", "Say how often: weeks, days, hours, minutes or seconds.")
    if every < SHORTEST:
        raise BadTrigger("", "too-often", "At least 1 s.")
    return every


def _at(piece: Piece, second: int) -> datetime:
    return piece.midnight + timedelta(seconds=second)
