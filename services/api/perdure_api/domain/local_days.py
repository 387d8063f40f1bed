"""A day as a time zone has it: pieces of constant offset between the jumps of its clocks.

On most days there is one piece. Where clocks are put forward a stretch of the day is missing, where
they are put back one comes twice; both show in how the pieces meet.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a day: local seconds `first` (included) to `last` (excluded) since midnight."""

    first: int
    last: int
    midnight: datetime
    """The moment, UTC, at which this piece's clock would have shown 00:00."""


@dataclass(frozen=True, slots=True)
class LocalDay:
    """The pieces of one date, in order of time."""

    pieces: tuple[Piece, ...]
    end: datetime
    """The moment at which the next date begins, UTC."""


@lru_cache(maxsize=4096)
def local_day(zone: ZoneInfo, day: date) -> LocalDay:
    """Take a date apart."""
    start = _midnight(zone, day)
    end = _midnight(zone, day + ONE_DAY) if day < date.max else start + ONE_DAY
    pieces = []
    while start < end:
        offset = _offset(zone, start)
        jump = end if _offset(zone, end - ONE_SECOND) == offset else _jump(zone, start, end)
        midnight = datetime.combine(day, time(), UTC) - offset
        pieces.append(Piece(_seconds(start - midnight), _seconds(jump - midnight), midnight))
        start = jump
    return LocalDay(tuple(pieces), end)


def local_date(zone: ZoneInfo, moment: datetime) -> date:
    """Give the date that a moment has in a zone."""
    return moment.astimezone(zone).date()


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    # Where midnight is skipped this is the moment of the jump; where it comes twice, the first.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _jump(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    """Find the first second with another offset than at `start`, by halving."""
    before = _offset(zone, start)
    low, high = 0, _seconds(end - start) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, start + middle * ONE_SECOND) == before:
            low = middle
        else:
            high = middle
    return start + high * ONE_SECOND


def _seconds(span: timedelta) -> int:
    return span.days * DAY_SECONDS + span.seconds
