"""The newest events, kept so that they need not be read back."""

from collections.abc import Iterable

from perdure_api.store.tail import MOST_EVENTS, Tail
from perdure_contract.envelope import Event


def events(positions: Iterable[int]) -> list[Event]:
    return [
        Event(
            position=position,
            id=str(position),
            stream="run-1",
            version=position,
            type="perdure.run.started.v1",
            time="2030-01-01T00:00:00.000000Z",
            tenant="default",
            data=b"{}",
        )
        for position in positions
    ]


def given(tail: Tail, after: int, limit: int = 100) -> list[int]:
    return [event.position for event in tail.after(after, limit)]


def test_what_follows_a_position_is_given_in_order() -> None:
    tail = Tail()
    tail.add(events(range(5, 8)))
    tail.add(events(range(8, 10)))

    assert given(tail, 4) == [5, 6, 7, 8, 9]
    assert given(tail, 6) == [7, 8, 9]
    assert given(tail, 6, limit=2) == [7, 8]
    assert given(tail, 9) == []


def test_nothing_is_given_after_a_position_before_the_first() -> None:
    tail = Tail()
    assert given(tail, 0) == []
    tail.add(events(range(5, 8)))

    assert given(tail, 3) == []


def test_a_gap_makes_it_begin_anew() -> None:
    tail = Tail()
    tail.add(events(range(5, 8)))
    tail.add(events(range(9, 11)))

    assert given(tail, 4) == []
    assert given(tail, 7) == []
    assert given(tail, 8) == [9, 10]


def test_it_keeps_the_newest_and_is_bounded() -> None:
    tail = Tail()
    for first in range(0, 10 * MOST_EVENTS, 100):
        tail.add(events(range(first + 1, first + 101)))

    assert given(tail, 10 * MOST_EVENTS - 2) == [10 * MOST_EVENTS - 1, 10 * MOST_EVENTS]
    assert given(tail, 0) == []
    assert len(tail.after(8 * MOST_EVENTS + 100, 100_000)) <= 2 * MOST_EVENTS


def test_what_it_forgot_it_does_not_give() -> None:
    tail = Tail()
    tail.add(events(range(5, 8)))
    tail.forget()

    assert given(tail, 4) == []
