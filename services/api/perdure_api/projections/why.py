"""Why a run is in its state: the rules that hold it there, with the values they saw."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from perdure_api.domain import lanes
from perdure_api.domain.lanes import lane_of, serves
from perdure_api.domain.run import Run, state_at
from perdure_api.kinds import kind
from perdure_api.projections.executors import list_executors
from perdure_api.projections.queues import get_queue
from perdure_api.projections.run_detail import Found, events_of, progress_view
from perdure_api.store.codec import decode
from perdure_api.store.database import Database
from perdure_contract.facts import CancelRequested, RunHeld
from perdure_contract.identifiers import queue_stream
from perdure_contract.objects import Because, ExecutorView, QueueView, WhyView
from perdure_runtime.clock import rfc3339

RATE_WINDOW: Final = timedelta(minutes=1)
COUNTED: Final = 10_000

_AHEAD: Final = """
SELECT count(*) FROM (SELECT 1 FROM perdure.runs
WHERE phase = 'pending' AND (ready_at IS NULL OR ready_at <= clock_timestamp()) AND queue = $1
  AND (priority > $2 OR (priority = $2 AND first_position < $3)) LIMIT $4) AS few"""
_STARTS: Final = """
SELECT count(*), min(at) FROM perdure.queue_starts
WHERE queue = $1 AND at > clock_timestamp() - interval '1 minute'"""
_QUEUE_EVENT: Final = "SELECT last_position FROM perdure.streams WHERE stream = $1"


async def why(db: Database, here: Found) -> WhyView:
    """Give the reason of a run's state in a sentence, and each rule behind it."""
    run, now = here.run, here.now
    match state_at(run, now):
        case "queued":
            return await _queued(db, run)
        case "scheduled":
            return _until(run, "scheduled", "It starts", "run-at")
        case "retrying":
            return _retrying(run)
        case "paused":
            return await _by_hand(
                db, run, RunHeld, "It was set aside by {by}; release lets it go on."
            )
        case "cancelling":
            words = "{by} asked for its end; its processes have until their grace is over."
            return await _by_hand(db, run, CancelRequested, words)
        case "running":
            return _running(here)
        case state:
            return WhyView(
                state=state,
                sentence=_ended(run),
                because=(_last(run, "outcome"),),
                expected_at=None,
            )


async def _queued(db: Database, run: Run) -> WhyView:
    pool = db.pool
    queue = await get_queue(pool, run.request.queue)
    executors = await list_executors(pool, run.tenant)
    because = [
        *await _queue_rules(pool, queue),
        *_executor_rules(run, executors),
    ]
    expected = None
    if queue.rate_per_minute is not None:
        starts, oldest = await pool.fetchrow(_STARTS, queue.name)
        if starts >= queue.rate_per_minute and oldest is not None:
            expected = rfc3339(oldest + RATE_WINDOW)
            values = {
                "queue": queue.name,
                "started": starts,
                "rate_per_minute": queue.rate_per_minute,
            }
            because.append(Because(rule="queue-rate", values=values, event=None))
    ahead = await pool.fetchval(_AHEAD, queue.name, run.priority, run.created, COUNTED)
    if ahead:
        because.append(
            Because(rule="runs-ahead", values={"queue": queue.name, "ahead": ahead}, event=None)
        )
    sentence = _sentence(because[0]) if because else "It starts at any moment."
    return WhyView(state="queued", sentence=sentence, because=tuple(because), expected_at=expected)


async def _queue_rules(pool: asyncpg.Pool, queue: QueueView) -> list[Because]:
    found = []
    position = await pool.fetchval(_QUEUE_EVENT, queue_stream(queue.name))
    if queue.paused:
        found.append(Because(rule="queue-paused", values={"queue": queue.name}, event=position))
    if queue.concurrency is not None and queue.running >= queue.concurrency:
        values = {"queue": queue.name, "running": queue.running, "concurrency": queue.concurrency}
        found.append(Because(rule="queue-full", values=values, event=position))
    return found


def _executor_rules(run: Run, executors: tuple[ExecutorView, ...]) -> list[Because]:
    queue, lane = run.request.queue, lane_of(run.request.labels)
    programs = kind.programs_of(run.request.spec)
    there = [e for e in executors if e.state in ("live", "draining")]
    if not there:
        return [Because(rule="no-executor", values={}, event=None)]
    fitting = [e for e in there if (not e.queues or queue in e.queues) and serves(e.labels, lane)]
    if not fitting:
        values: dict[str, Any] = {"queue": queue, "labels": lane or "none", "executors": len(there)}
        return [Because(rule="no-executor-fits", values=values, event=None)]
    able = [e for e in fitting if all(program in e.programs for program in programs)]
    if not able:
        values = {"program": " and ".join(programs), "executors": len(fitting)}
        return [Because(rule="no-program", values=values, event=None)]
    fitting = able
    working = [e for e in fitting if e.state == "live"]
    if not working:
        return [Because(rule="draining", values={"executors": len(fitting)}, event=None)]
    slots, running = sum(e.slots for e in working), sum(e.running for e in working)
    if running >= slots:
        return [
            Because(rule="slots-taken", values={"running": running, "slots": slots}, event=None)
        ]
    return []


_SENTENCES: Final = {
    "queue-paused": "Queue {queue} is paused.",
    "queue-full": "Queue {queue} is full: {running} of {concurrency} are running.",
    "no-executor": "No executor is connected.",
    "no-executor-fits": "None of the connected executors ({executors}) serves queue {queue}",
    "no-program": "None of the executors that could take it ({executors}) has {program}.",
    "draining": "Every executor that could take it ({executors}) is draining.",
    "slots-taken": "Every slot that could take it ({slots}) is taken.",
    "queue-rate": "Queue {queue} has started {started} runs within a minute; its limit is {rate_per_minute}.",
    "runs-ahead": "Runs ahead of it in queue {queue}: {ahead}.",
}


def _sentence(first: Because) -> str:
    said = _SENTENCES[first.rule].format(**first.values)
    if first.rule != "no-executor-fits":
        return said
    labels = first.values["labels"]
    return f"{said}." if labels == "none" else f"{said} and has {lanes.words_of(labels)}."


def _said(run: Run) -> str:
    at = run.available_at
    return "an unknown time" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _until(run: Run, state: Any, begins: str, rule: str) -> WhyView:  # noqa: ANN401 -- one of the states
    at = None if run.available_at is None else rfc3339(run.available_at)
    because = Because(rule=rule, values={"at": at}, event=run.created)
    return WhyView(
        state=state, sentence=f"{begins} at {_said(run)}.", because=(because,), expected_at=at
    )


def _retrying(run: Run) -> WhyView:
    attempt, failure = run.attempt, run.failure
    at = None if run.available_at is None else rfc3339(run.available_at)
    number = 0 if attempt is None else attempt.number
    what = "failed" if failure is None else f"failed ({failure.message.rstrip('.')})"
    values = {
        "attempt": number,
        "tries": run.tries,
        "max_attempts": run.request.retry.max_attempts,
        "at": at,
    }
    return WhyView(
        state="retrying",
        sentence=f"Attempt {number} {what}; the next one starts at {_said(run)}.",
        because=(Because(rule="retry-policy", values=values, event=run.position),),
        expected_at=at,
    )


def _running(here: Found) -> WhyView:
    run, attempt = here.run, here.run.attempt
    number, executor = (0, "") if attempt is None else (attempt.number, attempt.executor)
    started = "" if attempt is None else rfc3339(attempt.started_at)
    progress = progress_view(run, here.now, here.live)
    expected = None
    if progress is not None and progress.eta_seconds is not None:
        expected = rfc3339(here.now + timedelta(seconds=progress.eta_seconds))
    values = {"attempt": number, "executor": executor, "since": started}
    return WhyView(
        state="running",
        sentence=f"Executor {executor} works on attempt {number} since {started}.",
        because=(Because(rule="attempt-open", values=values, event=None),),
        expected_at=expected,
    )


async def _by_hand(
    db: Database, run: Run, kind: type[RunHeld | CancelRequested], words: str
) -> WhyView:
    for event in reversed(await events_of(db, run)):
        fact = decode(event.type, event.data)
        if isinstance(fact, kind):
            by = event.actor or "someone"
            values = {"by": by, "reason": fact.reason, "at": event.time}
            because = Because(rule="by-hand", values=values, event=event.position)
            sentence = words.format(by=by) + (f" Reason: {fact.reason}" if fact.reason else "")
            return WhyView(state=run.phase, sentence=sentence, because=(because,), expected_at=None)  # type: ignore[arg-type]  # not pending
    return WhyView(state=run.phase, sentence="It was asked for.", because=(), expected_at=None)  # type: ignore[arg-type]  # not pending


def _ended(run: Run) -> str:
    match run.phase:
        case "completed":
            return "It reached its end."
        case "cancelled":
            return "It was cancelled" + (f": {run.cancel_reason}" if run.cancel_reason else ".")
        case _ if run.failure is not None:
            return run.failure.message
        case _:
            return "It is over."


def _last(run: Run, rule: str) -> Because:
    ended: datetime | None = run.ended_at
    values: dict[str, Any] = {"at": None if ended is None else rfc3339(ended)}
    if run.failure is not None:
        values["reason"] = run.failure.reason
    return Because(rule=rule, values=values, event=run.position)
