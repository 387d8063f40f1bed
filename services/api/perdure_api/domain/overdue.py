"""When a backup that is run by the clock has been missing for too long. Pure."""

from datetime import datetime, timedelta

from perdure_api.domain.triggers import compiled, fires
from perdure_contract.triggers import Trigger


def overdue_since(
    trigger: Trigger, timezone: str, *, anchor: datetime, last_good: datetime | None
) -> datetime | None:
    """Tell from when on a backup is overdue: one interval and a half behind the last good one.

    The interval is that between the first two fire times behind the last good backup, so that one of
    every weekday is not overdue on a Sunday.

    Args:
        trigger: When it is run.
        timezone: Where its hours are those of the clock.
        anchor: When its schedule was made: nothing was expected before.
        last_good: When the last good backup began; none when there never was one.

    Returns:
        The moment; none when nothing more was expected, or only once.
    """
    since = anchor if last_good is None else max(anchor, last_good)
    expected = fires(compiled(trigger, timezone, anchor), since, 2)
    if not expected:
        return None
    if len(expected) == 1:
        return expected[0] + ONCE
    return expected[0] + (expected[1] - expected[0]) / 2


ONCE = timedelta(hours=1)
"""How late a backup that is planned once may be."""
