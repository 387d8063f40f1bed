"""The form of a new run brings the same request as a program would, through the same validator."""

import pytest

from perdure_api.drafts import read_run
from perdure_api.kinds.kind import argv_of
from perdure_api.pages.calls import call_words
from perdure_api.pages.new_run import read_request
from perdure_api.pages.preview import preview_of
from perdure_api.pages.run_form import DEFAULTS, typed, values_of
from perdure_contract.specs import (
    BatchSpec,
    CommandSpec,
    InputRef,
    Limits,
    PythonSpec,
    Retry,
    RunRequest,
)


def test_an_untouched_form_asks_for_the_defaults_of_the_contract() -> None:
    request, problems = read_request(DEFAULTS | {"argv": "/bin/true"})
    assert problems == ()
    assert request == read_run({"spec": {"kind": "command", "argv": ["/bin/true"]}})


def test_each_line_is_one_argument_exactly_as_it_stands() -> None:
    values = typed(
        {
            "mode": ["argv"],
            "argv": ["printf\r\n%s\r\n  a  b  \r\n\r\n$(touch x)\r\n"],
            "on": ["exit", "lost"],
        }
    )
    request, _ = read_request(values)
    assert request is not None
    assert argv_of(request.spec) == ("printf", "%s", "  a  b  ", "", "$(touch x)")


def test_a_form_that_was_filled_from_a_run_asks_for_the_same_again() -> None:
    wanted = RunRequest(
        name="all of it",
        spec=CommandSpec(argv=("/bin/echo", "a b"), env={"A": "1", "B": "x=y"}, cwd="/srv"),
        queue="heavy",
        priority=-5,
        tags=("one", "two"),
        labels={"site": "b"},
        retry=Retry(
            max_attempts=6,
            initial_seconds=1.5,
            factor=3,
            max_seconds=90,
            on=("exit", "lost"),
            not_exit_codes=(2, 3),
        ),
        limits=Limits(
            timeout_seconds=5400,
            grace_seconds=0,
            memory_bytes=512 << 20,
            log_bytes=10**6,
            when_cut_off="continue",
        ),
    )
    request, problems = read_request(values_of(wanted))
    assert problems == ()
    assert request == wanted


def test_every_fault_is_found_at_once_and_led_to_its_field() -> None:
    values = DEFAULTS | {
        "argv": "ok\n./x",
        "priority": "high",
        "timeout": "soon",
        "labels": "gpu",
        "queue": "No!",
    }
    request, problems = read_request(values)
    assert request is None
    assert {problem.field for problem in problems} == {"priority", "timeout", "labels", "queue"}


def test_a_missing_command_is_a_fault_of_the_field_that_is_shown() -> None:
    assert [p.field for p in read_request(DEFAULTS)[1]] == ["argv"]
    assert [p.field for p in read_request(DEFAULTS | {"mode": "script"})[1]] == ["script"]


def test_arguments_of_a_function_keep_their_types() -> None:
    typed_in = {
        "kind": "python",
        "func": " reports:build ",
        "args": 'north\n3\n"3"\ntrue\n[1, 2]\n007',
        "kwargs": 'site = x=y\nwhen={"year": 2026}',
    }
    request, problems = read_request(DEFAULTS | typed_in)
    assert problems == ()
    assert request is not None
    assert request.spec == PythonSpec(
        func="reports:build",
        args=("north", 3, "3", True, [1, 2], "007"),
        kwargs={"site": "x=y", "when": {"year": 2026}},
    )
    assert call_words(request.spec) == (
        "reports:build('north', 3, '3', True, [1, 2], '007', site='x=y', when={'year': 2026})"
    )
    as_lists = typed_in | {"args": '["a", 1]', "kwargs": '{"b": null}'}
    request, _ = read_request(DEFAULTS | as_lists)
    assert request is not None
    assert request.spec == PythonSpec(func="reports:build", args=("a", 1), kwargs={"b": None})


def test_what_is_wrong_with_arguments_is_said_at_their_fields() -> None:
    typed_in = {"kind": "python", "args": "[1, 2", "kwargs": "a=1\nb\na=2"}
    _, problems = read_request(DEFAULTS | typed_in)
    assert {problem.field for problem in problems} == {"func", "args", "kwargs"}
    assert "line 1" in next(p.message for p in problems if p.field == "args")


@pytest.mark.parametrize(
    "args",
    [(), ("a", 1), ("",), ("a", ""), ([1], 2), ("[x", "two\nlines"), ("  kept  ", None, "null")],
)
def test_a_function_run_again_gets_the_same_arguments(args: tuple[object, ...]) -> None:
    spec = PythonSpec(func="m:f", args=args, kwargs={"x": " y ", "z": 1})
    wanted = RunRequest(name="again", spec=spec)
    request, problems = read_request(values_of(wanted))
    assert problems == ()
    assert request == wanted


def test_items_are_written_as_lines_csv_or_json() -> None:
    each = {"kind": "batch", "argv": "curl\n{item}"}
    request, _ = read_request(DEFAULTS | each | {"items": "one\n\n two "})
    assert request is not None
    assert request.spec == BatchSpec(
        each=CommandSpec(argv=("curl", "{item}")), items=("one", "two")
    )
    named = each | {"argv": "curl\n{url}"}
    for written, text in (
        ("csv", 'key,url\na,"x,y"\n'),
        ("jsonl", '{"key": "a", "url": "x,y"}'),
    ):
        request, problems = read_request(
            DEFAULTS | named | {"items": text, "items_as": written, "concurrency": "4"}
        )
        assert problems == ()
        assert request is not None
        assert request.spec == BatchSpec(
            each=CommandSpec(argv=("curl", "{url}")),
            items=({"key": "a", "url": "x,y"},),
            concurrency=4,
        )
        (shown,) = preview_of(request, request.spec.items or ()).items
        assert (shown.title, shown.argv) == ("Item 1, a", ("curl", "x,y"))


def test_what_is_wrong_with_a_batch_is_said_at_its_fields() -> None:
    each = DEFAULTS | {"kind": "batch", "argv": "curl\n{nothing}"}

    def fields(**typed_in: str) -> set[str | None]:
        request, problems = read_request(each | typed_in)
        assert request is None
        return {problem.field for problem in problems}

    assert fields(items="one") == {"argv"}
    assert fields(items="", argv="true") == {"items"}
    assert fields(items='{"a"', items_as="jsonl", argv="true") == {"items"}
    assert fields(source="file", argv="true") == {"file"}
    assert fields(source="upload", argv="true") == {"upload"}
    assert fields(items="x", each="python", func="", concurrency="0") == {"func", "concurrency"}
    assert fields(items="x", argv="true", item_initial="soon", stop_after_failures="some") == {
        "item_initial",
        "stop_after_failures",
    }


def test_a_batch_run_again_takes_the_stored_items() -> None:
    spec = BatchSpec(
        each=PythonSpec(func="m:f", args=("{n}", "{item}")),
        input=InputRef(input="01950000-0000-7000-8000-000000000001", sha256="0" * 64, total=313),
        concurrency=8,
        checkpoint_every=50,
        item_retry=Retry(max_attempts=3, on=("exit",), not_exit_codes=(4,)),
        stop_after_failures=20,
        park_after=2,
    )
    wanted = RunRequest(name="again", spec=spec)
    request, problems = read_request(values_of(wanted))
    assert problems == ()
    assert request == wanted
    assert preview_of(wanted).lines[0].startswith("Goes through 313 items 8 at a time.")
