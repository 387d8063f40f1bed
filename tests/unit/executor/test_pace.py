"""How many attempts are asked for ahead."""

from perdure_executor.pace import Pace


def test_nothing_is_asked_ahead_before_anything_is_known() -> None:
    assert Pace().ahead(4) == 0


def test_short_attempts_are_asked_for_ahead_and_long_ones_are_not() -> None:
    pace = Pace()
    pace.took(0.003)
    assert pace.ahead(4) == 16
    for _ in range(50):
        pace.took(30)
    assert pace.ahead(4) == 0


def test_one_that_waited_in_vain_stops_it() -> None:
    pace = Pace()
    pace.took(0.003)
    pace.waited_in_vain()

    assert pace.ahead(4) == 0
