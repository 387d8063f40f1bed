"""Calls about runs."""

import time
from collections.abc import Iterable

from perdure.errors import WaitedTooLong
from perdure.new_run import NewRun, Requested
from perdure.requests import Page, Pause, Request, Steps, get, post
from perdure_contract.objects import (
    FINAL_STATES,
    AttemptView,
    CheckpointView,
    LogEntry,
    RunView,
    WhyView,
)

FIRST_LOOK_SECONDS = 0.02
SLOWEST_LOOK_SECONDS = 1.0


def submit(run: NewRun, *, idempotency_key: str | None = None) -> Request[RunView]:
    """Request a run. With an idempotency key, asking again gives the first answer again."""
    return post("/api/runs", RunView, run, idempotency_key=idempotency_key)


def submit_many(
    runs: Iterable[NewRun], *, idempotency_key: str | None = None
) -> Request[Page[Requested]]:
    """Request up to 10,000 runs, all or none; the answer is in their order."""
    body = {"runs": list(runs)}
    return post("/api/runs/bulk", Page[Requested], body, idempotency_key=idempotency_key)


def list_runs(
    *,
    state: str | None = None,
    job: str | None = None,
    kind: str | None = None,
    queue: str | None = None,
    executor: str | None = None,
    tag: str | None = None,
    q: str | None = None,
    since: str | None = None,
    until: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    after: str | int | None = None,
    min_position: int | None = None,
) -> Request[Page[RunView]]:
    """List runs; several values of one filter are joined by commas (`failed,partial`)."""
    return get(
        "/api/runs",
        Page[RunView],
        state=state,
        job=job,
        kind=kind,
        queue=queue,
        executor=executor,
        tag=tag,
        q=q,
        since=since,
        until=until,
        sort=sort,
        limit=limit,
        after=after,
        min_position=min_position,
    )


def get_run(run: str, *, at: int | None = None) -> Request[RunView]:
    """Read one run, as of now or as of one of its versions."""
    return get(f"/api/runs/{run}", RunView, at=at)


def attempts(run: str) -> Request[Page[AttemptView]]:
    """Read every try of a run."""
    return get(f"/api/runs/{run}/attempts", Page[AttemptView])


def checkpoints(run: str) -> Request[Page[CheckpointView]]:
    """Read every durable mark of a run."""
    return get(f"/api/runs/{run}/checkpoints", Page[CheckpointView])


def why(run: str) -> Request[WhyView]:
    """Ask why a run is in its state."""
    return get(f"/api/runs/{run}/why", WhyView)


def log(
    run: str,
    *,
    attempt: int | None = None,
    stream: str | None = None,
    after: int | None = None,
    tail: int | None = None,
    limit: int | None = None,
) -> Request[Page[LogEntry]]:
    """Read output lines of one attempt (default: the last) behind the line `after`."""
    return get(
        f"/api/runs/{run}/log",
        Page[LogEntry],
        attempt=attempt,
        stream=stream,
        after=after,
        tail=tail,
        limit=limit,
    )


def log_text(
    run: str, *, attempt: int | None = None, stream: str | None = None, tail: int | None = None
) -> Request[str]:
    """Read the output of one attempt (default: the last) as text."""
    return get(
        f"/api/runs/{run}/log", str, attempt=attempt, stream=stream, tail=tail, format="text"
    )


def wait(run: str, *, timeout_seconds: float | None = None) -> Steps[RunView]:
    """Wait until a run is final and give it.

    Raises:
        WaitedTooLong: when it is still going after `timeout_seconds`.
    """
    interval = FIRST_LOOK_SECONDS
    started = time.monotonic()
    while True:
        seen: RunView = yield get_run(run)
        if seen.state in FINAL_STATES:
            return seen
        if timeout_seconds is not None and time.monotonic() - started >= timeout_seconds:
            raise WaitedTooLong(run, seen.state)
        yield Pause(interval)
        interval = min(interval * 1.5, SLOWEST_LOOK_SECONDS)
