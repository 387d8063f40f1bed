"""Saved jobs: revisions, parameters, and the requests that are made of them."""

import pytest

from perdure_api.domain import job as jobs
from perdure_api.domain.job import Job
from perdure_api.domain.parameters import bound, checked, definition_faults
from perdure_api.domain.rejections import Rejection
from perdure_contract.facts import JobFact
from perdure_contract.jobs import JobDefinition, Parameter, Value
from perdure_contract.specs import CommandSpec

SPEC = CommandSpec(argv=("/bin/echo", "{site}", "{{site}}", "x{site}"), env={"N": "{number}"})
PARAMS = {
    "site": Parameter(type="choice", choices=("north", "south"), default="north"),
    "number": Parameter(type="number", minimum=1, maximum=9),
    "name": Parameter(type="string", pattern="[a-z]+", default="abc"),
    "where": Parameter(type="path", root="/srv", default="/srv/a"),
    "loud": Parameter(type="boolean", default=False),
}
DEFINITION = JobDefinition(spec=SPEC, params=PARAMS)


def after(decided: tuple[JobFact, ...] | Rejection, job: Job | None = None) -> Job:
    assert isinstance(decided, tuple)
    for fact in decided:
        job = jobs.evolve(job, fact)
    assert job is not None
    return job


def test_revisions_count_on_over_deletion() -> None:
    job = after(jobs.create(None, "one", DEFINITION, "api"))
    job = after(jobs.revise(job, JobDefinition(spec=CommandSpec(argv=("true",))), "api"), job)
    assert job.revision == 2
    job = after(jobs.delete(job, None), job)
    job = after(jobs.create(job, "one", DEFINITION, "ui"), job)
    assert (job.revision, job.deleted) == (3, False)


def test_a_name_that_is_taken_is_refused() -> None:
    job = after(jobs.create(None, "one", DEFINITION, "api"))
    refused = jobs.create(job, "one", DEFINITION, "api")
    assert isinstance(refused, Rejection)
    assert refused.code == "already-exists"


def test_the_same_definition_again_is_no_revision() -> None:
    job = after(jobs.create(None, "one", DEFINITION, "api"))
    assert jobs.revise(job, DEFINITION, "api") == ()


def test_values_become_whole_arguments_and_nothing_else() -> None:
    values = checked(PARAMS, {"number": 2, "site": "south"})
    assert isinstance(values, dict)
    assert bound(SPEC, values) == CommandSpec(
        argv=("/bin/echo", "south", "{site}", "x{site}"), env={"N": "2"}
    )


def test_a_request_holds_the_resolved_spec_and_its_revision() -> None:
    job = after(jobs.create(None, "one", DEFINITION, "api"))
    values = checked(PARAMS, {"number": 2.0})
    assert isinstance(values, dict)
    request = jobs.request_of(job, values)
    assert (request.job, request.job_revision, request.params["number"]) == ("one", 1, 2.0)
    assert isinstance(request.spec, CommandSpec)
    assert request.spec.env == {"N": "2"}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("site", "east", "unknown-value"),
        ("number", 10, "out-of-range"),
        ("number", True, "wrong-type"),
        ("number", "2", "wrong-type"),
        ("name", "ABC", "bad-text"),
        ("name", "a; rm", "bad-text"),
        ("where", "/srv/../etc", "outside-root"),
        ("where", "srv", "not-absolute"),
        ("loud", "yes", "wrong-type"),
        ("nobody", 1, "unknown-parameter"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused_at_its_place(
    name: str, value: Value, code: str
) -> None:
    faults = checked(PARAMS, {"number": 1, name: value})
    assert isinstance(faults, tuple)
    assert [(fault.pointer, fault.code) for fault in faults] == [(f"/params/{name}", code)]


def test_what_has_no_default_is_needed() -> None:
    faults = checked(PARAMS, {})
    assert isinstance(faults, tuple)
    assert [(fault.pointer, fault.code) for fault in faults] == [("/params/number", "missing")]


def test_a_spec_that_names_no_parameter_is_refused() -> None:
    spec = CommandSpec(argv=("/bin/echo", "{sight}", "{}", "{{sight}}"))
    assert [fault.pointer for fault in definition_faults(PARAMS, spec)] == ["/spec/argv/1"]


def test_a_pattern_that_could_take_for_ever_is_refused() -> None:
    found = definition_faults({"name": Parameter(pattern="(a+)+")}, CommandSpec(argv=("true",)))
    assert [fault.code for fault in found] == ["bad-pattern"]
