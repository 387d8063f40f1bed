"""The part about when a job is run: the trigger, and what happens to times that cannot be kept."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from perdure_api.domain.triggers import read_zone
from perdure_api.pages.forms.parameters import shown
from perdure_api.pages.forms.reader import Reader
from perdure_api.pages.quantities import write_seconds
from perdure_contract.jobs import ScheduleView
from perdure_contract.triggers import Bounds, CronTrigger, DateTrigger, IntervalTrigger, Trigger

CRON_FIELDS: Final = {
    "minute": "Minute", "hour": "Hour", "day": "Day of month", "month": "Month",
    "day_of_week": "Day of week", "second": "Second", "week": "Week", "year": "Year",
}  # fmt: skip
LABELS: Final = {
    "when": "When it is run",
    "expression": "Cron expression",
    **{f"cron_{name}": label for name, label in CRON_FIELDS.items()},
    "every": "Every",
    "unit": "Unit",
    "once_at": "Once, at",
    "timezone": "Time zone",
    "start": "Not before",
    "end": "Not after",
    "jitter_seconds": "Spread over",
    "blackouts": "Never between",
    "overlap": "While one runs",
    "max_instances": "At once, at most",
    "misfire": "Late by at most",
    "coalesce": "Of several late ones",
    "catch_up": "Looks back",
    "when_for": "What it is for",
}
DEFAULTS: Final = {
    **dict.fromkeys(LABELS, ""),
    "unit": "minutes",
    "timezone": "UTC",
    "overlap": "skip",
    "misfire": "1 h",
    "coalesce": "latest",
    "catch_up": "1 h",
}
EMPTIED: Final = ("misfire",)
"""Fields that mean something of their own when they are empty."""
WHENS: Final = (
    ("", "By hand only"),
    ("cron", "Cron expression"),
    ("fields", "Cron fields"),
    ("interval", "Every so often"),
    ("date", "Once"),
)
UNITS: Final = ("seconds", "minutes", "hours", "days", "weeks")
OVERLAPS: Final = (
    ("skip", "Skip the fire time"),
    ("queue_one", "Let one wait"),
    ("allow", "Start beside it"),
    ("cancel_other", "Cancel the running one"),
)
COALESCES: Final = (
    ("latest", "Keep the latest"),
    ("earliest", "Keep the earliest"),
    ("all", "Keep them all"),
)
RARE: Final = frozenset(
    {"start", "end", "jitter_seconds", "blackouts", "max_instances", "misfire", "coalesce"}
    | {"catch_up", "when_for"}
)
"""Fields behind the fold."""
POINTERS: Final = (
    ("/trigger/expression", "expression"),
    *((f"/trigger/{name}", f"cron_{name}") for name in CRON_FIELDS),
    *((f"/trigger/{unit}", "every") for unit in UNITS),
    ("/trigger/run_at", "once_at"),
    ("/trigger/start", "start"),
    ("/trigger/end", "end"),
    ("/trigger/jitter_seconds", "jitter_seconds"),
    ("/trigger/blackouts", "blackouts"),
    ("/timezone", "timezone"),
    ("/overlap", "overlap"),
    ("/max_instances", "max_instances"),
    ("/misfire_grace_seconds", "misfire"),
    ("/coalesce", "coalesce"),
    ("/catch_up_seconds", "catch_up"),
    ("/description", "when_for"),
)
MAIN: Final = {
    "cron": "expression",
    "fields": "cron_minute",
    "interval": "every",
    "date": "once_at",
}
"""The field that faults of the whole trigger belong to."""
_BLACKOUT: Final = re.compile(r"(\S.*?)\s+(?:to|until)\s+(\S+)(?:\s+on\s+(.+))?")


def body_of(reader: Reader) -> dict[str, object]:
    """Turn what was typed into the plan that a program would send, without its job."""
    body: dict[str, object] = {
        "trigger": _trigger(reader),
        "timezone": reader.given("timezone"),
        "overlap": reader.given("overlap"),
        "misfire_grace_seconds": reader.seconds("misfire") if reader.text("misfire") else None,
        "coalesce": reader.given("coalesce"),
        "catch_up_seconds": reader.seconds("catch_up"),
        "description": reader.text("when_for").strip(),
    }
    if reader.given("max_instances"):
        body["max_instances"] = reader.whole("max_instances")
    return body


def _trigger(reader: Reader) -> dict[str, object]:
    when = reader.text("when")
    if when == "date":
        return {"type": "date", "run_at": _moment(reader, "once_at")}
    bounds: dict[str, object] = {n: _moment(reader, n) for n in ("start", "end") if reader.given(n)}
    if reader.given("jitter_seconds"):
        bounds["jitter_seconds"] = reader.seconds("jitter_seconds")
    if windows := _blackouts(reader):
        bounds["blackouts"] = windows
    if when == "interval":
        unit = reader.given("unit")
        amount = {unit if unit in UNITS else "minutes": reader.decimal("every")}
        return {"type": "interval", **amount, **bounds}
    if when == "fields":
        given = {name: reader.given(f"cron_{name}") for name in CRON_FIELDS}
        return {"type": "cron", **{n: text for n, text in given.items() if text}, **bounds}
    return {"type": "cron", "expression": reader.given("expression"), **bounds}


def _moment(reader: Reader, name: str) -> str:
    text = reader.given(name)
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        reader.wrong(name, "Write a time like 2026-03-29 02:30.")
        return "2000-01-01T00:00:00"


def _blackouts(reader: Reader) -> list[dict[str, str]]:
    windows = []
    for number, line in enumerate(reader.lines("blackouts"), 1):
        if not line.strip():
            continue
        found = _BLACKOUT.fullmatch(line.strip())
        if found is None:
            words = f"Line {number}: write 22:00 to 05:00, or 22:00 to 05:00 on sat,sun."
            reader.wrong("blackouts", words)
            break
        window = {"from": found[1], "until": found[2]}
        windows.append(window | ({"days": found[3].replace(" ", "")} if found[3] else {}))
    return windows


def values_of(schedule: ScheduleView) -> dict[str, str]:
    """Fill the fields with a schedule."""
    grace = schedule.misfire_grace_seconds
    return {
        **DEFAULTS,
        **_trigger_values(schedule.trigger, schedule.timezone),
        "timezone": schedule.timezone,
        "overlap": schedule.overlap,
        "max_instances": shown(schedule.max_instances),
        "misfire": "" if grace is None else write_seconds(grace),
        "coalesce": schedule.coalesce,
        "catch_up": write_seconds(schedule.catch_up_seconds),
        "when_for": schedule.description,
    }


def _trigger_values(trigger: Trigger, timezone: str) -> dict[str, str]:
    if isinstance(trigger, DateTrigger):
        return {"when": "date", "once_at": _local(trigger.run_at, timezone)}
    values = _bound_values(trigger, timezone)
    if isinstance(trigger, IntervalTrigger):
        return {"when": "interval", **_interval_values(trigger), **values}
    assert isinstance(trigger, CronTrigger)  # noqa: S101 -- there are three kinds
    if trigger.expression is not None:
        return {"when": "cron", "expression": trigger.expression, **values}
    given = {f"cron_{n}": getattr(trigger, n) for n in CRON_FIELDS}
    fields = {name: str(value) for name, value in given.items() if value is not None}
    return {"when": "fields", **fields, **values}


def _interval_values(trigger: IntervalTrigger) -> dict[str, str]:
    given = {unit: getattr(trigger, unit) for unit in UNITS if getattr(trigger, unit)}
    if len(given) == 1:
        ((unit, amount),) = given.items()
        return {"every": f"{amount:g}", "unit": unit}
    sizes = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 7 * 86400}
    seconds = sum(amount * sizes[unit] for unit, amount in given.items())
    return {"every": f"{seconds:.15g}", "unit": "seconds"}


def _bound_values(trigger: Bounds, timezone: str) -> Mapping[str, str]:
    lines = [
        f"{b.since} to {b.until}{f' on {b.days}' if b.days else ''}" for b in trigger.blackouts
    ]
    return {
        "start": "" if trigger.start is None else _local(trigger.start, timezone),
        "end": "" if trigger.end is None else _local(trigger.end, timezone),
        "jitter_seconds": write_seconds(trigger.jitter_seconds) if trigger.jitter_seconds else "",
        "blackouts": "\n".join(lines),
    }


def _local(moment: datetime, timezone: str) -> str:
    return moment.astimezone(read_zone(timezone)).strftime("%Y-%m-%dT%H:%M:%S")
