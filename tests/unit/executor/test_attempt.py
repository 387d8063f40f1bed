"""The state machine of one attempt: what ends it, when which signal is due, what came of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure_executor.attempt import (
    CANCEL,
    ENDED,
    KILL,
    LEASE,
    MEMORY,
    REVOKE,
    RUNNING,
    STOP,
    TERM,
    TIMEOUT,
    Attempt,
    outcome_of,
)

FAR = 1e9


def test_nothing_is_due_while_it_runs() -> None:
    attempt = Attempt(0)

    assert attempt.step(1000, FAR) is None
    assert attempt.phase == RUNNING


def test_an_end_is_term_once_and_kill_after_the_grace() -> None:
    attempt = Attempt(0, grace=10)
    attempt.ask_end(5, CANCEL)

    assert [attempt.step(moment, FAR) for moment in (5, 6, 14.9, 15, 16)] == [
        TERM,
        None,
        None,
        KILL,
        KILL,
    ]
    assert attempt.wake_at(FAR) is None


def test_without_grace_it_is_kill_at_once() -> None:
    attempt = Attempt(0, grace=10)
    attempt.ask_end(5, MEMORY, 0)

    assert attempt.step(5, FAR) == KILL


def test_force_shortens_a_grace_that_runs_and_nothing_lengthens_it() -> None:
    attempt = Attempt(0, grace=10)
    attempt.ask_end(0, CANCEL)
    attempt.ask_end(1, CANCEL, 100)
    assert attempt.wake_at(FAR) == 10
    attempt.ask_end(2, CANCEL, 0)

    assert attempt.step(2, FAR) == KILL


def test_the_first_reason_stays() -> None:
    attempt = Attempt(0, timeout=5)
    attempt.step(5, FAR)
    attempt.ask_end(6, CANCEL)

    assert attempt.why == TIMEOUT


def test_the_lease_ends_it_without_grace_unless_it_may_go_on() -> None:
    ends, goes_on = Attempt(0), Attempt(0, until_lease=False)

    assert ends.wake_at(50) == 50
    assert ends.step(50, 50) == KILL
    assert ends.why == LEASE
    assert goes_on.wake_at(50) is None
    assert goes_on.step(51, 50) is None


def test_what_a_program_leaves_behind_is_killed_at_once() -> None:
    attempt = Attempt(0)
    attempt.program_ended()

    assert attempt.step(1, FAR) == KILL
    assert attempt.why is None


def test_what_is_left_during_a_grace_keeps_the_rest_of_it() -> None:
    attempt = Attempt(0, grace=10)
    attempt.ask_end(0, STOP)
    attempt.step(0, FAR)
    attempt.program_ended()

    assert attempt.step(9, FAR) is None
    assert attempt.step(10, FAR) == KILL


events = st.lists(
    st.tuples(
        st.floats(0, 5),
        st.one_of(
            st.tuples(
                st.just("end"),
                st.sampled_from([CANCEL, MEMORY, STOP, REVOKE]),
                st.one_of(st.none(), st.floats(0, 20)),
            ),
            st.tuples(st.just("program"), st.just(""), st.none()),
            st.tuples(st.just("look"), st.just(""), st.none()),
        ),
    ),
    max_size=12,
)


@given(
    events=events,
    timeout=st.one_of(st.none(), st.floats(0.1, 20)),
    grace=st.floats(0, 20),
    until_lease=st.booleans(),
    lease=st.floats(1, 40),
)
def test_whatever_happens_signals_only_grow_and_nothing_lives_for_ever(
    *,
    events: list[tuple[float, tuple[str, str, float | None]]],
    timeout: float | None,
    grace: float,
    until_lease: bool,
    lease: float,
) -> None:
    attempt = Attempt(0, timeout=timeout, grace=grace, until_lease=until_lease)
    now = 0.0
    signals: list[str] = []
    asked: list[str] = []
    for pause, (kind, why, seconds) in events:
        now += pause
        if kind == "end":
            attempt.ask_end(now, why, seconds)
            asked.append(why)
        elif kind == "program":
            attempt.program_ended()
        signal = attempt.step(now, lease)
        if signal is not None:
            signals.append(signal)
    # Following its own wish for the next look, it comes to an end when anything asked for one.
    ends = (
        bool(asked) or timeout is not None or until_lease or "program" in [e[1][0] for e in events]
    )
    for _ in range(10):
        moment = attempt.wake_at(lease)
        if moment is None:
            break
        now = max(now, moment)
        signal = attempt.step(now, lease)
        if signal is not None:
            signals.append(signal)

    assert signals == sorted(signals, key=[TERM, KILL].index)
    assert signals.count(TERM) <= 1
    assert (KILL in signals) == ends
    assert attempt.why in (None, TIMEOUT, LEASE, *asked)
    attempt.tree_gone()
    attempt.ask_end(now, CANCEL)
    assert attempt.phase == ENDED


@pytest.mark.parametrize(
    ("given_end", "outcome", "reason"),
    [
        ({"exit_code": 0}, "completed", None),
        ({"exit_code": 3}, "failed", "exit"),
        ({"signal": "SIGSEGV"}, "failed", "signal"),
        ({"why": TIMEOUT, "signal": "SIGTERM"}, "failed", "timeout"),
        ({"why": TIMEOUT, "exit_code": 0}, "failed", "timeout"),
        ({"why": MEMORY, "signal": "SIGKILL"}, "failed", "signal"),
        ({"why": CANCEL, "exit_code": 0}, "cancelled", None),
        ({"why": CANCEL, "signal": "SIGKILL"}, "cancelled", None),
        ({"why": STOP, "exit_code": 1}, "released", None),
        ({"why": LEASE, "signal": "SIGKILL"}, "gone", None),
        ({"why": REVOKE, "signal": "SIGKILL"}, "gone", None),
        ({"rejected": "There is no such program."}, "failed", "rejected"),
        ({"broken": "The keeper was killed."}, "failed", "error"),
    ],
)
def test_the_outcome_follows_from_what_ended_it(
    given_end: dict[str, str | int], outcome: str, reason: str | None
) -> None:
    end = {"why": None, "exit_code": None, "signal": None, **given_end}
    found = outcome_of(**end)  # type: ignore[arg-type]

    assert (found.outcome, found.reason) == (outcome, reason)
    assert bool(found.message) == (outcome == "failed")
