"""Calls about saved jobs and their schedules."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from perdure.requests import Page, Request, get, parameters, post, put
from perdure_contract.jobs import (
    FireView,
    JobDefinition,
    JobView,
    PreviewView,
    RevisionView,
    ScheduleView,
    Value,
)
from perdure_contract.objects import RunView
from perdure_contract.triggers import Trigger


class Deleted(Struct, frozen=True, kw_only=True):
    """What was deleted."""

    deleted: str


class NewSchedule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schedule to be made. What is left out gets the server's defaults."""

    job: str
    trigger: Trigger
    timezone: str | None = None
    overlap: str | None = None
    """`skip`, `queue_one`, `allow` or `cancel_other`."""
    misfire_grace_seconds: float | None = None
    coalesce: str | None = None
    """`latest`, `earliest` or `all`."""
    catch_up_seconds: float | None = None
    max_instances: int | None = None
    params: dict[str, Value] = {}
    description: str | None = None
    enabled: bool = True


def jobs(*, limit: int | None = None, after: str | None = None) -> Request[Page[JobView]]:
    """List the saved jobs by name."""
    return get("/api/jobs", Page[JobView], limit=limit, after=after)


def get_job(name: str) -> Request[JobView]:
    """Read one job as it is now."""
    return get(f"/api/jobs/{name}", JobView)


def create_job(
    name: str, definition: JobDefinition, *, idempotency_key: str | None = None
) -> Request[JobView]:
    """Save a job under a free name."""
    body = {"name": name, **msgspec.to_builtins(definition)}
    return post("/api/jobs", JobView, body, idempotency_key=idempotency_key)


def revise_job(
    name: str,
    definition: JobDefinition,
    *,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[JobView]:
    """Give a job another definition; runs that were requested keep theirs."""
    more = {"reason": reason, "expected_version": expected_version}
    body = {**msgspec.to_builtins(definition), **more}
    return put(f"/api/jobs/{name}", JobView, body)


def delete_job(
    name: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[Deleted]:
    """Delete a job with its schedules; its runs stay."""
    asked = parameters({"reason": reason, "expected_version": expected_version})
    return Request("DELETE", f"/api/jobs/{name}", Deleted, params=asked)


def job_revisions(name: str) -> Request[Page[RevisionView]]:
    """List what a job was, the newest revision first."""
    return get(f"/api/jobs/{name}/revisions", Page[RevisionView])


def roll_back_job(name: str, revision: int, *, reason: str | None = None) -> Request[JobView]:
    """Make a job what it was in an earlier revision."""
    body = {"revision": revision, "reason": reason}
    return post(f"/api/jobs/{name}/rollback", JobView, body)


def run_job(
    name: str,
    params: Mapping[str, Value] | None = None,
    *,
    priority: int | None = None,
    run_at: str | None = None,
    unique_key: str | None = None,
    idempotency_key: str | None = None,
) -> Request[RunView]:
    """Run a job with values for its parameters."""
    body = {
        "params": dict(params or {}),
        "priority": priority,
        "run_at": run_at,
        "unique_key": unique_key,
    }
    return post(f"/api/jobs/{name}/run", RunView, body, idempotency_key=idempotency_key)


def schedules(
    *, job: str | None = None, limit: int | None = None, after: str | None = None
) -> Request[Page[ScheduleView]]:
    """List the schedules of one job, or of all."""
    return get("/api/schedules", Page[ScheduleView], job=job, limit=limit, after=after)


def get_schedule(schedule: str) -> Request[ScheduleView]:
    """Read one schedule as it is now."""
    return get(f"/api/schedules/{schedule}", ScheduleView)


def create_schedule(
    schedule: NewSchedule, *, idempotency_key: str | None = None
) -> Request[ScheduleView]:
    """Have a job run by the clock."""
    return post("/api/schedules", ScheduleView, schedule, idempotency_key=idempotency_key)


def revise_schedule(schedule: str, plan: NewSchedule) -> Request[ScheduleView]:
    """Give a schedule another plan; no time of the past is fired again."""
    return put(f"/api/schedules/{schedule}", ScheduleView, plan)


def delete_schedule(schedule: str, *, reason: str | None = None) -> Request[Deleted]:
    """Delete a schedule; its runs stay."""
    asked = parameters({"reason": reason})
    return Request("DELETE", f"/api/schedules/{schedule}", Deleted, params=asked)


def pause_schedule(schedule: str, *, reason: str | None = None) -> Request[ScheduleView]:
    """Let a schedule fire no more until it is resumed."""
    return post(f"/api/schedules/{schedule}/pause", ScheduleView, {"reason": reason})


def resume_schedule(schedule: str, *, reason: str | None = None) -> Request[ScheduleView]:
    """Let a paused schedule go on."""
    return post(f"/api/schedules/{schedule}/resume", ScheduleView, {"reason": reason})


def trigger_schedule(schedule: str, *, idempotency_key: str | None = None) -> Request[RunView]:
    """Fire a schedule now."""
    path = f"/api/schedules/{schedule}/trigger"
    return post(path, RunView, idempotency_key=idempotency_key)


def backfill_schedule(schedule: str, *, since: str, until: str) -> Request[Page[FireView]]:
    """Fire for times of the past that were not kept; answers with what became of them."""
    body = {"from": since, "until": until}
    return post(f"/api/schedules/{schedule}/backfill", Page[FireView], body)


def fires(
    schedule: str, *, limit: int | None = None, after: str | None = None
) -> Request[Page[FireView]]:
    """List what became of a schedule's fire times, the latest first."""
    return get(f"/api/schedules/{schedule}/fires", Page[FireView], limit=limit, after=after)


def preview_trigger(
    trigger: Trigger, *, timezone: str = "UTC", since: str | None = None, count: int = 10
) -> Request[PreviewView]:
    """Tell when a trigger would fire, in times and in words."""
    body = {"trigger": trigger, "timezone": timezone, "from": since, "count": count}
    return post("/api/schedules/preview", PreviewView, body)
