"""What can be done to a run. Each gives the run after it; what is not legal raises `Conflict`.

`reason` stands in the run's events; with `expected_version` the call is refused when the run has
changed since.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from perdure.new_run import NewRun
from perdure.requests import Request, parameters, post
from perdure_contract.objects import RunView


class Deleted(Struct, frozen=True, kw_only=True):
    """What of a run was removed, and what stays."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


def cancel(
    run: str,
    *,
    force: bool = False,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """End a run: TERM, grace, KILL; with `force` KILL at once, and fenced if nobody answers."""
    body = {"force": force or None, "reason": reason, "expected_version": expected_version}
    return post(f"/api/runs/{run}/cancel", RunView, body)


def retry_now(
    run: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[RunView]:
    """Wait no longer for the next attempt, or for the time a run was scheduled at."""
    return _act(run, "retry-now", reason, expected_version)


def hold(
    run: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[RunView]:
    """Set a run aside that has not started, or waits for its next attempt."""
    return _act(run, "hold", reason, expected_version)


def release(
    run: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[RunView]:
    """Let a held run go on."""
    return _act(run, "release", reason, expected_version)


def fail(
    run: str,
    message: str,
    *,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """End a run by hand as failed; an open attempt is fenced."""
    body = {"message": message, "reason": reason, "expected_version": expected_version}
    return post(f"/api/runs/{run}/fail", RunView, body)


def set_priority(
    run: str,
    priority: int,
    *,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """Move a run before or behind others of its queue (-100 to 100, higher first)."""
    body = {"priority": priority, "reason": reason, "expected_version": expected_version}
    return post(f"/api/runs/{run}/priority", RunView, body)


def resume(
    run: str,
    *,
    checkpoint: int | None = None,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """Go on from a checkpoint (default: the last) of a run that is over."""
    body = {"checkpoint": checkpoint, "reason": reason, "expected_version": expected_version}
    return post(f"/api/runs/{run}/resume", RunView, body)


def restart(
    run: str,
    *,
    origin: Literal["beginning", "checkpoint"] | None = None,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """Start a run again; the attempt of one that is running is fenced and ended first."""
    body = {"from": origin, "reason": reason, "expected_version": expected_version}
    return post(f"/api/runs/{run}/restart", RunView, body)


def rerun(
    run: str,
    changes: NewRun | None = None,
    *,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Request[RunView]:
    """Request the same again as a new run; what `changes` names is otherwise."""
    body = {} if changes is None else msgspec.to_builtins(changes)
    whole = {**body, "reason": reason}
    return post(f"/api/runs/{run}/rerun", RunView, whole, idempotency_key=idempotency_key)


def delete(
    run: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[Deleted]:
    """Remove input, output and result of a run that is over; its events stay."""
    params = parameters({"reason": reason, "expected_version": expected_version})
    return Request("DELETE", f"/api/runs/{run}", Deleted, params=params)


def _act(run: str, action: str, reason: str | None, version: int | None) -> Request[RunView]:
    body = {"reason": reason, "expected_version": version}
    return post(f"/api/runs/{run}/{action}", RunView, body)
