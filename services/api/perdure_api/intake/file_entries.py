"""The entries of a jobs file → jobs with their schedules, or every fault with its line and column.

Two ways of writing are read: that of schedulers which name a function or a program beside a trigger, and
the fuller one with any spec, parameters, retries, limits and several schedules.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from perdure_api.domain.parameters import checked
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused
from perdure_api.fields import read
from perdure_api.intake.safe_yaml import Read, UnreadableError, read_yaml
from perdure_api.job_drafts import JobDraft, ScheduleDraft, definition_of, read_job, read_plan
from perdure_contract.facts import FileFault, Json
from perdure_contract.identifiers import Name
from perdure_contract.jobs import (
    Coalesce,
    Description,
    JobDefinition,
    Overlap,
    Parameter,
    ParameterName,
    SchedulePlan,
    Tag,
    Value,
)
from perdure_contract.specs import Limits, Retry, Spec
from perdure_contract.triggers import CronTrigger, IntervalTrigger

MAX_ENTRIES: Final = 400
MAX_FAULTS: Final = 100

Moment = Annotated[str, Meta(max_length=40)]
Seconds = Annotated[float, Meta(ge=0, le=366 * 86400)]
Jitter = Annotated[float, Meta(ge=0, le=86400)]


class FileCron(CronTrigger, frozen=True, kw_only=True, tag="cron"):
    """A cron trigger as the file may write it, other schedulers' names included."""

    timezone: str | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    jitter: Jitter | None = None


class FileInterval(IntervalTrigger, frozen=True, kw_only=True, tag="interval"):
    """An interval as the file may write it, other schedulers' names included."""

    timezone: str | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    jitter: Jitter | None = None


class FileDate(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="date"
):
    """A date as the file may write it."""

    run_at: Moment | None = None
    run_date: Moment | None = None
    timezone: str | None = None


FileTrigger = FileCron | FileInterval | FileDate


class FileSchedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an entry's job is run."""

    trigger: FileTrigger | None = None
    timezone: str | None = None
    overlap: Overlap | UnsetType = UNSET
    coalesce: Coalesce | bool | UnsetType = UNSET
    misfire_grace_time: Seconds | UnsetType | None = UNSET
    misfire_grace_seconds: Seconds | UnsetType | None = UNSET
    catch_up_seconds: Seconds | UnsetType = UNSET
    max_instances: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    values: dict[str, Value] = {}
    """What the job's parameters are given."""


class FileEntry(FileSchedule, frozen=True, kw_only=True):
    """One job of the file."""

    id: Name
    func: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """A program by its path from the root; functions of Python by their dotted name."""
    args: tuple[Json, ...] = ()
    kwargs: dict[str, Json] = {}
    spec: Spec | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    description: Description = ""
    is_enabled: bool = True
    replace_existing: bool = False
    """Take over a job of this name that was made by hand."""
    params: dict[ParameterName, Parameter] = {}
    queue: Name | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=-100, le=100)] | UnsetType = UNSET
    tags: Annotated[tuple[Tag, ...], Meta(max_length=32)] | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    retry: Retry | None = None
    limits: Limits | None = None
    schedules: Annotated[tuple[FileSchedule, ...], Meta(max_length=20)] = ()


class FilePlan(Struct, frozen=True):
    """A schedule of an entry; its id is made of the job's name and its place in the entry."""

    id: str
    plan: SchedulePlan


class Entry(Struct, frozen=True, kw_only=True):
    """A job of the file with its schedules."""

    name: str
    definition: JobDefinition
    plans: tuple[FilePlan, ...]
    takes_over: bool
    place: tuple[int, int]


class Checked(Struct, frozen=True):
    """A jobs file that was read: its entries, or its faults."""

    entries: tuple[Entry, ...]
    faults: tuple[FileFault, ...]


def read_entries(data: bytes, tenant: str) -> Checked:
    """Read a jobs file whole; with any fault there are no entries."""
    try:
        document = read_yaml(data)
    except UnreadableError as error:
        return Checked((), (error.fault,))
    return _Reader(document, tenant).entries()


def editor_schema() -> dict[str, Any]:
    """Give the JSON Schema of a jobs file, for editors."""
    return msgspec.json.schema(list[FileEntry])


def plan_id(tenant: str, job: str, number: int) -> str:
    """Make the id of an entry's schedule: the same wherever and whenever the file is read."""
    digest = hashlib.sha256(f"{tenant} {job} {number}".encode()).digest()
    bits = int.from_bytes(digest[:16], "big")
    # Version 8, the one for ids of one's own making.
    return str(UUID(int=bits & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62))


class _Reader:
    """Goes through the entries and gathers their faults."""

    def __init__(self, document: Read, tenant: str) -> None:
        self._document = document
        self._tenant = tenant
        self._faults: list[FileFault] = []

    def entries(self) -> Checked:
        value = self._document.value
        at = ""
        if isinstance(value, dict) and list(value) == ["jobs"]:
            value, at = value["jobs"], "/jobs"
        if value is None:
            value = []
        if not isinstance(value, list):
            self._fault(at, "A jobs file is a list of entries, each with an id.")
            return Checked((), tuple(self._faults))
        if len(value) > MAX_ENTRIES:
            self._fault(at, f"At most {MAX_ENTRIES} entries.")
            return Checked((), tuple(self._faults))
        found: dict[str, Entry] = {}
        for index, raw in enumerate(value):
            entry = self._entry(raw, f"{at}/{index}")
            if entry is not None and entry.name in found:
                self._fault(f"{at}/{index}/id", "There is an entry of this id above.")
            elif entry is not None:
                found[entry.name] = entry
        faults = sorted(self._faults, key=lambda fault: (fault.line, fault.column))
        return Checked(() if faults else tuple(found.values()), tuple(faults[:MAX_FAULTS]))

    def _entry(self, raw: object, at: str) -> Entry | None:
        written = self._tried(at, lambda: read(raw, FileEntry), {})
        if written is None or not isinstance(raw, dict):
            return None
        definition = self._definition(written, raw, at)
        plans = [
            self._plan(written, part, definition, f"{at}{where}", number)
            for number, (part, where) in enumerate(_schedules(written))
        ]
        if definition is None or None in plans:
            return None
        return Entry(
            name=written.id,
            definition=definition,
            plans=tuple(plan for plan in plans if plan is not None),
            takes_over=written.replace_existing,
            place=self._document.place(at),
        )

    def _definition(self, written: FileEntry, raw: dict[str, Any], at: str) -> JobDefinition | None:
        if (written.func is None) == (written.spec is None):
            self._fault(at, "Give `func` or `spec`, one of the two.")
            return None
        made: dict[str, Any] = {name: raw[name] for name in SHARED if name in raw}
        renamed: dict[str, str] = {}
        if written.func is not None:
            if not written.func.startswith("/"):
                made["spec"] = {
                    "kind": "python",
                    "func": written.func,
                    "args": written.args,
                    "kwargs": written.kwargs,
                }
                renamed = {f"/spec/{name}": f"/{name}" for name in ("func", "args", "kwargs")}
            elif written.kwargs:
                self._fault(f"{at}/kwargs", "A program takes `args`; `kwargs` are for functions.")
                return None
            else:
                argv = [written.func, *map(_text, written.args)]
                made["spec"] = {"kind": "command", "argv": argv}
                renamed = {f"/spec/argv/{n + 1}": f"/args/{n}" for n in range(len(written.args))}
                renamed["/spec"] = "/func"
        made |= {"name": written.id, "enabled": written.is_enabled}
        made["description"] = written.description or written.name or ""
        draft = self._tried(at, lambda: read_job(made, JobDraft), renamed)
        return None if draft is None else definition_of(draft)

    def _plan(
        self,
        entry: FileEntry,
        written: FileSchedule,
        definition: JobDefinition | None,
        at: str,
        number: int,
    ) -> FilePlan | None:
        trigger, renamed = _trigger(written)
        made: dict[str, Any] = {"job": entry.id, "trigger": trigger, "params": written.values}
        zone = written.timezone or (written.trigger.timezone if written.trigger else None)
        if zone is not None:
            made["timezone"] = zone
            renamed["/timezone"] = "/timezone" if written.timezone else "/trigger/timezone"
        for name in PLANNED:
            given = getattr(written, name)
            if given is not UNSET:
                target = "misfire_grace_seconds" if name == "misfire_grace_time" else name
                made[target] = given
                renamed[f"/{target}"] = f"/{name}"
        renamed["/params"] = "/values"

        def read_whole() -> SchedulePlan:
            plan = read_plan(read(made, ScheduleDraft))
            values = {} if definition is None else checked(definition.params, plan.params)
            if isinstance(values, tuple):
                raise Refused("validation", "", errors=values)
            return plan

        plan = self._tried(at, read_whole, renamed)
        return None if plan is None else FilePlan(plan_id(self._tenant, entry.id, number), plan)

    def _tried(self, at: str, make: Callable[[], Any], renamed: dict[str, str]) -> Any:  # noqa: ANN401 -- what make gives
        try:
            return make()
        except Refused as refused:
            for fault in refused.errors:
                self._fault_of(at, fault, renamed)
            return None

    def _fault_of(self, at: str, fault: FieldError, renamed: dict[str, str]) -> None:
        pointer = fault.pointer
        for made, written in sorted(renamed.items(), key=lambda pair: -len(pair[0])):
            if pointer == made or pointer.startswith(f"{made}/"):
                pointer = written + pointer[len(made) :]
                break
        of_key = fault.code.startswith("unknown-")
        message = fault.message
        if fault.code == "missing":
            message = f"`{pointer.rpartition('/')[2]}` is needed."
        self._fault(f"{at}{pointer}", message, of_key=of_key)

    def _fault(self, pointer: str, message: str, *, of_key: bool = False) -> None:
        line, column = self._document.place(pointer, of_key=of_key)
        self._faults.append(FileFault(line=line, column=column, message=message))


SHARED: Final = ("spec", "params", "queue", "priority", "tags", "labels", "retry", "limits")
PLANNED: Final = (
    "overlap", "coalesce", "misfire_grace_time", "misfire_grace_seconds", "catch_up_seconds",
    "max_instances",
)  # fmt: skip


def _schedules(written: FileEntry) -> Iterator[tuple[FileSchedule, str]]:
    if written.trigger is not None:
        yield written, ""
    for number, schedule in enumerate(written.schedules):
        yield schedule, f"/schedules/{number}"


def _trigger(written: FileSchedule) -> tuple[dict[str, Any], dict[str, str]]:
    """Give a trigger under our names, and which names of the file they stand for."""
    plain: dict[str, Any] = msgspec.to_builtins(written.trigger) if written.trigger else {}
    renamed: dict[str, str] = {}
    plain.pop("timezone", None)
    for theirs, ours in THEIRS.items():
        given = plain.pop(theirs, None)
        if given is not None:
            plain[ours] = _moment(given) if isinstance(given, str) else given
            renamed[f"/trigger/{ours}"] = f"/trigger/{theirs}"
    if isinstance(written.trigger, FileDate) and isinstance(plain.get("run_at"), str):
        plain["run_at"] = _moment(plain["run_at"])
    return {name: item for name, item in plain.items() if item is not None}, renamed


THEIRS: Final = {
    "start_date": "start", "end_date": "end", "jitter": "jitter_seconds", "run_date": "run_at",
}  # fmt: skip


def _moment(text: str) -> str:
    """Write a moment as it is read elsewhere; what is none is left for the reader to refuse."""
    try:
        return datetime.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return text


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
