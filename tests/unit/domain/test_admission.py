"""Which waiting runs start now, and where."""

from perdure_api.domain.admission import Assignment, Candidate, Seat, admit
from perdure_api.domain.lanes import lane_of, serves, words_of


def waiting(
    run: str, *, queue: str = "default", lane: str = "", priority: int = 0, age: int = 1
) -> Candidate:
    return Candidate(run, queue, lane, priority, age)


def seat(
    executor: str = "one",
    free: int = 1,
    *,
    labels: dict[str, str] | None = None,
    queues: tuple[str, ...] = (),
) -> Seat:
    return Seat(executor, f"session of {executor}", free, labels or {}, queues)


def runs(assignments: list[Assignment]) -> list[str]:
    return [assignment.run for assignment in assignments]


def test_without_seats_nothing_starts() -> None:
    assert admit([waiting("a")], [], {}) == []
    assert admit([waiting("a")], [seat(free=0)], {}) == []


def test_higher_priority_first_then_age() -> None:
    candidates = [
        waiting("young", age=9),
        waiting("old", age=1),
        waiting("urgent", priority=5, age=10),
        waiting("humble", priority=-5, age=0),
    ]
    assert runs(admit(candidates, [seat(free=3)], {})) == ["urgent", "old", "young"]


def test_priority_counts_across_queues() -> None:
    candidates = [waiting("a", queue="a", age=1), waiting("b", queue="b", priority=1, age=2)]
    assert runs(admit(candidates, [seat(free=1)], {})) == ["b"]


def test_a_seat_is_taken_once() -> None:
    assert runs(admit([waiting("a"), waiting("b", age=2)], [seat(free=1)], {})) == ["a"]


def test_the_room_of_a_queue_bounds_it_and_no_other() -> None:
    candidates = [
        waiting("n1", queue="narrow", age=1),
        waiting("n2", queue="narrow", age=2),
        waiting("d1", age=3),
    ]
    assert runs(admit(candidates, [seat(free=5)], {"narrow": 1})) == ["n1", "d1"]
    assert runs(admit(candidates, [seat(free=5)], {"narrow": 0})) == ["d1"]
    assert runs(admit(candidates, [seat(free=5)], {"narrow": None})) == ["n1", "n2", "d1"]


def test_the_room_that_was_given_is_left_as_it_was() -> None:
    room: dict[str, int | None] = {"narrow": 1}
    admit([waiting("a", queue="narrow")], [seat()], room)
    assert room == {"narrow": 1}


def test_a_run_that_no_seat_fits_does_not_hold_up_those_behind_it() -> None:
    candidates = [waiting("gpu", lane="gpu=yes", priority=9), waiting("plain")]
    assert runs(admit(candidates, [seat()], {})) == ["plain"]


def test_labels_choose_the_executor() -> None:
    seats = [seat("plain", 9), seat("gpu", 1, labels={"gpu": "yes", "site": "b"})]
    found = admit([waiting("a", lane="gpu=yes")], seats, {})
    assert [(a.run, a.executor, a.session) for a in found] == [("a", "gpu", "session of gpu")]


def test_an_executor_of_some_queues_takes_only_those() -> None:
    seats = [seat("night", 9, queues=("nightly",)), seat("any", 1)]
    found = admit([waiting("a"), waiting("b", queue="nightly", age=2)], seats, {})
    assert [(a.run, a.executor) for a in found] == [("a", "any"), ("b", "night")]


def test_the_executor_with_most_free_slots_gets_the_run() -> None:
    found = admit([waiting("a"), waiting("b"), waiting("c")], [seat("one", 1), seat("two", 2)], {})
    assert sorted(a.executor for a in found) == ["one", "two", "two"]
    assert found[0].executor == "two"


def test_a_lane_is_the_same_however_labels_are_ordered() -> None:
    assert lane_of({"site": "b", "gpu": "yes"}) == lane_of({"gpu": "yes", "site": "b"})
    assert lane_of({}) == ""


def test_a_lane_is_served_by_whoever_has_all_its_labels() -> None:
    lane = lane_of({"site": "b", "gpu": "yes"})
    assert serves({"site": "b", "gpu": "yes", "more": "x"}, lane)
    assert not serves({"site": "b"}, lane)
    assert not serves({"site": "c", "gpu": "yes"}, lane)
    assert serves({}, "")


def test_a_label_with_an_equals_sign_in_its_value_is_still_one_label() -> None:
    assert serves({"flags": "a=b"}, lane_of({"flags": "a=b"}))


def test_what_a_lane_asks_for_is_named_as_people_do() -> None:
    assert (
        words_of(lane_of({"site": "b", "gpu": "yes"}, ["rsync"])) == "gpu=yes and rsync and site=b"
    )
    assert words_of("") == ""
