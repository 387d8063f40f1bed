"""What a job, a run or a schedule says, as texts in the fields of the form."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms import batch, command, parameters, python, rules, schedule
from perdure_api.pages.job_contexts import ParameterInput
from perdure_api.pages.job_form import DEFAULTS
from perdure_contract.jobs import JobDefinition, Parameter, ScheduleView
from perdure_contract.retries import retry_of
from perdure_contract.specs import BatchSpec, CommandSpec, Limits, PythonSpec, RunRequest, Spec


def values_of_job(name: str, made: JobDefinition) -> dict[str, str]:
    """Fill the form with a job."""
    request = RunRequest(
        name=name,
        spec=made.spec,
        queue=made.queue,
        priority=made.priority,
        tags=made.tags,
        labels=made.labels,
        retry=made.retry or retry_of(made.spec, None),
        limits=made.limits or Limits(),
    )
    return values_of_run(request) | {
        "name": name,
        "description": made.description,
        "enabled": "on" if made.enabled else "",
    }


def values_of_run(request: RunRequest) -> dict[str, str]:
    """Fill the form with what a run was asked to do."""
    return {**DEFAULTS, **rules.values_of(request), **_spec_values(request.spec)}


def _spec_values(spec: Spec) -> dict[str, str]:
    if isinstance(spec, CommandSpec):
        return command.values_of(spec)
    if isinstance(spec, PythonSpec):
        return {"mode": "python", **python.values_of(spec)}
    if isinstance(spec, BatchSpec):
        return _spec_values(spec.each) | batch.values_of(spec) | {"over": "batch"}
    return {"mode": "json", "spec_json": msgspec.json.format(msgspec.json.encode(spec)).decode()}


def values_of_schedule(found: ScheduleView) -> dict[str, str]:
    """Fill the form with a schedule."""
    return {**DEFAULTS, **schedule.values_of(found)}


def inputs_of(
    params: Mapping[str, Parameter], given: Mapping[str, Any], problems: Sequence[Problem] = ()
) -> tuple[ParameterInput, ...]:
    """Make a field for each parameter, filled with what was given, else with its default."""
    wrong = {problem.field: problem.message for problem in problems}
    return tuple(
        ParameterInput(
            name=name,
            parameter=parameter,
            value=parameters.shown(given[name])
            if name in given
            else parameters.shown(parameter.default),
            problem=wrong.get(f"v-{name}", ""),
        )
        for name, parameter in params.items()
    )
