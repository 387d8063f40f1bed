"""The form of a job: what it is filled with is what it asks for again, batches included."""

import pytest
from msgspec.structs import replace

from perdure_api.pages.job_filling import values_of_job
from perdure_api.pages.job_form import DEFAULTS, typed
from perdure_api.pages.job_reading import led_to_job, read_definition
from perdure_contract.jobs import JobDefinition
from perdure_contract.specs import BatchSpec, CommandSpec, InputRef, PythonSpec, Retry, Spec

STORED = InputRef(input="01a2", sha256="ab", total=3, fields=("town",))
EACH = CommandSpec(argv=("echo", "{town}"), env={"A": "b"})
WRITTEN = BatchSpec(each=EACH, items=({"town": "Bonn"}, {"town": "Ulm"}), concurrency=3)


@pytest.mark.parametrize(
    "spec",
    [
        CommandSpec(argv=("echo", "Bonn"), cwd="/srv"),
        CommandSpec(script="echo", shell="bash"),
        PythonSpec(func="a.b:c", args=(1, "x")),
        WRITTEN,
        replace(WRITTEN, item_retry=Retry(max_attempts=3), stop_after_failures=2, park_after=1),
        BatchSpec(each=PythonSpec(func="a.b:c", args=("{town}",)), input=STORED),
        BatchSpec(each=EACH, file="/srv/towns.csv"),
        BatchSpec(each=EACH, upload="01a2"),
    ],
)
def test_a_form_that_was_filled_from_a_job_asks_for_the_same_again(spec: Spec) -> None:
    values = values_of_job("towns", JobDefinition(spec=spec, queue="slow"))
    draft, problems = read_definition(values, ())
    assert problems == ()
    assert draft is not None
    assert (draft.spec, draft.queue) == (spec, "slow")


def test_a_job_asks_for_its_file_again_whose_items_are_stored() -> None:
    spec = BatchSpec(each=EACH, file="/srv/towns.csv", input=STORED)
    draft, _ = read_definition(values_of_job("towns", JobDefinition(spec=spec)), ())
    assert draft is not None
    assert draft.spec == replace(spec, input=None)


def test_what_is_wrong_with_a_batch_is_said_at_its_fields() -> None:
    values = values_of_job("towns", JobDefinition(spec=WRITTEN)) | {"argv": "echo\n{city}"}
    _, problems = read_definition(values, ())
    assert [(p.field, p.message.partition(":")[0]) for p in problems] == [("argv", "Line 2")]
    empty = DEFAULTS | {"name": "towns", "over": "batch", "argv": "echo\n{item}"}
    _, problems = read_definition(empty, ())
    assert [p.field for p in problems] == ["items"]
    assert led_to_job((), values) == []


def test_boxes_that_were_emptied_stay_empty() -> None:
    values = typed({"mode": ["argv"], "over": ["batch"], "item_on": ["exit", "signal"]})
    assert (values["item_on"], values["on"]) == ("exit signal", "")
