"""The form of a new run brings the same request as a program would, through the same validator."""

from perdure_api.drafts import read_run
from perdure_api.kinds.kind import argv_of
from perdure_api.pages.new_run import read_request
from perdure_api.pages.run_form import DEFAULT_ON, DEFAULTS, typed, values_of
from perdure_contract.specs import CommandSpec, Limits, Retry, RunRequest


def test_an_untouched_form_asks_for_the_defaults_of_the_contract() -> None:
    request, problems = read_request(DEFAULTS | {"argv": "/bin/true"}, DEFAULT_ON)
    assert problems == ()
    assert request == read_run({"spec": {"kind": "command", "argv": ["/bin/true"]}})


def test_each_line_is_one_argument_exactly_as_it_stands() -> None:
    values, on = typed(
        {
            "mode": ["argv"],
            "argv": ["printf\r\n%s\r\n  a  b  \r\n\r\n$(touch x)\r\n"],
            "on": list(DEFAULT_ON),
        }
    )
    request, _ = read_request(values, on)
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
    request, problems = read_request(*values_of(wanted))
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
    request, problems = read_request(values, ())
    assert request is None
    assert {problem.field for problem in problems} == {"priority", "timeout", "labels", "queue"}


def test_a_missing_command_is_a_fault_of_the_field_that_is_shown() -> None:
    assert [p.field for p in read_request(DEFAULTS, DEFAULT_ON)[1]] == ["argv"]
    assert [p.field for p in read_request(DEFAULTS | {"mode": "script"}, DEFAULT_ON)[1]] == [
        "script"
    ]
