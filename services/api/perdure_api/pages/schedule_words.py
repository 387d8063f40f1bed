"""Schedules in words: what their rules do, and what became of each fire time and why."""

from typing import Final

from perdure_api.pages.schedule_contexts import FireRow
from perdure_api.pages.words import counted, duration
from perdure_contract.jobs import FireView, ScheduleView
from perdure_contract.objects import RunView

OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "fired": ("completed", "Fired"),
    "waiting": ("waiting", "Waits"),
    "skipped": ("skipped", "Skipped"),
    "missed": ("missed", "Missed"),
}
"""Each outcome: the state whose shape and colour it has, and its word."""

WHYS: Final[dict[str, str]] = {
    "due": "On time.",
    "caught-up": "Late: nobody looked when it was due. It was caught up.",
    "waited": "It had waited for an earlier run to end.",
    "triggered": "By hand.",
    "backfilled": "By a backfill.",
    "overlap": "An earlier run had not ended.",
    "max-instances": "As many of its runs as are allowed had not ended.",
    "coalesced": "Several fire times were late; another one was kept for them all.",
    "misfire-grace": "It was later than its grace allows when it could have started.",
    "catch-up-window": "It lies further back than is caught up.",
    "too-many": "More fire times were late than are caught up at once.",
    "job-missing": "Its job was not there.",
    "job-disabled": "Its job was not enabled.",
    "bad-params": "Its values do not fit the parameters of the job.",
}
WAITING: Final = {
    "overlap": "It waits for an earlier run to end.",
    "backfilled": "Backfilled; it waits for its turn.",
}
OVERLAP: Final = {
    "skip": "is skipped",
    "queue_one": "waits, one at a time",
    "allow": "starts beside it",
    "cancel_other": "cancels it and starts",
}
COALESCED: Final = {
    "latest": "the latest is kept",
    "earliest": "the earliest is kept",
    "all": "all are kept",
}


def fire_row(fire: FireView, run: RunView | None) -> FireRow:
    """Say what became of a fire time; what it started is shown as it stands now."""
    state, label = OUTCOMES[fire.outcome]
    whys = WAITING if fire.outcome == "waiting" else WHYS
    several = "" if fire.count == 1 else "more than 400"
    if fire.count is not None and fire.count > 1:
        several = counted(fire.count, "time")
    return FireRow(
        at=fire.fire_at,
        until=fire.until,
        count_words=several,
        state=state if run is None else run.state,
        label=label if run is None else run.state.capitalize(),
        why=whys.get(fire.why, fire.why),
        run=run,
    )


def state_of(schedule: ScheduleView) -> tuple[str, str]:
    """Give the state whose shape a schedule has, and its word."""
    if not schedule.enabled:
        return "paused", "Paused"
    return ("live", "Active") if schedule.next_fire_at is not None else ("left", "Over")


def rules_of(schedule: ScheduleView) -> tuple[str, ...]:
    """Say in two short lines what happens to fire times that cannot be kept as they are."""
    grace = schedule.misfire_grace_seconds
    late = "However late" if grace is None else f"Up to {duration(grace)} late"
    limit = schedule.max_instances
    many = f", {limit} at once" if limit is not None and limit > 1 else ""
    return (
        f"Overlap: {OVERLAP[schedule.overlap].removeprefix('is ')}{many}",
        f"{late}; of several, {COALESCED[schedule.coalesce]}",
    )


def facts_of(schedule: ScheduleView) -> tuple[tuple[str, str], ...]:
    """Say every rule of a schedule."""
    grace, limit = schedule.misfire_grace_seconds, schedule.max_instances
    facts = [
        ("While one runs", f"A fire time {OVERLAP[schedule.overlap]}."),
        (
            "At once",
            counted(limit or 1, "run") if limit or schedule.overlap != "allow" else "No limit.",
        ),
        (
            "When late",
            "It starts however late it is."
            if grace is None
            else f"It starts up to {duration(grace)} late; after that it is missed.",
        ),
        ("Several late", f"Of several that are late, {COALESCED[schedule.coalesce]}."),
        ("After a stop", f"Looks back {duration(schedule.catch_up_seconds)}, 100 times at most."),
    ]
    if schedule.params:
        values = ", ".join(f"{name} = {value}" for name, value in schedule.params.items())
        facts.append(("Values", values))
    made = {"file": "In the jobs file", "ui": "Here", "api": "By a program"}[schedule.source]
    facts.append(("Made", made))
    return tuple(facts)


def looked_words(seconds: float | None) -> str:
    """Say when the schedules were last looked at."""
    if seconds is None:
        return "Scheduler has not looked yet"
    return f"Scheduler last looked {int(seconds)} s ago"
