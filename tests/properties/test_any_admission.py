"""Whatever waits, whoever is free: admission gives no more than there is, and wastes nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from perdure_api.domain.admission import Candidate, Seat, admit
from perdure_api.domain.lanes import lane_of, serves

QUEUES = ["a", "b", "c"]
LABELS: list[dict[str, str]] = [{}, {"gpu": "yes"}, {"gpu": "yes", "site": "b"}, {"site": "b"}]

CANDIDATES = st.lists(
    st.tuples(st.sampled_from(QUEUES), st.sampled_from(LABELS), st.integers(-2, 2)), max_size=25
).map(
    lambda drawn: [
        Candidate(f"run {age}", queue, lane_of(labels), priority, age)
        for age, (queue, labels, priority) in enumerate(drawn)
    ]
)
SEATS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(LABELS),
        st.sampled_from([(), ("a",), ("a", "b")]),
    ),
    max_size=4,
).map(
    lambda drawn: [
        Seat(f"executor {index}", f"session {index}", free, labels, queues)
        for index, (free, labels, queues) in enumerate(drawn)
    ]
)
ROOM = st.dictionaries(
    st.sampled_from(QUEUES), st.one_of(st.none(), st.integers(0, 5)), max_size=len(QUEUES)
)


@given(CANDIDATES, SEATS, ROOM)
def test_no_more_starts_than_there_are_slots_and_room(
    candidates: list[Candidate], seats: list[Seat], room: dict[str, int | None]
) -> None:
    assignments = admit(candidates, seats, room)
    by_run = {candidate.run: candidate for candidate in candidates}
    by_executor = {seat.executor: seat for seat in seats}
    assert len({a.run for a in assignments}) == len(assignments)
    for executor, started in Counter(a.executor for a in assignments).items():
        assert started <= by_executor[executor].free
    for queue, started in Counter(a.queue for a in assignments).items():
        left = room.get(queue)
        assert left is None or started <= left
    for assignment in assignments:
        candidate, seat = by_run[assignment.run], by_executor[assignment.executor]
        assert assignment.queue == candidate.queue
        assert assignment.session == seat.session
        assert not seat.queues or candidate.queue in seat.queues
        assert serves(seat.labels, candidate.lane)


@given(CANDIDATES, SEATS, ROOM)
def test_nothing_that_could_start_waits_beside_a_free_slot(
    candidates: list[Candidate], seats: list[Seat], room: dict[str, int | None]
) -> None:
    assignments = admit(candidates, seats, room)
    started = {a.run for a in assignments}
    taken = Counter(a.executor for a in assignments)
    used = Counter(a.queue for a in assignments)
    for candidate in candidates:
        left = room.get(candidate.queue)
        if candidate.run in started or (left is not None and used[candidate.queue] >= left):
            continue
        for seat in seats:
            free = seat.free - taken[seat.executor]
            assert free <= 0 or not seat.takes(candidate.queue, candidate.lane), candidate


@given(CANDIDATES, SEATS)
def test_of_two_alike_the_one_before_the_other_starts_first(
    candidates: list[Candidate], seats: list[Seat]
) -> None:
    started = {a.run for a in admit(candidates, seats, {})}
    for before in candidates:
        for behind in candidates:
            alike = (before.queue, before.lane) == (behind.queue, behind.lane)
            first = (-before.priority, before.age) < (-behind.priority, behind.age)
            if alike and first and behind.run in started:
                assert before.run in started


@given(CANDIDATES, SEATS, ROOM)
def test_the_same_question_has_the_same_answer_in_any_order(
    candidates: list[Candidate], seats: list[Seat], room: dict[str, int | None]
) -> None:
    assert admit(candidates, seats, room) == admit(candidates[::-1], seats, room)
