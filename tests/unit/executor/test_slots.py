"""Which attempts occupy a slot."""

from perdure_executor.slots import Slots


def test_each_that_starts_takes_a_slot_until_it_is_gone() -> None:
    slots = Slots(2)
    slots.take(["a"])
    slots.take(["b"])
    assert slots.free == 0
    slots.leave("a")
    slots.leave("a")

    assert slots.free == 1


def test_a_trip_keeps_its_slot_until_its_last_call_is_over() -> None:
    slots = Slots(1)
    slots.take(["a", "b"])
    slots.leave("a")
    assert slots.free == 0
    slots.leave("b")

    assert slots.free == 1


def test_what_is_found_running_counts_each_for_itself_and_even_beyond_the_slots() -> None:
    slots = Slots(2)
    slots.take(["gone"])
    slots.found(["a", "b", "c"])
    assert slots.free == 0
    slots.leave("a")
    assert slots.free == 0
    slots.leave("b")

    assert slots.free == 1
