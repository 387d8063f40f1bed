"""Windows in which nothing fires: every day between two times of day, or once between two moments."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from perdure_api.domain.cron_fields import BadTrigger, weekdays
from perdure_contract.triggers import Blackout

ONE_DAY: Final = timedelta(days=1)
_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """One window: daily when it has times, else once."""

    opens: time | datetime
    closes: time | datetime
    days: frozenset[int]

    def end_around(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Give the end, UTC, of the window that a moment lies in; its end itself lies outside."""
        if isinstance(self.opens, datetime) and isinstance(self.closes, datetime):
            return self.closes if self.opens <= moment < self.closes else None
        assert isinstance(self.opens, time)  # noqa: S101 -- read_window makes both of one kind
        assert isinstance(self.closes, time)  # noqa: S101 -- as above
        today = moment.astimezone(zone).date()
        for day in (today - ONE_DAY, today):
            last = day + ONE_DAY if self.closes <= self.opens else day
            opens = datetime.combine(day, self.opens, zone).astimezone(UTC)
            closes = datetime.combine(last, self.closes, zone).replace(fold=1).astimezone(UTC)
            if day.weekday() in self.days and opens <= moment < closes:
                return closes
        return None


def read_window(blackout: Blackout, zone: ZoneInfo, at: str) -> Window:
    """Read a window as it is written.

    Raises:
        BadTrigger: when it is none.
    """
    opens, closes = _edge(blackout.since, zone), _edge(blackout.until, zone)
    if opens is None:
        raise BadTrigger(f"{at}/from", "bad-time", WORDS)
    if closes is None or isinstance(opens, datetime) != isinstance(closes, datetime):
        raise BadTrigger(f"{at}/until", "bad-time", WORDS)
    if isinstance(opens, datetime) and isinstance(closes, datetime) and closes <= opens:
        raise BadTrigger(f"{at}/until", "out-of-range", "It ends before it begins.")
    days = weekdays(blackout.days or "*", at=f"{at}/days")
    return Window(opens, closes, days)


WORDS: Final = "Two times of day like 22:00, or two moments like 2026-12-24T00:00:00Z."


def _edge(text: str, zone: ZoneInfo) -> time | datetime | None:
    match = _TIME.fullmatch(text.strip())
    if match is not None:
        return time(int(match[1]), int(match[2]))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
