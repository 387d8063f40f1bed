"""What may be done to a run: the contract's table of actions and states, and their effects."""

from datetime import timedelta
from typing import get_args

import pytest
from msgspec.structs import replace

from perdure_api.domain.legal_actions import Action, actions, refuse, why_not
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import (
    Cancel,
    CloseForced,
    Command,
    Delete,
    Fail,
    Hold,
    Lose,
    Release,
    Reprioritise,
    Restart,
    Resume,
    RetryNow,
    Start,
    TakeBack,
)
from perdure_api.domain.run_decisions import decide
from perdure_contract.objects import State
from tests.support.given import (
    LATER,
    NOW,
    PATIENT,
    after,
    attempt_failed,
    attempt_lost,
    cancel_requested,
    cancelled,
    checkpointed,
    completed,
    evidence,
    given,
    held,
    in_state,
    names,
    requested,
    restarted,
    retry_scheduled,
    run_failed,
    started,
)

STATES: tuple[State, ...] = get_args(State)
ACTIONS: tuple[Action, ...] = get_args(Action)

# The contract's words, state by state, so that this is no copy of the product's table.
LEGAL_IN: dict[State, set[Action]] = {
    "scheduled": {"cancel", "rerun", "retry-now", "hold", "priority"},
    "waiting": {"cancel", "rerun", "hold", "priority"},
    "queued": {"cancel", "rerun", "hold", "fail", "priority"},
    "running": {"cancel", "restart", "rerun", "fail", "priority"},
    "retrying": {"cancel", "rerun", "retry-now", "hold", "fail", "priority"},
    "paused": {"cancel", "rerun", "release", "fail", "priority"},
    "cancelling": {"cancel", "restart", "rerun", "fail", "priority"},
    "completed": {"rerun", "delete"},
    "partial": {"resume", "restart", "rerun", "retry-items", "delete"},
    "failed": {"resume", "restart", "rerun", "retry-items", "delete"},
    "cancelled": {"resume", "restart", "rerun", "retry-items", "delete"},
}

COMMANDS: dict[Action, Command] = {
    "cancel": Cancel(),
    "resume": Resume(),
    "restart": Restart(),
    "retry-now": RetryNow(),
    "hold": Hold(),
    "release": Release(),
    "fail": Fail(message="enough"),
    "priority": Reprioritise(priority=7),
    "delete": Delete(),
}


@pytest.mark.parametrize("state", STATES)
def test_there_is_a_run_in_each_state(state: State) -> None:
    assert state_at(in_state(state), NOW) == state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_legal_where_the_contract_says_so(action: Action, state: State) -> None:
    run = in_state(state)
    refusal = refuse(run, action, NOW)
    if action not in LEGAL_IN[state]:
        assert refusal is not None
        assert refusal.code == "wrong-state"
        assert refusal.state == state
        assert refusal.current_version == run.version
        assert set(refusal.allowed or ()) == {s for s in STATES if action in LEGAL_IN[s]}
        assert f"The run is {state}" in refusal.message
    elif action in ("resume", "retry-items"):
        assert refusal is not None, "there is no checkpoint, and it is no batch"
    else:
        assert refusal is None


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", COMMANDS)
def test_a_command_is_refused_exactly_where_its_action_is(action: Action, state: State) -> None:
    run = in_state(state)
    decided = decide(run, COMMANDS[action], NOW)
    assert isinstance(decided, Rejection) == (why_not(run, action, NOW) is not None)


@pytest.mark.parametrize("state", STATES)
def test_every_action_tells_why_it_cannot_be_taken(state: State) -> None:
    told = actions(in_state(state), NOW)
    assert set(told) == set(ACTIONS)
    assert all(told[action] for action in set(ACTIONS) - LEGAL_IN[state])


# (state, command) → (the facts, the state after them)
EFFECTS: list[tuple[State, Command, list[str], State]] = [
    ("scheduled", Cancel(), ["cancelled"], "cancelled"),
    ("waiting", Cancel(), ["cancelled"], "cancelled"),
    ("queued", Cancel(), ["cancelled"], "cancelled"),
    ("queued", Cancel(force=True), ["cancelled"], "cancelled"),
    ("retrying", Cancel(), ["cancelled"], "cancelled"),
    ("paused", Cancel(), ["cancelled"], "cancelled"),
    ("running", Cancel(), ["cancel-requested"], "cancelling"),
    ("running", Cancel(force=True), ["cancel-requested"], "cancelling"),
    ("cancelling", Cancel(), [], "cancelling"),
    ("cancelling", Cancel(force=True), ["cancel-requested"], "cancelling"),
    ("failed", Restart(), ["restarted"], "queued"),
    ("cancelled", Restart(), ["restarted"], "queued"),
    ("partial", Restart(), ["restarted"], "queued"),
    ("running", Restart(), ["restarted"], "queued"),
    ("cancelling", Restart(), ["restarted"], "queued"),
    ("scheduled", RetryNow(), ["queued"], "queued"),
    ("retrying", RetryNow(), ["queued"], "queued"),
    ("scheduled", Hold(), ["held"], "paused"),
    ("waiting", Hold(), ["held"], "paused"),
    ("queued", Hold(), ["held"], "paused"),
    ("retrying", Hold(), ["held"], "paused"),
    ("paused", Release(), ["released", "queued"], "queued"),
    ("running", Fail(message="enough"), ["failed"], "failed"),
    ("cancelling", Fail(message="enough"), ["failed"], "failed"),
    ("paused", Fail(message="enough"), ["failed"], "failed"),
    ("queued", Fail(message="enough"), ["failed"], "failed"),
    ("retrying", Fail(message="enough"), ["failed"], "failed"),
    ("scheduled", Reprioritise(priority=7), ["reprioritised"], "scheduled"),
    ("running", Reprioritise(priority=7), ["reprioritised"], "running"),
    ("completed", Delete(), ["deleted"], "completed"),
    ("failed", Delete(), ["deleted"], "failed"),
    ("queued", Start(executor="one"), ["attempt-started"], "running"),
]


@pytest.mark.parametrize(
    ("state", "command", "facts", "becomes"),
    EFFECTS,
    ids=[
        f"{type(c).__name__} in {s}" + (" by force" if getattr(c, "force", False) else "")
        for s, c, _, _ in EFFECTS
    ],
)
def test_what_a_command_brings_about(
    state: State, command: Command, facts: list[str], becomes: State
) -> None:
    run = in_state(state)
    decided = decide(run, command, NOW)
    assert names(decided) == facts
    assert state_at(after(run, decided), NOW) == becomes


def test_only_a_queued_run_starts() -> None:
    for state in STATES:
        decided = decide(in_state(state), Start(executor="one"), NOW)
        assert isinstance(decided, tuple) == (state == "queued")


# --- coming due is no event -------------------------------------------------------------------


def test_a_scheduled_run_is_queued_from_its_time_on() -> None:
    run = in_state("scheduled")
    assert state_at(run, LATER - timedelta(microseconds=1)) == "scheduled"
    assert state_at(run, LATER) == "queued"
    assert names(decide(run, Start(executor="one"), LATER)) == ["attempt-started"]


def test_a_run_asked_for_a_time_gone_by_is_queued_at_once() -> None:
    assert state_at(given(requested(run_at=NOW - timedelta(days=1))), NOW) == "queued"


def test_a_retrying_run_that_came_due_has_nothing_left_to_retry_now() -> None:
    decided = decide(in_state("retrying"), RetryNow(), LATER)
    assert isinstance(decided, Rejection)
    assert decided.state == "queued"


# --- cancel -----------------------------------------------------------------------------------


def test_a_cancelled_run_has_no_failure_though_its_attempt_had_one() -> None:
    run = in_state("retrying")
    assert run.failure is not None
    assert after(run, decide(run, Cancel(reason="why"), NOW)).failure is None


def test_force_after_a_plain_cancel_starts_the_five_seconds_and_keeps_the_reason() -> None:
    run = given(requested(), started(), cancel_requested(reason="too slow"))
    forced = after(run, decide(run, Cancel(force=True), LATER), LATER)
    assert forced.cancelling_since == LATER
    assert forced.cancel_forced
    assert forced.cancel_reason == "too slow"
    assert decide(forced, Cancel(force=True), LATER) == ()


def test_a_forced_cancel_without_an_answer_closes_the_run_and_fences_the_attempt() -> None:
    run = given(requested(), started(), cancel_requested(force=True))
    closed = after(run, decide(run, CloseForced(), NOW))
    assert closed.phase == "cancelled"
    assert closed.attempt is not None
    assert closed.attempt.state == "fenced"


@pytest.mark.parametrize("state", STATES)
def test_nothing_but_a_forced_cancel_is_closed(state: State) -> None:
    assert decide(in_state(state), CloseForced(), NOW) == ()


# --- hold and release -------------------------------------------------------------------------


def test_a_held_run_released_before_its_time_waits_on() -> None:
    for history in (
        (requested(run_at=LATER),),
        (requested(), started(), attempt_failed(), retry_scheduled()),
    ):
        before = given(*history)
        run = given(*history, held())
        decided = decide(run, Release(), NOW)
        assert names(decided) == ["released"]
        assert state_at(after(run, decided), NOW) == state_at(before, NOW)


def test_a_held_run_released_after_its_time_is_queued() -> None:
    run = given(requested(run_at=LATER), held())
    decided = decide(run, Release(), LATER)
    assert names(decided) == ["released", "queued"]
    assert state_at(after(run, decided, LATER), LATER) == "queued"


def test_a_held_run_does_not_come_due() -> None:
    assert state_at(given(requested(run_at=LATER), held()), LATER) == "paused"


# --- fail by hand -----------------------------------------------------------------------------


def test_failing_by_hand_is_declared_and_never_tried_again() -> None:
    run = given(requested(retry=PATIENT), started())
    failed = after(run, decide(run, Fail(message="wrong data"), NOW))
    assert failed.phase == "failed"
    assert failed.failure is not None
    assert (failed.failure.reason, failed.failure.message) == ("declared", "wrong data")
    assert failed.attempt is not None
    assert failed.attempt.state == "fenced"


# --- resume and restart -----------------------------------------------------------------------


def test_resume_goes_on_from_the_last_checkpoint_or_the_one_named() -> None:
    run = given(
        requested(), started(), checkpointed(1), checkpointed(2), attempt_failed(), run_failed()
    )
    for command, origin in ((Resume(), 2), (Resume(checkpoint=1), 1)):
        again = after(run, decide(run, command, NOW))
        assert state_at(again, NOW) == "queued"
        starts = decide(again, Start(executor="one"), NOW)
        assert isinstance(starts, tuple)
        assert (starts[0].attempt, starts[0].from_checkpoint) == (2, origin)  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [0, 3, -1])
def test_resume_from_a_checkpoint_that_never_was_is_refused(number: int) -> None:
    run = given(requested(), started(), checkpointed(2), attempt_failed(), run_failed())
    decided = decide(run, Resume(checkpoint=number), NOW)
    assert isinstance(decided, Rejection)
    assert decided.code == "no-checkpoint"


def test_restart_of_an_ended_run_goes_from_the_beginning_unless_told_otherwise() -> None:
    run = given(requested(), started(), checkpointed(1), attempt_failed(), run_failed())
    for command, origin in ((Restart(), None), (Restart(origin="checkpoint"), 1)):
        again = after(run, decide(run, command, NOW))
        assert again.start_from == origin


def test_restart_of_a_running_run_goes_from_its_checkpoint_and_fences_the_attempt() -> None:
    run = given(requested(), started(), checkpointed(1))
    for command, origin in ((Restart(), 1), (Restart(origin="beginning"), None)):
        again = after(run, decide(run, command, NOW))
        assert again.start_from == origin
        assert again.attempt is not None
        assert again.attempt.state == "fenced"


def test_restart_of_a_running_run_without_checkpoint_goes_from_the_beginning() -> None:
    run = in_state("running")
    for command in (Restart(), Restart(origin="checkpoint")):
        assert after(run, decide(run, command, NOW)).start_from is None


def test_restart_from_a_checkpoint_that_never_was_is_refused() -> None:
    decided = decide(in_state("failed"), Restart(origin="checkpoint"), NOW)
    assert isinstance(decided, Rejection)
    assert decided.code == "no-checkpoint"


def test_numbers_of_attempts_go_on_after_a_restart_and_the_budget_starts_anew() -> None:
    run = given(
        requested(retry=PATIENT),
        started(), attempt_lost(), retry_scheduled(),
        started(2), attempt_lost(2), retry_scheduled(),
        started(3), attempt_failed(3), run_failed(),
        restarted(),
    )  # fmt: skip
    assert (run.tries, run.lost_in_a_row) == (0, 0)
    assert run.failure is None
    again = after(run, decide(run, Start(executor="one"), NOW))
    assert again.attempt is not None
    assert again.attempt.number == 4


def test_a_restarted_run_that_was_deleted_can_be_deleted_again() -> None:
    run = in_state("failed")
    deleted = after(run, decide(run, Delete(), NOW))
    assert isinstance(decide(deleted, Delete(), NOW), Rejection)
    ended_again = after(deleted, (restarted(), started(2), attempt_failed(2), run_failed()))
    assert names(decide(ended_again, Delete(), NOW)) == ["deleted"]


# --- lost -------------------------------------------------------------------------------------


def lose(run: Run, attempt: int = 1) -> object:
    return decide(run, Lose(evidence=evidence(), attempt=attempt), NOW)


def test_a_lost_attempt_ends_the_run_unless_the_policy_has_another() -> None:
    assert names(lose(in_state("running"))) == ["attempt-lost", "failed"]
    patient = given(requested(retry=PATIENT), started())
    assert names(lose(patient)) == ["attempt-lost", "retry-scheduled"]


def test_losing_the_attempt_of_a_run_being_cancelled_cancels_it() -> None:
    assert names(lose(in_state("cancelling"))) == ["attempt-lost", "cancelled"]


def test_only_the_open_attempt_can_be_lost() -> None:
    again = given(
        requested(retry=PATIENT), started(), attempt_lost(), retry_scheduled(NOW), started(2)
    )
    assert lose(again, attempt=1) == ()
    for state in STATES:
        if state not in ("running", "cancelling"):
            assert lose(in_state(state)) == ()


def test_a_grant_that_never_arrived_is_taken_back_and_does_not_count() -> None:
    run = in_state("running")
    decided = decide(run, TakeBack(attempt=1), NOW)
    assert names(decided) == ["attempt-released", "queued"]
    again = after(run, decided)
    assert (state_at(again, NOW), again.tries) == ("queued", 0)
    assert names(decide(in_state("cancelling"), TakeBack(attempt=1), NOW)) == ["cancelled"]


def test_only_the_open_attempt_can_be_taken_back() -> None:
    again = given(
        requested(retry=PATIENT), started(), attempt_lost(), retry_scheduled(NOW), started(2)
    )
    assert decide(again, TakeBack(attempt=1), NOW) == ()
    for state in STATES:
        if state not in ("running", "cancelling"):
            assert decide(in_state(state), TakeBack(attempt=1), NOW) == ()


def test_the_words_of_a_loss_say_who_was_silent_for_how_long() -> None:
    run = given(requested(), started(), attempt_lost(), run_failed("lost"))
    assert run.attempt is not None
    assert run.attempt.failure is not None
    assert run.attempt.failure.message == "Executor one was silent for 70 s."


# --- the state that is stored -----------------------------------------------------------------


def test_a_retrying_run_shows_its_last_failure_and_when_it_goes_on() -> None:
    run = in_state("retrying")
    assert run.available_at == LATER
    assert run.failure is not None
    assert run.failure.reason == "exit"


def test_a_completed_run_has_no_failure_though_an_earlier_attempt_had() -> None:
    run = given(
        requested(retry=PATIENT), started(), attempt_failed(), retry_scheduled(NOW), started(2),
        completed(2),
    )  # fmt: skip
    assert run.failure is None


def test_a_command_that_changes_nothing_appends_nothing() -> None:
    run = replace(in_state("queued"), priority=7)
    assert decide(run, Reprioritise(priority=7), NOW) == ()


def test_a_forced_end_is_told_in_the_event() -> None:
    run = given(requested(), started(), cancel_requested(force=True), cancelled(1, forced=True))
    assert run.attempt is not None
    assert run.attempt.state == "fenced"
