"""Whether a failed attempt is tried again, and after how long."""

import pytest

from perdure_api.domain.retry import wait_before_next
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import Lose
from perdure_api.domain.run_decisions import decide
from perdure_api.domain.run_reports import hear
from perdure_contract.facts import RunFailed
from perdure_contract.specs import Retry, RetryReason
from tests.support.given import (
    LATER,
    NOW,
    after,
    attempt_of,
    ended,
    evidence,
    failure,
    given,
    requested,
    started,
)


def waits(policy: Retry, *, reason: str = "exit", lost_in_a_row: int = 0) -> list[float | None]:
    """Give the wait after each of the first attempts, None where there is no next one."""
    found = []
    for tries in range(1, policy.max_attempts + 1):
        wait = wait_before_next(
            policy, failure(reason), tries=tries, lost_in_a_row=lost_in_a_row, seed="seed"
        )
        found.append(None if wait is None else wait.total_seconds())
    return found


def test_nothing_is_tried_again_unless_one_says_so() -> None:
    assert waits(Retry()) == [None]


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    policy = Retry(max_attempts=7, initial_seconds=1, factor=2, max_seconds=10, jitter=0)
    assert waits(policy) == [1, 2, 4, 8, 10, 10, None]


def test_a_factor_of_one_waits_evenly() -> None:
    assert waits(Retry(max_attempts=4, initial_seconds=5, factor=1, jitter=0)) == [5, 5, 5, None]


def test_jitter_stays_within_its_share_and_differs_between_runs() -> None:
    policy = Retry(max_attempts=2, initial_seconds=100, max_seconds=100, jitter=0.1)
    found = {
        wait.total_seconds()
        for run in range(200)
        if (wait := wait_before_next(policy, failure(), tries=1, lost_in_a_row=0, seed=f"{run}"))
    }
    assert min(found) >= 90
    assert max(found) <= 110
    assert len(found) > 100


def test_the_same_history_always_gives_the_same_wait() -> None:
    policy = Retry(max_attempts=5, jitter=1)
    assert waits(policy) == waits(policy)


@pytest.mark.parametrize("factor", [2.0, 100.0])
def test_no_wait_stays_no_wait_however_often(factor: float) -> None:
    policy = Retry(max_attempts=1000, initial_seconds=0, factor=factor, jitter=0)
    assert set(waits(policy)[:-1]) == {0}


def test_a_wait_that_no_number_can_hold_is_the_longest() -> None:
    policy = Retry(max_attempts=1000, initial_seconds=0.5, factor=100.0, max_seconds=60, jitter=0)
    assert waits(policy)[-2] == 60


@pytest.mark.parametrize("reason", ["rejected", "declared"])
def test_what_cannot_succeed_is_never_tried_again(reason: str) -> None:
    assert waits(Retry(max_attempts=3), reason=reason) == [None, None, None]


@pytest.mark.parametrize("reason", ["exit", "signal", "error", "timeout", "lost"])
def test_every_reason_but_stuck_is_tried_again_by_default(reason: str) -> None:
    assert waits(Retry(max_attempts=2, jitter=0), reason=reason) == [1, None]
    assert waits(Retry(max_attempts=2, jitter=0), reason="stuck") == [None, None]


@pytest.mark.parametrize("reason", ["exit", "signal", "error", "timeout", "stuck", "lost"])
def test_only_the_reasons_named_are_tried_again(reason: RetryReason) -> None:
    named = waits(Retry(max_attempts=2, on=(reason,), jitter=0), reason=reason)
    others = waits(Retry(max_attempts=2, on=(), jitter=0), reason=reason)
    assert (named[0], others[0]) == (1, None)


def test_exit_codes_that_are_excepted_end_the_run() -> None:
    policy = Retry(max_attempts=3, not_exit_codes=(2, 3))
    for code, again in ((1, True), (2, False), (3, False), (4, True)):
        wait = wait_before_next(
            policy, failure(exit_code=code), tries=1, lost_in_a_row=0, seed="seed"
        )
        assert (wait is not None) == again


# --- over a whole run -------------------------------------------------------------------------

STUBBORN = Retry(max_attempts=50, initial_seconds=0, jitter=0)


def attempts(run: Run, *ends: str) -> Run:
    """Let one attempt after another end so: `lost`, `failed`, `released`."""
    for end in ends:
        assert state_at(run, LATER) == "queued", f"before {end}: {run.phase}"
        run = after(run, (started(1 if run.attempt is None else run.attempt.number + 1),))
        if end == "lost":
            number = attempt_of(run).number
            run = after(run, decide(run, Lose(evidence=evidence(), attempt=number), NOW))
        else:
            said = ended(end, failure=failure() if end == "failed" else None)
            run = after(run, hear(run, attempt_of(run), said, NOW).facts)
    return run


def test_three_lost_in_a_row_end_the_run_whatever_the_policy() -> None:
    run = attempts(given(requested(retry=STUBBORN)), "lost", "lost", "lost")
    assert run.phase == "failed"
    assert run.failure is not None
    assert run.failure.reason == "lost"


def test_a_failure_between_the_losses_breaks_the_row() -> None:
    run = attempts(given(requested(retry=STUBBORN)), "lost", "lost", "failed", "lost", "lost")
    assert state_at(run, LATER) == "queued"
    assert attempts(run, "lost").phase == "failed"


def test_a_released_attempt_neither_counts_nor_breaks_the_row() -> None:
    run = attempts(given(requested(retry=STUBBORN)), "lost", "released", "lost", "released")
    assert run.tries == 2
    assert attempts(run, "lost").phase == "failed"


def test_a_run_has_exactly_as_many_attempts_as_its_policy_says() -> None:
    run = given(requested(retry=Retry(max_attempts=3, initial_seconds=0)))
    run = attempts(run, "failed", "released", "failed", "released", "failed")
    assert run.phase == "failed"
    assert attempt_of(run).number == 5


def test_losses_count_as_attempts() -> None:
    run = attempts(given(requested(retry=Retry(max_attempts=2, initial_seconds=0))), "lost")
    assert attempts(run, "failed").phase == "failed"


def test_the_runs_failure_is_its_last_attempts() -> None:
    run = given(requested(retry=Retry(max_attempts=2, initial_seconds=0)))
    run = attempts(run, "lost", "failed")
    assert run.failure == failure()


def test_the_end_names_the_failure_that_brought_it() -> None:
    run = given(requested(), started())
    facts = hear(run, attempt_of(run), ended("failed", failure=failure()), NOW).facts
    assert isinstance(facts[-1], RunFailed)
    assert facts[-1].failure == failure()
