import json
from collections.abc import Iterator

import msgspec
import pytest

from perdure import BadAnswer, LinesSeen, ProgressSeen, StateSeen, Update
from perdure.following import Following
from perdure.requests import Page, Pause, Request
from perdure_contract.objects import LogEntry, ProgressView, RunView

RUN = {
    "id": "r", "name": "n", "kind": "command", "state": "running", "version": 2, "position": 2,
    "job": None, "queue": "default", "priority": 0, "tags": [], "labels": {}, "attempt": 1,
    "max_attempts": 1, "created_at": "", "started_at": None, "ended_at": None,
    "next_attempt_at": None, "executor": "e", "progress": None, "checkpoint": None, "items": None,
    "result": None, "metrics": {}, "failure": None, "rerun_of": None, "unique_key": None,
    "retry": {}, "limits": {}, "spec": {"kind": "command", "argv": ["x"]}, "actions": {},
    "tenant": "default",
}  # fmt: skip
HALF = {
    "done": 1, "total": 2, "unit": None, "fraction": 0.5, "eta_seconds": None, "message": None,
}  # fmt: skip


def run(**fields: object) -> RunView:
    return msgspec.convert(RUN | fields, RunView)


def line(number: int) -> dict[str, object]:
    return {"line": number, "stream": "stdout", "at": "", "text": f"line {number}"}


def heard(following: Following, kind: str, data: object, event_id: str = "") -> list[Update]:
    text = msgspec.json.encode(data).decode()
    return list(following.hear(kind, text, event_id))


def lines_of(updates: list[Update]) -> list[tuple[int, int]]:
    return [
        (u.attempt, entry.line) for u in updates if isinstance(u, LinesSeen) for entry in u.lines
    ]


def looked(following: Following, run: RunView, log: dict[int, int]) -> list[Update]:
    """Carry out one look against a run whose attempts have so many lines."""
    steps = following.look()
    step = next(steps)
    while True:
        answer: object = None
        if isinstance(step, Request) and step.path.endswith("/log"):
            attempt, after = int(step.params["attempt"]), int(step.params["after"])
            some = [line(n) for n in range(after + 1, log[attempt] + 1)][
                : int(step.params["limit"])
            ]
            answer = Page(tuple(msgspec.convert(some, list[LogEntry])))
        elif isinstance(step, Request):
            answer = run
        else:
            assert isinstance(step, Pause)
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return list(end.value)


def test_states_progress_and_lines_are_told_as_they_come() -> None:
    following = Following("r")
    updates = [
        *heard(following, "state", RUN),
        *heard(following, "progress", {"attempt": 1, "progress": HALF}),
        *heard(following, "log", {"attempt": 1, "lines": [line(1), line(2)]}),
    ]
    assert updates[0] == StateSeen(run=run())
    assert updates[1] == ProgressSeen(progress=msgspec.convert(HALF, ProgressView), attempt=1)
    assert lines_of(updates) == [(1, 1), (1, 2)]
    assert following.goes_on()


def test_after_a_break_it_goes_on_behind_the_last_event() -> None:
    following = Following("r")
    assert "Last-Event-ID" not in following.headers
    heard(following, "log", {"attempt": 1, "lines": [line(1)]}, "2-1-1")
    assert following.headers["Last-Event-ID"] == "2-1-1"


def test_a_line_or_state_that_comes_twice_is_told_once() -> None:
    following = Following("r")
    heard(following, "state", RUN)
    heard(following, "log", {"attempt": 1, "lines": [line(1), line(2)]})
    assert heard(following, "state", RUN) == []
    assert lines_of(heard(following, "log", {"attempt": 1, "lines": [line(2), line(3)]})) == [
        (1, 3)
    ]


def test_lines_of_the_next_attempt_begin_anew() -> None:
    following = Following("r")
    heard(following, "log", {"attempt": 1, "lines": [line(1), line(2)]})
    assert lines_of(heard(following, "log", {"attempt": 2, "lines": [line(1)]})) == [(2, 1)]


def test_it_ends_with_the_end_of_the_stream_and_passes_over_what_it_does_not_know() -> None:
    following = Following("r")
    assert heard(following, "novelty", {"x": 1}) == []
    assert following.goes_on()
    assert heard(following, "end", {"state": "completed"}) == []
    assert not following.goes_on()


def test_what_is_no_event_of_ours_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        heard(Following("r"), "state", {"hello": "world"})


def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    assert Following("r").broke() is None


def test_breaks_are_borne_for_about_a_minute_and_longer_after_each_event() -> None:
    following = Following("r")
    following.opened()

    def pauses() -> Iterator[float]:
        while (pause := following.broke()) is not None:
            yield pause

    assert 30 < sum(pauses()) < 90
    heard(following, "end", {})
    assert following.broke() is not None


def test_looking_gives_each_line_once_and_the_state_after_them() -> None:
    following = Following("r")
    first = looked(following, run(progress=HALF), {1: 3})
    assert lines_of(first) == [(1, 1), (1, 2), (1, 3)]
    assert isinstance(first[-1], StateSeen)
    last = looked(following, run(state="completed", version=3, progress=HALF), {1: 4})
    assert lines_of(last) == [(1, 4)]
    assert [type(update) for update in last] == [LinesSeen, StateSeen]
    assert not following.goes_on()


def test_looking_misses_no_attempt_that_came_and_went_between() -> None:
    following = Following("r")
    looked(following, run(), {1: 1})
    updates = looked(following, run(attempt=3, version=9), {1: 2, 2: 1, 3: 1})
    assert lines_of(updates) == [(1, 2), (2, 1), (3, 1)]


def test_looking_takes_up_where_the_stream_was_given_up() -> None:
    following = Following("r")
    heard(following, "log", {"attempt": 1, "lines": [line(1), line(2)]})
    following.cannot_stream()
    assert lines_of(looked(following, run(), {1: 3})) == [(1, 3)]


def test_everything_told_can_be_written_as_json() -> None:
    update = LinesSeen(lines=(msgspec.convert(line(1), LogEntry),), attempt=1)
    assert json.loads(msgspec.json.encode(update))["lines"][0]["text"] == "line 1"
