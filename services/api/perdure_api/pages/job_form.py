"""The forms of jobs and schedules ↔ the JSON that a program would send: same validator, same words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused
from perdure_api.fields import read
from perdure_api.job_drafts import JobDraft, ScheduleDraft, definition_of, read_job, read_plan
from perdure_api.pages.form_contexts import FilledForm, Problem
from perdure_api.pages.forms import command, parameters, python, rules, schedule
from perdure_api.pages.forms.parameters import ParameterRow
from perdure_api.pages.forms.reader import Reader, strict_json
from perdure_api.pages.job_contexts import ParameterInput
from perdure_contract.jobs import JobDefinition, Parameter, SchedulePlan, ScheduleView
from perdure_contract.retries import retry_of
from perdure_contract.specs import CommandSpec, Limits, PythonSpec, RunRequest, Spec

MODES: Final = (
    ("argv", "Program and arguments"),
    ("script", "Script"),
    ("python", "Python function"),
    ("json", "JSON"),
)
LABELS: Final = {
    **command.LABELS,
    **python.LABELS,
    **rules.LABELS,
    **schedule.LABELS,
    "name": "Name",
    "description": "What it is for",
    "spec_json": "What it runs, as JSON",
    "enabled": "Enabled",
    "reason": "Why",
}
DEFAULTS: Final = {
    **dict.fromkeys(LABELS, ""),
    **command.DEFAULTS,
    **python.DEFAULTS,
    **rules.DEFAULTS,
    **schedule.DEFAULTS,
    "enabled": "on",
}
POINTERS: Final = (
    *command.POINTERS,
    *python.POINTERS,
    ("/description", "description"),
    ("/reason", "reason"),
    *rules.POINTERS,
)
MAIN: Final = {"argv": "argv", "script": "script", "python": "func", "json": "spec_json"}
"""The field that faults of the whole work belong to."""
RARE: Final = rules.RARE | {"cwd", "env", "stdin"}
"""Fields behind the fold of a job."""
EMPTIED: Final = ("timeout", "queue", "shell", *schedule.EMPTIED)
"""Fields that stay empty when they were emptied, instead of getting their default."""
BLANKS: Final = 1
"""Empty rows for parameters that are offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobForm(FilledForm):
    """The form of a job, a schedule or both as it is shown."""

    action: str
    """Where it is sent."""
    back: str
    """Where to go without saving."""
    go: str
    """Word for saving it."""
    of_job: bool
    """Whether it asks for a job."""
    of_schedule: bool
    """Whether it asks for a schedule."""
    is_new: bool
    """Whether a name is asked for."""
    rows: tuple[ParameterRow, ...] = ()
    """The parameters, with empty rows behind."""
    inputs: tuple[ParameterInput, ...] = ()
    """Fields for the values of a schedule's runs."""
    job: str = ""
    """The job that a schedule is of."""
    builder: str = ""
    """Where else its work can be changed; empty where there is no such place."""
    queues: tuple[str, ...] = ()
    """Queues to choose from."""
    zones: tuple[str, ...] = ()
    """Time zones to choose from."""
    modes: tuple[tuple[str, str], ...] = MODES
    """Kinds of work, with words."""
    types: tuple[tuple[str, str], ...] = parameters.TYPES
    """Types of parameters, with words."""
    reasons: tuple[tuple[str, str], ...] = rules.REASONS
    """Reasons to try again, with words."""
    whens: tuple[tuple[str, str], ...] = schedule.WHENS
    """Kinds of triggers, with words."""
    cron_fields: tuple[tuple[str, str], ...] = tuple(schedule.CRON_FIELDS.items())
    """Fields of a cron trigger, with words."""
    units: tuple[str, ...] = schedule.UNITS
    """Units of an interval."""
    overlaps: tuple[tuple[str, str], ...] = schedule.OVERLAPS
    """What may happen while a run has not ended."""
    coalesces: tuple[tuple[str, str], ...] = schedule.COALESCES
    """Which of several late fire times may be kept."""

    def opens(self, fold: str) -> bool:
        """Tell whether a fold with rarer fields is open: `limits` or `when`."""
        rare = schedule.RARE if fold == "when" else RARE
        filled = any(self.values[name] != DEFAULTS[name] for name in rare)
        return filled or any(p.field in rare for p in self.problems)


def typed(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Take the values of a sent form; browsers send line ends as CRLF."""
    values = dict(DEFAULTS)
    for name in LABELS:
        if name == "on":
            values[name] = " ".join(fields.get("on", ())) if "mode" in fields else values[name]
        elif name == "enabled":
            values[name] = "on" if fields.get(name) else ""
        elif fields.get(name):
            values[name] = fields[name][-1].replace("\r\n", "\n")
        elif name in EMPTIED and name in fields:
            values[name] = ""
    return values


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
        name = next((n for start, n in POINTERS if error.pointer.startswith(start)), None)
        if error.pointer.startswith("/params"):
            name = parameters.field_of(error.pointer, rows)
        elif error.pointer.startswith("/spec") and (name is None or values["mode"] == "json"):
            name = MAIN.get(values["mode"], "argv")
        elif name == "argv" and values["mode"] == "script":
            name = "script"
        if name is None or name not in seen:
            found.append(_problem(name, _placed(error, name)))
    return found


def _placed(error: FieldError, name: str | None) -> str:
    parts = error.pointer.split("/")
    if name == "spec_json":
        return f"{error.pointer.removeprefix('/spec') or '/'}: {error.message}"
    if parts[1:3] == ["spec", "argv"] and len(parts) > 3 and parts[3].isdecimal():  # noqa: PLR2004 -- /spec/argv/0
        return f"Line {int(parts[3]) + 1}: {error.message}"
    return error.message


def _problem(name: str | None, message: str) -> Problem:
    part = (name or "").partition("-")[2]
    label = LABELS.get(name or "") or parameters.LABELS.get(part, part)
    return Problem(field=name, label=label, message=message)


def _spec(reader: Reader) -> object:
    mode = reader.text("mode")
    if mode == "python":
        return python.spec_of(reader)
    if mode != "json":
        return command.spec_of(reader)
    try:
        return strict_json(reader.text("spec_json"))
    except ValueError:
        reader.wrong("spec_json", "This is not JSON.")
        return {"kind": "command", "argv": ["true"]}


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
