"""The small streams: queues, executors, tokens."""

from datetime import timedelta

import pytest

from perdure_api.domain import executor, queue, token
from perdure_api.domain.executor import Executor
from perdure_api.domain.queue import Queue
from perdure_contract import facts
from perdure_contract.facts import ExecutorFact, QueueFact
from tests.support.given import NOW


def queue_after(*happened: QueueFact) -> Queue:
    state: Queue | None = None
    for fact in happened:
        state = queue.evolve(state, fact)
    assert state is not None
    return state


CONFIGURED = facts.QueueConfigured(queue="q", concurrency=2, rate_per_minute=60)
PAUSED = facts.QueuePaused(queue="q")


def test_a_queue_without_limits_needs_no_lock() -> None:
    assert not Queue(name="q").is_limited
    assert not queue_after(facts.QueueConfigured(queue="q")).is_limited


@pytest.mark.parametrize(
    "fact", [CONFIGURED, PAUSED, facts.QueueConfigured(queue="q", rate_per_minute=1)]
)
def test_a_limit_or_a_pause_needs_one(fact: QueueFact) -> None:
    assert queue_after(fact).is_limited


def test_pausing_keeps_the_limits_and_configuring_keeps_the_pause() -> None:
    paused = queue_after(CONFIGURED, PAUSED)
    assert (paused.concurrency, paused.rate_per_minute, paused.paused) == (2, 60, True)
    assert queue_after(PAUSED, CONFIGURED).paused
    assert not queue_after(PAUSED, facts.QueueResumed(queue="q")).paused


def test_what_is_so_already_is_no_event() -> None:
    paused = queue_after(CONFIGURED, PAUSED)
    assert queue.configure(paused, concurrency=2, rate_per_minute=60) == ()
    assert queue.pause(paused, None) == ()
    assert queue.resume(Queue(name="q"), None) == ()


def test_what_changes_is_one_event() -> None:
    plain = Queue(name="q")
    assert queue.configure(plain, concurrency=2, rate_per_minute=60) == (CONFIGURED,)
    assert queue.pause(plain, "disk full") == (facts.QueuePaused(queue="q", reason="disk full"),)
    assert queue.resume(queue_after(PAUSED), "ok") == (facts.QueueResumed(queue="q", reason="ok"),)


def executor_after(*happened: ExecutorFact) -> Executor:
    state: Executor | None = None
    for fact in happened:
        state = executor.evolve(state, fact)
    assert state is not None
    return state


def joined(session: str = "s1") -> facts.ExecutorJoined:
    return facts.ExecutorJoined(
        executor="e", session=session, slots=4, labels={"gpu": "yes"}, queues=("q",), program="1.0"
    )


def lost(session: str = "s1") -> facts.ExecutorLost:
    return facts.ExecutorLost(executor="e", session=session, last_seen_at=NOW, silent_seconds=70)


def test_an_executor_that_joined_is_live_with_what_it_brought() -> None:
    assert executor_after(joined()) == Executor(
        name="e", session="s1", slots=4, labels={"gpu": "yes"}, queues=("q",), program="1.0"
    )


def test_an_executor_is_lost_drained_or_gone() -> None:
    draining = facts.ExecutorDraining(executor="e")
    left = facts.ExecutorLeft(executor="e", session="s1")
    assert executor_after(joined(), lost()).state == "lost"
    assert executor_after(joined(), draining).state == "draining"
    assert executor_after(joined(), draining, left).state == "left"


def test_the_end_of_an_older_session_does_not_end_the_present_one() -> None:
    old = facts.ExecutorLeft(executor="e", session="s1")
    assert executor_after(joined("s1"), joined("s2"), lost("s1")).state == "live"
    assert executor_after(joined("s1"), joined("s2"), old).state == "live"


def test_an_executor_that_joins_again_is_live_again() -> None:
    assert executor_after(joined("s1"), lost("s1"), joined("s2")).state == "live"


def test_a_token_is_issued_and_revoked_once_and_for_all() -> None:
    issued = facts.TokenIssued(
        token="t", name="ci", role="operator", expires_at=NOW + timedelta(days=1)
    )
    state = token.evolve(None, issued)
    assert (state.id, state.name, state.role, state.revoked) == ("t", "ci", "operator", False)
    assert token.evolve(state, facts.TokenRevoked(token="t")).revoked


def test_a_token_that_was_never_issued_cannot_be_revoked() -> None:
    with pytest.raises(ValueError, match="before it was issued"):
        token.evolve(None, facts.TokenRevoked(token="t"))
