"""How many attempts are asked for ahead."""

from perdure_executor.pace import Pace


def test_nothing_is_asked_ahead_before_anything_is_known() -> None:
    assert Pace().ahead(4) == 0


def test_short_attempts_are_asked_for_ahead_and_long_ones_are_not() -> None:
    pace = Pace()
    pace.took(0.003)
    assert pace.ahead(4) == 133
    for _ in range(50):
        pace.took(30)
    assert pace.ahead(4) == 0


def test_one_that_waited_in_vain_stops_it() -> None:
    pace = Pace()
    pace.took(0.003)
    pace.waited_in_vain()

    assert pace.ahead(4) == 0


def test_calls_share_a_trip_only_while_they_are_short() -> None:
    pace = Pace()
    assert pace.trip(waiting=100, free=1) == 1
    pace.took(0.002)
    assert pace.trip(waiting=100, free=1) == 10
    for _ in range(50):
        pace.took(0.01)
    assert pace.trip(waiting=100, free=1) == 1


def test_trips_leave_something_for_every_free_slot() -> None:
    pace = Pace()
    pace.took(0.004)

    assert [pace.trip(waiting, free=4) for waiting in (1, 4, 5, 9, 1000)] == [1, 1, 2, 3, 5]


def test_calls_that_take_next_to_nothing_stay_together() -> None:
    pace = Pace()
    pace.took(0)

    assert [pace.trip(waiting, free=4) for waiting in (1, 32, 1000)] == [20, 20, 64]


def test_an_executor_with_many_slots_asks_for_no_more_than_a_beat_can_name() -> None:
    pace = Pace()
    pace.took(0)

    assert pace.ahead(8) < pace.ahead(16) == pace.ahead(1000) == 4000
