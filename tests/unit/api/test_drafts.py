"""One validator for all doors: what is taken, what is refused, and in which words."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure_api.drafts import Draft, read_rerun, read_run, read_runs
from perdure_api.errors import Refused
from perdure_api.fields import read
from perdure_contract.specs import CommandSpec, RunRequest

TRUE = {"kind": "command", "argv": ["true"]}
EMPTY = {"kind": "command", "argv": []}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [*Draft.__struct_fields__, "kind", "argv", "script", "env", "max_attempts"]
)


@given(JSON | st.dictionaries(FIELDS, JSON, max_size=6))
def test_whatever_comes_in_is_a_request_or_a_list_of_faults(value: object) -> None:
    try:
        request = read_run(value)
    except Refused as refused:
        faults = refused.errors
    else:
        assert msgspec.json.decode(msgspec.json.encode(request), type=RunRequest) == request
        return
    assert faults
    assert all(fault.code and fault.message for fault in faults)


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_what_cannot_be_converted_has_a_fault_with_a_place(fields: dict[str, Any]) -> None:
    value = {"spec": TRUE, **fields}
    try:
        msgspec.convert(value, Draft)
    except msgspec.ValidationError:
        with pytest.raises(Refused) as refusal:
            read(value, Draft)
        assert [error.code for error in refusal.value.errors] != ["not-valid"]


def faults(value: object) -> dict[str, str]:
    with pytest.raises(Refused) as refusal:
        read_run(value)
    return {error.pointer: error.code for error in refusal.value.errors}


def test_places_in_lists_and_objects_are_json_pointers() -> None:
    env = {"a/b~c": 1}
    assert faults({"spec": {**TRUE, "env": env}}) == {"/spec/env/a~1b~0c": "wrong-type"}
    assert faults({"spec": TRUE, "retry": {"on": ["exit", 3]}}) == {"/retry/on/1": "wrong-type"}


def test_a_name_is_brought_to_one_form() -> None:
    assert read_run({"spec": TRUE, "name": "e\u0301"}).name == "\u00e9"


def test_words_say_the_bounds() -> None:
    with pytest.raises(Refused) as refusal:
        read_run({"spec": TRUE, "priority": 500, "limits": {"timeout_seconds": -1}})
    assert [error.message for error in refusal.value.errors] == [
        "Between -100 and 100.",
        "Between 0 and 31622400.",
    ]


def test_times_are_kept_in_utc() -> None:
    request = read_run({"spec": TRUE, "run_at": "2027-06-01T10:00:00+02:00"})
    assert request.run_at is not None
    assert request.run_at.isoformat() == "2027-06-01T08:00:00+00:00"


def test_a_bulk_tells_faults_of_several_runs() -> None:
    with pytest.raises(Refused) as refusal:
        read_runs({"runs": [{"spec": TRUE}, {"spec": {"kind": "command"}}, {"spec": EMPTY}]})
    pointers = [error.pointer for error in refusal.value.errors]
    assert pointers == ["/runs/1/spec/argv", "/runs/2/spec/argv"]


def test_a_rerun_keeps_what_is_not_given_anew() -> None:
    old = RunRequest(
        name="old", spec=CommandSpec(argv=("a",)), queue="q", unique_key="once", tags=("t",)
    )
    new = read_rerun(old, {"queue": "r"}, "the-old-one")
    assert (new.name, new.queue, new.tags, new.spec) == ("old", "r", ("t",), old.spec)
    assert (new.unique_key, new.rerun_of) == (None, "the-old-one")
