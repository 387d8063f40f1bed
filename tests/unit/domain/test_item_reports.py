"""Outcomes of items as facts: what is said of thousands in an event of bounded size."""

import pytest

from perdure_api.domain.item_reports import NewOutcomes, recorded, spans_of
from perdure_api.domain.run import Run
from perdure_contract import facts, wire
from perdure_contract.items import MAX_SPANS, ItemCounts, OutcomeSpan
from tests.support.given import RUN, attempt_of, given, names, requested, started, then

TOTAL = 9_999_999


def running() -> Run:
    return given(
        requested(), facts.RunItemsPlanned(run=RUN, total=TOTAL, sha256="ab" * 32), started()
    )


def outcome(ordinal: int, what: str = "done", error: str | None = None) -> wire.ItemDone:
    return wire.ItemDone(ordinal, f"key {ordinal}", what, 1, error)  # type: ignore[arg-type]


def said(*begun: int) -> wire.ItemsRecorded:
    return wire.ItemsRecorded(number=1, outcomes=b"", begun=begun)


def test_neighbours_that_ended_alike_are_one_span() -> None:
    items = [outcome(1), outcome(2), outcome(3, "failed"), outcome(5, "failed"), outcome(6)]
    assert spans_of(items) == (
        OutcomeSpan(1, 2, "done"),
        OutcomeSpan(3, 3, "failed"),
        OutcomeSpan(5, 5, "failed"),
        OutcomeSpan(6, 6, "done"),
    )


@pytest.mark.parametrize("count", [MAX_SPANS, MAX_SPANS + 1, 3 * MAX_SPANS])
def test_however_much_is_said_no_event_is_too_large(count: int) -> None:
    run = running()
    first = TOTAL - count
    items = tuple(
        outcome(first + n, "failed" if n % 2 else "filtered", "\x01" * 2000) for n in range(count)
    )
    told = recorded(
        run, attempt_of(run), said(*range(1, 257)), NewOutcomes(outcomes=items, settled=0)
    )
    assert names(told)[-1] == "checkpointed"
    assert set(names(told)[:-1]) == {"items-recorded"}
    assert all(len(facts.encode(fact)) <= facts.MAX_EVENT_BYTES for fact in told)
    after = then(run, told)
    assert after is not None
    assert after.items == ItemCounts(total=TOTAL, failed=count // 2, filtered=(count + 1) // 2)


def test_the_first_failures_are_told_by_name_with_the_beginning_of_their_error() -> None:
    run = running()
    items = tuple(outcome(n, "failed", "x" * 500) for n in range(1, 200))
    fact = recorded(run, attempt_of(run), said(), NewOutcomes(outcomes=items, settled=199))[0]
    assert isinstance(fact, facts.RunItemsRecorded)
    assert [item.ordinal for item in fact.failures] == list(range(1, 101))
    assert fact.failures[0].error == "x" * 200
    assert fact.spans == (OutcomeSpan(1, 199, "failed"),)


def test_what_was_begun_is_told_when_it_changed_and_makes_no_checkpoint() -> None:
    run = running()
    nothing = NewOutcomes(settled=0)
    told = recorded(run, attempt_of(run), said(3, 4), nothing)
    assert names(told) == ["items-recorded"]
    after = then(run, told)
    assert after is not None
    assert after.begun == (3, 4)
    assert recorded(after, attempt_of(after), said(3, 4), nothing) == ()
