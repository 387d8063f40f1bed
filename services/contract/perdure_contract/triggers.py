"""When a schedule fires: the trigger of each kind as it is written, stored and shown."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

FieldText = Annotated[str, Meta(max_length=200)] | Annotated[int, Meta(ge=0, le=9999)]
"""One field of a cron trigger, like `2`, `mon-fri`, `*/15` or `last sun`."""
Amount = Annotated[float, Meta(ge=0, le=366 * 86400)]


class Blackout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A window in which nothing fires: every day between two times of day, or once between two moments.

    Both are read in the schedule's time zone. A daily window may pass midnight; `days` says on which
    days of the week it begins.
    """

    since: Annotated[str, Meta(max_length=40)] = msgspec.field(name="from")
    until: Annotated[str, Meta(max_length=40)]
    days: Annotated[str, Meta(max_length=100)] | None = None


class Bounds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every repeating trigger may have beside its rule.

    A time without an offset is one of the schedule's time zone.
    """

    start: datetime | None = None
    """Nothing fires before."""
    end: datetime | None = None
    """Nothing fires after."""
    jitter_seconds: Annotated[float, Meta(ge=0, le=86400)] = 0
    """Each run starts up to so much later; the same fire time always by the same delay."""
    blackouts: Annotated[tuple[Blackout, ...], Meta(max_length=20)] = ()


class CronTrigger(Bounds, frozen=True, kw_only=True, tag_field="type", tag="cron"):
    """A pattern of wall-clock times: an expression of five fields, or single fields."""

    expression: Annotated[str, Meta(max_length=500)] | None = None
    """Minute, hour, day of month, month, day of week; Sunday is 0 or 7 here."""
    year: FieldText | None = None
    month: FieldText | None = None
    day: FieldText | None = None
    week: FieldText | None = None
    """ISO week of the year."""
    day_of_week: FieldText | None = None
    """Monday is 0 here."""
    hour: FieldText | None = None
    minute: FieldText | None = None
    second: FieldText | None = None


class IntervalTrigger(Bounds, frozen=True, kw_only=True, tag_field="type", tag="interval"):
    """Every so often in elapsed time, counted from `start`, else from the schedule's creation."""

    weeks: Amount = 0
    days: Amount = 0
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0


class DateTrigger(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    tag="date",
):
    """Once."""

    run_at: datetime


Trigger = CronTrigger | IntervalTrigger | DateTrigger
