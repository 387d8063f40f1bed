"""Functions in requests: their names, their arguments, and who may name any."""

from typing import Any

import pytest
from msgspec import UNSET

from perdure_api.domain.job import Job, request_of
from perdure_api.drafts import read_rerun, read_run
from perdure_api.errors import Refused
from perdure_api.job_drafts import read_job_run
from perdure_contract.jobs import JobDefinition
from perdure_contract.specs import CommandSpec, PythonSpec

FUNCTION = {"kind": "python", "func": "a.b:c", "args": [1], "kwargs": {"deep": {"x": None}}}


def faults(value: object) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refusal:
        read_run(value)
    return [(error.pointer, error.code) for error in refusal.value.errors]


@pytest.mark.parametrize("name", ["a:b", "a.b", "a.b.c:D.e", "pakete.prüfen:alles"])
def test_a_function_is_named_in_either_way(name: str) -> None:
    assert read_run({"spec": {**FUNCTION, "func": name}}).spec.func == name  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["a", "a:", ":b", "a:b:c", "a b.c", "a/b.py", "a..b", "1.b", "a.b()"]
)
def test_what_names_no_function_is_refused(name: str) -> None:
    assert faults({"spec": {**FUNCTION, "func": name}}) == [("/spec/func", "bad-name")]


def test_arguments_have_names_and_bounds() -> None:
    wrong: dict[str, Any] = {**FUNCTION, "kwargs": {"a b": 1}}
    large: dict[str, Any] = {**FUNCTION, "args": ["x" * 50_000]}

    assert faults({"spec": wrong}) == [("/spec/kwargs", "bad-name")]
    assert faults({"spec": large}) == [("/spec/args", "too-long")]


def test_no_request_says_of_itself_that_it_is_trusted() -> None:
    assert faults({"spec": FUNCTION, "trusted_func": True}) == [("/trusted_func", "unknown-field")]


def test_only_jobs_of_the_file_have_their_functions_allowed_as_named() -> None:
    definition = JobDefinition(spec=PythonSpec(func="a:b"))
    of_file = Job(name="j", revision=1, definition=definition, source="file")
    of_api = Job(name="j", revision=1, definition=definition, source="api")
    command = JobDefinition(spec=CommandSpec(argv=("true",)))

    assert request_of(of_file, {}).trusted_func is True
    assert read_job_run(of_file, {"priority": 3}).trusted_func is True
    assert request_of(of_api, {}).trusted_func is UNSET
    assert read_job_run(of_api, {}).trusted_func is UNSET
    commanded = Job(name="j", revision=1, definition=command, source="file")
    assert request_of(commanded, {}).trusted_func is UNSET


def test_a_rerun_keeps_that_only_with_its_function() -> None:
    definition = JobDefinition(spec=PythonSpec(func="a:b"))
    original = request_of(Job(name="j", revision=1, definition=definition, source="file"), {})

    assert read_rerun(original, {"priority": 1}, "r").trusted_func is True
    assert read_rerun(original, {"spec": FUNCTION}, "r").trusted_func is UNSET
