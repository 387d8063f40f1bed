"""Histories of one run in words: `given(requested(), started())` folds facts into its state.

Every fact happened at `NOW`; a test that needs another time says so. Positions start at 101, so
that nothing passes by taking a position for a version.
"""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from perdure_api.domain.run import Run, Stamp
from perdure_api.domain.run_folding import evolve
from perdure_contract import facts, wire
from perdure_contract.facts import RunFact
from perdure_contract.objects import State
from perdure_contract.specs import CommandSpec, Limits, Retry

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
RUN = "01950000-0000-7000-8000-000000000001"
FIRST_POSITION = 101

PATIENT = Retry(max_attempts=3, initial_seconds=10, factor=2, max_seconds=60, jitter=0)
"""Three attempts, waits of exactly 10 s and 20 s."""
WORKS_ON = Limits(when_cut_off="continue")


def given(*history: RunFact, at: datetime = NOW) -> Run:
    """Give the run that these facts tell of."""
    run = then(None, history, at=at)
    assert run is not None, "a history begins with a request"
    return run


def then(run: Run | None, happened: tuple[RunFact, ...], at: datetime = NOW) -> Run | None:
    """Give the run after more facts."""
    for fact in happened:
        version = 1 if run is None else run.version + 1
        run = evolve(run, fact, Stamp(FIRST_POSITION + version - 1, version, at))
    return run


def after(run: Run, happened: object, at: datetime = NOW) -> Run:
    """Give the run after what was decided; fails when the command was refused."""
    assert isinstance(happened, tuple), happened
    changed = then(run, happened, at)
    assert changed is not None
    return changed


def names(happened: object) -> list[str]:
    """Give the short names of facts: `attempt-started`, not `perdure.run.attempt-started.v1`."""
    assert isinstance(happened, tuple), happened
    return [fact.event.removeprefix("run.") for fact in happened]


# --- facts ----------------------------------------------------------------------------------------


def requested(**fields: object) -> facts.RunRequested:
    asked: dict[str, object] = {"name": "one", "spec": CommandSpec(argv=("true",)), **fields}
    return facts.RunRequested(run=RUN, **asked)  # type: ignore[arg-type]


def queued(why: str = "released") -> facts.RunQueued:
    return facts.RunQueued(run=RUN, why=why)  # type: ignore[arg-type]


def started(attempt: int = 1, executor: str = "one") -> facts.AttemptStarted:
    return facts.AttemptStarted(run=RUN, attempt=attempt, executor=executor)


def failure(reason: str = "exit", exit_code: int | None = 3) -> facts.Failure:
    code = exit_code if reason == "exit" else None
    return facts.Failure(reason=reason, message=f"It ended by {reason}.", exit_code=code)  # type: ignore[arg-type]


def attempt_failed(attempt: int = 1, reason: str = "exit") -> facts.AttemptFailed:
    return facts.AttemptFailed(run=RUN, attempt=attempt, failure=failure(reason))


def evidence(executor: str = "one") -> facts.Evidence:
    return facts.Evidence(rule="lease-ended", executor=executor, silent_seconds=70)


def attempt_lost(attempt: int = 1) -> facts.AttemptLost:
    return facts.AttemptLost(run=RUN, attempt=attempt, evidence=evidence())


def attempt_released(attempt: int = 1) -> facts.AttemptReleased:
    return facts.AttemptReleased(run=RUN, attempt=attempt)


def retry_scheduled(at: datetime = LATER) -> facts.RetryScheduled:
    return facts.RetryScheduled(run=RUN, next_attempt_at=at, wait_seconds=3600)


def checkpointed(number: int = 1, attempt: int = 1) -> facts.RunCheckpointed:
    return facts.RunCheckpointed(run=RUN, attempt=attempt, number=number, cursor=number * 5)


def cancel_requested(*, force: bool = False, reason: str | None = None) -> facts.CancelRequested:
    return facts.CancelRequested(run=RUN, force=force, reason=reason)


def completed(attempt: int = 1) -> facts.RunCompleted:
    return facts.RunCompleted(run=RUN, attempt=attempt)


def cancelled(attempt: int = 0, *, forced: bool = False) -> facts.RunCancelled:
    return facts.RunCancelled(run=RUN, attempt=attempt, forced=forced)


def run_failed(reason: str = "exit") -> facts.RunFailed:
    return facts.RunFailed(run=RUN, failure=failure(reason))


def held() -> facts.RunHeld:
    return facts.RunHeld(run=RUN)


def restarted(fenced: int | None = None) -> facts.RunRestarted:
    return facts.RunRestarted(run=RUN, fenced_attempt=fenced)


# --- a run in each state --------------------------------------------------------------------------

HISTORIES: dict[State, tuple[RunFact, ...]] = {
    "scheduled": (requested(run_at=LATER),),
    "queued": (requested(),),
    "running": (requested(), started()),
    "retrying": (requested(), started(), attempt_failed(), retry_scheduled()),
    "paused": (requested(), held()),
    "cancelling": (requested(), started(), cancel_requested()),
    "completed": (requested(), started(), completed()),
    "partial": (requested(), started(), facts.RunPartiallyCompleted(run=RUN, attempt=1)),
    "failed": (requested(), started(), attempt_failed(), run_failed()),
    "cancelled": (requested(), cancelled()),
}


def in_state(state: State) -> Run:
    """Give a run in a state; nothing leads to `waiting` yet, so it is set."""
    if state == "waiting":
        return replace(given(requested()), phase="waiting")
    return given(*HISTORIES[state])


# --- what an executor says ------------------------------------------------------------------------


def attempt_of(run: Run) -> wire.Attempt:
    """Give the name by which the executor knows the latest attempt."""
    assert run.attempt is not None
    return wire.Attempt(run=run.id, number=run.attempt.number, fence=run.attempt.fence)


def ended(outcome: str = "completed", **fields: object) -> wire.Ended:
    return wire.Ended(outcome=outcome, usage=facts.Usage(lines=2, bytes=20), **fields)  # type: ignore[arg-type]


def progress(done: float, *, milestone: bool = True) -> wire.ProgressMade:
    return wire.ProgressMade(progress=facts.Progress(done=done, total=100), milestone=milestone)


def log_chunk(first: int = 1) -> wire.LogChunk:
    return wire.LogChunk(first=first, last=first, text_bytes=4, lines=b"")
