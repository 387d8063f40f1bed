"""Jobs, schedules and runs of jobs as they are asked for → what is stored, or every fault.

As with runs, one validator serves all doors: the API, forms, the command line and the jobs file.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field, to_builtins
from msgspec.structs import replace

from perdure_api.domain.cron_fields import BadTrigger
from perdure_api.domain.job import Job, request_of
from perdure_api.domain.parameters import bound, checked, definition_faults
from perdure_api.domain.rejections import FieldError
from perdure_api.domain.trigger_words import notes, words
from perdure_api.domain.triggers import compiled, fires, settled
from perdure_api.drafts import (
    MAX_RUNS,
    Draft,
    LabelKey,
    LabelValue,
    RunName,
    Tag,
    read_run,
    read_runs,
    refuse_bad_text,
)
from perdure_api.errors import Refused, invalid
from perdure_api.fields import MAX_FAULTS, pointer, read
from perdure_api.kinds import kind
from perdure_contract.identifiers import Name
from perdure_contract.jobs import JobDefinition, Parameter, PreviewView, SchedulePlan, Value
from perdure_contract.specs import INLINE_BYTES, Limits, Retry, RunRequest, Spec
from perdure_contract.triggers import DateTrigger, Trigger
from perdure_runtime.clock import rfc3339

Definition = TypeVar("Definition", bound=JobDefinition)
Reason = Annotated[str, Meta(max_length=500)]
Version = Annotated[int, Meta(ge=1, description="Refuse it when there is another version by now.")]
OF_A_RUN: Final = ("spec", "queue", "priority", "tags", "labels", "retry", "limits")
"""What a job's definition has in common with a run's request."""


class JobDraft(JobDefinition, frozen=True, kw_only=True):
    """A job to be saved under a free name."""

    name: Name


class JobChange(JobDefinition, frozen=True, kw_only=True):
    """What a job shall be from now on; all of it anew."""

    reason: Reason | None = None
    expected_version: Version | None = None


class JobRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of a job: values for its parameters, and what is to be other than the job says."""

    params: dict[str, Value | None] = {}
    name: RunName | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=-100, le=100)] | UnsetType = UNSET
    tags: Annotated[tuple[Tag, ...], Meta(max_length=32)] | UnsetType = UNSET
    labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=32)] | UnsetType = UNSET
    run_at: Annotated[datetime, Meta(tz=True)] | None = None
    unique_key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    retry: Retry | None = None
    limits: Limits | None = None


class RunWanted(Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run as it is asked for: `spec` says what to do, or `job` names the job that does.

    With a job, what is left out is as the job says, and `params` are the values of its parameters.
    """

    spec: Spec | None = None  # type: ignore[assignment]  # a job says it instead


class RunsWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many runs, requested all or none."""

    runs: Annotated[tuple[RunWanted, ...], Meta(min_length=1, max_length=MAX_RUNS)]


class ScheduleDraft(SchedulePlan, frozen=True, kw_only=True):
    """A schedule as it is asked for."""

    enabled: bool = True
    expected_version: Version | None = None


class PreviewDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trigger to be looked at."""

    trigger: Trigger
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    since: Annotated[datetime, Meta(tz=True)] | None = field(default=None, name="from")
    """Fire times behind this moment; left out: behind now."""
    count: Annotated[int, Meta(ge=1, le=100)] = 10


def read_job(value: object, kind: type[Definition], *, clean: bool = False) -> Definition:
    """Read a job's definition.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    if not clean:
        refuse_bad_text(value)
    draft = read(value, kind)
    faults = [*definition_faults(draft.params, draft.spec), *_size_faults(draft)]
    samples = {name: _sample(parameter) for name, parameter in draft.params.items()}
    if isinstance(value, dict):
        asked = {name: value[name] for name in OF_A_RUN if name in value}
        try:
            read_run({**asked, "spec": to_builtins(bound(draft.spec, samples))}, clean=clean)
        except Refused as refused:
            faults.extend(refused.errors)
    if faults:
        raise invalid(tuple(faults))
    return draft


def definition_of(draft: JobDefinition) -> JobDefinition:
    """Give the definition alone of what was read."""
    return JobDefinition(**{name: getattr(draft, name) for name in JobDefinition.__struct_fields__})


def read_job_run(job: Job, value: object, *, at: str = "", clean: bool = False) -> RunRequest:
    """Make the request of one run of a job.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    if not clean:
        refuse_bad_text(value)
    draft = read(value, JobRun, at=at)
    values = checked(job.definition.params, draft.params, f"{at}/params")
    if isinstance(values, tuple):
        raise invalid(values)
    made = request_of(job, values)
    plain = to_builtins(made)
    given = to_builtins(draft)
    asked = {name: plain[name] for name in ("name", *OF_A_RUN)}
    asked |= {name: text for name, text in given.items() if text is not None and name != "params"}
    request = read_run(asked, at=at, clean=clean)
    return replace(
        request,
        job=made.job,
        job_revision=made.job_revision,
        params=made.params,
        trusted_func=made.trusted_func,
    )


def read_wanted(
    value: object, jobs: Mapping[str, Job], *, at: str = "", clean: bool = False
) -> RunRequest:
    """Make the request of a run that says what to do, or names the job that does.

    Args:
        value: What came in.
        jobs: The jobs that are named, as far as they are there.
        at: Where it stood, as a JSON pointer.
        clean: That no text of it can hold what cannot be stored.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    if not isinstance(value, dict) or not isinstance(value.get("job"), str):
        return read_run(value, at=at, clean=clean)
    if value.get("spec") is not None:
        raise invalid((FieldError(f"{at}/spec", "not-both", "Give `job` or `spec`, not both."),))
    if value["job"] not in jobs:
        words_said = "There is no job of this name."
        raise invalid((FieldError(f"{at}/job", "unknown-job", words_said),))
    rest = {name: item for name, item in value.items() if name not in ("job", "spec")}
    return read_job_run(jobs[value["job"]], rest, at=at, clean=clean)


def read_many_wanted(
    value: object, jobs: Mapping[str, Job], *, clean: bool = False
) -> list[RunRequest]:
    """Make the requests of a bulk body; pointers are like `/runs/17/params/site`.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    if not jobs_named_in(value):
        return read_runs(value, clean=clean)
    if not clean:
        refuse_bad_text(value)
    faults: list[FieldError] = []
    requests = []
    read(value, RunsWanted)
    for index, item in enumerate(_runs_in(value)):
        try:
            requests.append(read_wanted(item, jobs, at=f"/runs/{index}", clean=True))
        except Refused as refused:
            faults.extend(refused.errors)
            if len(faults) >= MAX_FAULTS:
                break
    if faults:
        raise invalid(tuple(faults[:MAX_FAULTS]))
    return requests


def jobs_named_in(value: object) -> frozenset[str]:
    """Give the names of jobs in the body of one run or of many."""
    asked = [value, *_runs_in(value)]
    names = (item.get("job") for item in asked if isinstance(item, dict))
    return frozenset(name for name in names if isinstance(name, str))


def _runs_in(value: object) -> list[object]:
    runs = value.get("runs") if isinstance(value, dict) else None
    return runs if isinstance(runs, list) else []


def read_plan(draft: ScheduleDraft, at: str = "") -> SchedulePlan:
    """Give the plan of a schedule, every time of it in UTC.

    Raises:
        Refused: when its trigger or time zone cannot be.
    """
    faults = list(_trigger_faults(draft.trigger, draft.timezone, at))
    if faults:
        raise invalid(tuple(faults))
    given = {name: getattr(draft, name) for name in SchedulePlan.__struct_fields__}
    trigger = settled(draft.trigger, draft.timezone)
    return SchedulePlan(**{**given, "trigger": trigger, "coalesce": draft.kept})


def preview(asked: PreviewDraft, now: datetime) -> PreviewView:
    """Tell when a trigger would fire, in times and in words.

    Raises:
        Refused: when it cannot be, or has no fire time ahead.
    """
    faults = tuple(_trigger_faults(asked.trigger, asked.timezone, ""))
    if faults:
        raise invalid(faults)
    after = asked.since or now
    trigger = settled(asked.trigger, asked.timezone)
    found = fires(compiled(trigger, asked.timezone, after), after, asked.count)
    if not found:
        if isinstance(trigger, DateTrigger):
            raise invalid((FieldError("/trigger/run_at", "in-past", "This is in the past."),))
        raise invalid((FieldError("/trigger", "bad-cron", "Never happens."),))
    return PreviewView(
        fires=tuple(rfc3339(moment) for moment in found),
        words=words(trigger, asked.timezone),
        notes=tuple(notes(trigger, asked.timezone, after)),
    )


def _trigger_faults(trigger: Trigger, timezone: str, at: str) -> Iterator[FieldError]:
    try:
        compiled(settled(trigger, timezone), timezone, EPOCH)
    except BadTrigger as bad:
        place = f"{at}/timezone"
        if bad.field != "timezone":
            place = f"{at}/trigger/{bad.field}" if bad.field else f"{at}/trigger"
        yield FieldError(place, bad.code, bad.message)


EPOCH: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _size_faults(draft: JobDefinition) -> Iterator[FieldError]:
    for name, text in kind.texts_of(draft.spec).items():
        if isinstance(text, str) and len(text.encode()) > INLINE_BYTES:
            words_said = f"A saved job keeps at most {INLINE_BYTES} bytes here; call a file."
            yield FieldError(pointer("/spec", name), "too-long", words_said)


def _sample(parameter: Parameter) -> Value:
    """Give a value that a parameter could have, to try its spec with."""
    if parameter.default is not None:
        return parameter.default
    samples: dict[str, Any] = {
        "string": "x",
        "number": parameter.minimum if parameter.minimum is not None else 1,
        "choice": parameter.choices[0] if parameter.choices else "x",
        "boolean": True,
        "path": parameter.root or "/x",
    }
    sample: Value = samples[parameter.type]
    return sample
