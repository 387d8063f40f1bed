"""What a function says through its context, line by line."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import perdure
from perdure.context import Context

Lines = list[dict[str, object]]


class Heard:
    """A context whose descriptor is read here."""

    def __init__(self) -> None:
        self._file, end = os.pipe()
        os.set_blocking(self._file, False)
        os.environ["PERDURE_FD"] = str(end)
        self.end = end

    def lines(self) -> Lines:
        try:
            return [json.loads(line) for line in os.read(self._file, 65536).splitlines()]
        except BlockingIOError:
            return []


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    monkeypatch.delenv("PERDURE_CHECKPOINT", raising=False)
    monkeypatch.setenv("PERDURE_FD", "")
    heard = Heard()
    yield heard
    os.close(heard.end)


@pytest.fixture
def resumed(heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heard:
    mark = {"number": 4, "cursor": {"item": 2, "key": "b"}, "state": {"sum": 3}}
    (tmp_path / "mark").write_text(json.dumps(mark))
    monkeypatch.setenv("PERDURE_CHECKPOINT", str(tmp_path / "mark"))
    return heard


def test_each_thing_said_is_a_line_of_json(heard: Heard) -> None:
    ctx = Context()
    ctx.progress(1, 3, unit="files", message="ü")
    ctx.checkpoint("here", {"n": 1})
    ctx.metrics(cost=1.5)
    ctx.result([1, None])
    ctx.skip("seen before")
    ctx.filter()

    assert heard.lines() == [
        {"progress": {"done": 1, "total": 3, "unit": "files", "message": "ü"}},
        {"checkpoint": {"cursor": "here", "state": {"n": 1}}},
        {"metrics": {"cost": 1.5}},
        {"result": [1, None]},
        {"outcome": "skipped", "message": "seen before"},
        {"outcome": "filtered", "message": ""},
    ]


def test_a_checkpoint_keeps_what_is_left_out(heard: Heard) -> None:
    ctx = Context()
    ctx.checkpoint(1, "a")
    ctx.checkpoint(2)
    ctx.checkpoint(state="b")

    said = [line["checkpoint"] for line in heard.lines()]
    assert said == [
        {"cursor": 1, "state": "a"},
        {"cursor": 2, "state": "a"},
        {"cursor": 2, "state": "b"},
    ]


def test_what_cannot_be_said_is_an_error_and_not_said(heard: Heard) -> None:
    ctx = Context()
    attempts: list[Callable[[], None]] = [
        lambda: ctx.result(object()),
        lambda: ctx.result(float("nan")),
        lambda: ctx.result("x" * 65_536),
        lambda: ctx.metrics(cost=float("inf")),
        lambda: ctx.checkpoint("x" * 49_152),
    ]
    for say in attempts:
        with pytest.raises(ValueError, match=r"JSON"):
            say()
    assert heard.lines() == []


def test_a_state_given_inside_of_items_goes_with_the_item(heard: Heard) -> None:
    ctx = Context()
    for letter in ctx.items("ab", key=str.upper):
        ctx.checkpoint(state=letter)

    said = [line["checkpoint"] for line in heard.lines() if "checkpoint" in line]
    assert said == [
        {"cursor": {"item": 1, "key": "A"}, "state": "a"},
        {"cursor": {"item": 2, "key": "B"}, "state": "b"},
    ]


def test_items_begin_after_the_last_one_that_was_finished(resumed: Heard) -> None:
    ctx = Context()

    assert list(ctx.items("abcd", key=str)) == ["c", "d"]
    assert [line["progress"] for line in resumed.lines() if "progress" in line] == [
        {"done": done, "total": 4} for done in (2, 3, 4)
    ]
    assert ctx.resume is not None
    assert (ctx.resume.number, ctx.resume.state) == (4, {"sum": 3})


def test_an_item_that_is_not_there_any_more_is_an_error(resumed: Heard) -> None:
    with pytest.raises(LookupError, match="The item b"):
        list(Context().items("acd", key=str))


def test_outside_of_perdure_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_FD", raising=False)
    ctx = Context()
    ctx.progress(1)

    assert list(ctx.items([1, 2])) == [1, 2]
    assert ctx.resume is None
    assert not ctx.cancelled


def test_who_looks_is_not_interrupted() -> None:
    ctx = Context()

    assert ctx.end()
    assert ctx.cancelled
    assert not ctx.end()


def test_every_name_of_the_package_is_there_and_typed() -> None:
    stub = Path(perdure.__file__).with_name("__init__.pyi").read_text()

    assert all(getattr(perdure, name) is not None for name in perdure.__all__)
    assert stub.count('    "') == len(perdure.__all__)
    assert all(f'    "{name}",' in stub for name in perdure.__all__)
    with pytest.raises(AttributeError):
        perdure.nothing  # type: ignore[attr-defined]  # noqa: B018
