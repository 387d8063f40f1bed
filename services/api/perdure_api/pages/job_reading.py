"""A filled form of a job or schedule as what a program would send: same validator, same words.

Faults come back at their fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused
from perdure_api.fields import read
from perdure_api.job_drafts import JobDraft, ScheduleDraft, definition_of, read_job, read_plan
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms import batch, command, parameters, python, rules, schedule
from perdure_api.pages.forms.parameters import ParameterRow
from perdure_api.pages.forms.reader import Reader, strict_json
from perdure_api.pages.job_form import DEFAULTS, LABELS
from perdure_contract.jobs import JobDefinition, Parameter, SchedulePlan
from perdure_contract.retries import retry_of
from perdure_contract.specs import Limits

POINTERS: Final = (
    *command.POINTERS,
    *python.POINTERS,
    *batch.POINTERS,
    ("/description", "description"),
    ("/reason", "reason"),
    *rules.POINTERS,
)
MAIN: Final = {"argv": "argv", "script": "script", "python": "func", "json": "spec_json"}
"""The field that faults of the whole work belong to."""
DRY_RUN_FIRST: Final = "It deletes: do a dry run of exactly this in the builder of backups first."


def read_definition(
    values: Mapping[str, str], rows: Sequence[ParameterRow]
) -> tuple[JobDraft | None, tuple[Problem, ...]]:
    """Turn a form into a job through the validator that programs meet too; or say what is wrong."""
    reader = Reader(values, DEFAULTS)
    body = rules.body_of(reader)
    for name in ("run_at", "unique_key"):
        body.pop(name, None)
    params, faults = parameters.params_of(rows)
    body |= {
        "name": values["name"].strip(),
        "description": values["description"].strip(),
        "enabled": bool(values["enabled"]),
        "spec": _spec(reader),
        "params": params,
    }
    problems = [_problem(name, message) for name, message in (*reader.faults, *faults)]
    draft = None
    try:
        draft = read_job(body, JobDraft)
    except Refused as refused:
        problems += _led(refused.errors, problems, values, rows)
    return (None if problems else draft), tuple(problems)


def read_schedule(
    values: Mapping[str, str], job: str, given: Mapping[str, object]
) -> tuple[SchedulePlan | None, tuple[Problem, ...]]:
    """Turn the part about when into a plan of a job; or say what is wrong."""
    reader = Reader(values, DEFAULTS)
    body = {"job": job or "new", "params": dict(given), **schedule.body_of(reader)}
    problems = [_problem(name, message) for name, message in reader.faults]
    plan = None
    try:
        plan = read_plan(read(body, ScheduleDraft))
    except Refused as refused:
        problems += led_to_schedule(refused.errors, values, known=problems)
    return (None if problems else plan), tuple(problems)


def led_to_schedule(
    errors: Sequence[FieldError], values: Mapping[str, str], known: Sequence[Problem] = ()
) -> list[Problem]:
    """Lead faults of a schedule to their fields; a field that could not be read has its words."""
    seen = {problem.field for problem in known}
    found = []
    for error in errors:
        name = next((n for start, n in schedule.POINTERS if error.pointer.startswith(start)), None)
        if error.pointer.startswith("/params/"):
            name = f"v-{error.pointer.removeprefix('/params/')}"
        elif name is None and error.pointer.startswith("/trigger"):
            name = schedule.MAIN.get(values["when"])
        if name is None or name not in seen:
            found.append(_problem(name, error.message))
    return found


def led_to_job(errors: Sequence[FieldError], values: Mapping[str, str]) -> list[Problem]:
    """Lead faults of a job to their fields."""
    return _led(errors, (), values, ())


def _led(
    errors: Sequence[FieldError],
    known: Sequence[Problem],
    values: Mapping[str, str],
    rows: Sequence[ParameterRow],
) -> list[Problem]:
    seen = {problem.field for problem in known}
    found = []
    for error in errors:
        # What a batch does for each item stands in the same fields as what is done once.
        place = error.pointer
        if values["mode"] != "json":
            place = place.replace("/spec/each", "/spec", 1)
        name = next((n for start, n in POINTERS if place.startswith(start)), None)
        if error.pointer.startswith("/params"):
            name = parameters.field_of(error.pointer, rows)
        elif error.pointer.startswith("/spec") and (name is None or values["mode"] == "json"):
            name = MAIN.get(values["mode"], "argv")
        elif name == "argv" and values["mode"] == "script":
            name = "script"
        if name is None or name not in seen:
            found.append(_problem(name, _placed(error, place, name)))
    return found


def _placed(error: FieldError, place: str, name: str | None) -> str:
    parts = place.split("/")
    if error.code == "dry-run-needed":
        return DRY_RUN_FIRST
    if name == "spec_json":
        return f"{error.pointer.removeprefix('/spec') or '/'}: {error.message}"
    if parts[1:3] == ["spec", "argv"] and len(parts) > 3 and parts[3].isdecimal():  # noqa: PLR2004 -- /spec/argv/0
        return f"Line {int(parts[3]) + 1}: {error.message}"
    if parts[1:3] == ["spec", "items"] and len(parts) > 3:  # noqa: PLR2004 -- /spec/items/0
        return f"Item {int(parts[3]) + 1}: {error.message}"
    return error.message


def _problem(name: str | None, message: str) -> Problem:
    part = (name or "").partition("-")[2]
    label = LABELS.get(name or "") or parameters.LABELS.get(part, part)
    return Problem(field=name, label=label, message=message)


def _spec(reader: Reader) -> object:
    mode = reader.text("mode")
    if mode != "json":
        each = python.spec_of(reader) if mode == "python" else command.spec_of(reader)
        return batch.spec_of(reader, each) if reader.text("over") == "batch" else each
    try:
        return strict_json(reader.text("spec_json"))
    except ValueError:
        reader.wrong("spec_json", "This is not JSON.")
        return {"kind": "command", "argv": ["true"]}


def given_of(
    params: Mapping[str, Parameter], fields: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Take the values of parameters from a sent form; what is as the default stays the default."""
    given = {}
    for name, parameter in params.items():
        text = fields.get(f"v-{name}", [""])[-1].strip()
        if text and text != parameters.shown(parameter.default):
            given[name] = parameters.typed_value(parameter.type, text)
    return given


def saved_definition(draft: JobDraft) -> JobDefinition:
    """Give what is stored of a job that was read."""
    made = definition_of(draft)
    plain = {"retry": None} if made.retry == retry_of(made.spec, None) else {}
    plain |= {"limits": None} if made.limits == Limits() else {}
    return msgspec.structs.replace(made, **plain) if plain else made
