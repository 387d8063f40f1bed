"""What programs say on their descriptor, folded and held back."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from perdure_contract.wire import Checkpoint, ProgressMade
from perdure_executor.reported import Reported


def said(**words: object) -> bytes:
    return msgspec.json.encode(words) + b"\n"


def test_garbage_is_counted_and_changes_nothing() -> None:
    reported = Reported()
    reported.hear(
        b'nonsense\n\n[]\n{"progress": 3}\n\xff\xfe\n{"metrics": {"a": true}}\n{"result"\n'
    )

    assert reported.ignored == 6
    assert "6 lines written to PERDURE_FD were not understood" in (reported.complaint() or "")
    assert reported.due(100.0) == []
    assert (reported.progress, reported.metrics, reported.result) == (None, {}, None)


def test_a_line_of_unknown_words_only_is_not_understood() -> None:
    reported = Reported()
    reported.hear(said(reslt=1) + said(progress={"done": 1}, later=True) + said(outcome="skipped"))

    assert reported.ignored == 1
    assert "1 line written to PERDURE_FD was not understood" in (reported.complaint() or "")


def test_who_was_understood_hears_no_complaint() -> None:
    reported = Reported()
    reported.hear(said(result="x" * 65_534) + said(metrics={"a": 1}))

    assert reported.complaint() is None


@given(st.binary(max_size=500))
def test_no_bytes_break_it(data: bytes) -> None:
    Reported().hear(data + b"\n")


def test_the_last_word_counts_and_metrics_add_up() -> None:
    reported = Reported()
    reported.hear(
        said(result=1) + said(metrics={"a": 1, "b": 2}) + said(result=None) + said(metrics={"b": 3})
    )

    assert reported.result == b"null"
    assert reported.metrics == {"a": 1, "b": 3}


def test_progress_is_reported_at_most_once_a_second() -> None:
    reported = Reported(milestone_at=100.0)
    reported.hear(said(progress={"done": 1, "total": 10}))
    first = reported.due(100.0)
    reported.hear(said(progress={"done": 2, "total": 10}))

    assert [type(finding) for finding in first] == [ProgressMade]
    assert reported.due(100.5) == []
    assert reported.wake_at() == 100.25 or reported.wake_at() is not None
    (second,) = reported.due(101.0)
    assert isinstance(second, ProgressMade)
    assert second.progress.done == 2


def test_a_milestone_needs_ten_seconds_and_a_tenth_or_a_new_phase() -> None:
    reported = Reported(milestone_at=0.0)

    def milestone(now: float, **progress: object) -> bool:
        reported.hear(said(progress=progress))
        found = [finding for finding in reported.due(now) if isinstance(finding, ProgressMade)]
        return bool(found) and found[0].milestone

    assert not milestone(5, done=50, total=100)
    assert milestone(10, done=50, total=100)
    assert not milestone(19, done=90, total=100)
    assert milestone(20, done=60, total=100)
    assert not milestone(40, done=65, total=100)
    assert milestone(41, done=66, total=100, message="phase two")
    assert not milestone(45, done=66, total=100, message="phase three")
    assert milestone(51, done=66, total=100, message="phase three")
    assert reported.milestones == 4


def test_checkpoints_are_numbered_and_held_back_but_never_the_last() -> None:
    reported = Reported(next_checkpoint=7)

    def checkpoints(now: float, cursor: int, *, ending: bool = False) -> list[int]:
        reported.hear(said(checkpoint={"cursor": cursor}))
        return [f.number for f in reported.due(now, ending=ending) if isinstance(f, Checkpoint)]

    assert checkpoints(100, 1) == [7]
    assert checkpoints(102, 2) == []
    assert checkpoints(105, 3) == [8]
    assert checkpoints(106, 4, ending=True) == [9]


def test_live_progress_is_at_most_four_times_a_second() -> None:
    reported = Reported()
    seen = 0
    for step in range(1000):
        reported.hear(said(progress={"done": step}))
        seen += reported.live(100 + step / 500) is not None

    assert seen <= 9


def test_what_is_too_large_is_left_out() -> None:
    reported = Reported()
    reported.hear(said(result="x" * 65_536) + said(checkpoint={"state": "x" * 50_000}))
    reported.hear(said(progress={"message": "m" * 1000, "unit": "u" * 100}))

    assert reported.result is None
    assert reported.checkpoint is None
    assert reported.progress is not None
    assert (len(reported.progress.message or ""), len(reported.progress.unit or "")) == (500, 32)


def test_it_survives_the_disk() -> None:
    reported = Reported(next_checkpoint=3)
    reported.hear(
        said(progress={"done": 1}) + said(metrics={"a": 1}) + said(checkpoint={"cursor": [1]})
    )
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(reported), type=Reported)

    assert again == reported
