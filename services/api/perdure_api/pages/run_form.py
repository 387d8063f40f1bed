"""The form of a new run ↔ the JSON that a program would send: same validator, same words.

What was typed is turned into the same object of JSON values; faults come back with JSON pointers, which
lead to the fields. What was typed is kept whatever happens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from perdure_api.domain.rejections import FieldError
from perdure_api.kinds import kind
from perdure_api.pages.quantities import read_bytes, read_seconds, write_bytes, write_seconds
from perdure_contract.specs import BlobRef, CommandSpec, RunRequest
from perdure_runtime.clock import new_id

LABELS: Final[dict[str, str]] = {
    "argv": "Program and arguments",
    "script": "Script",
    "shell": "Shell",
    "name": "Name",
    "run_at": "Start at",
    "queue": "Queue",
    "priority": "Priority",
    "tags": "Tags",
    "labels": "Executor must have",
    "unique_key": "Unique key",
    "max_attempts": "Attempts at most",
    "timeout": "Time limit",
    "initial": "First wait",
    "factor": "Times",
    "max_wait": "Longest wait",
    "jitter": "Spread",
    "not_exit_codes": "Never after exit codes",
    "on": "Try again after",
    "grace": "Grace",
    "stuck_after": "Stuck after",
    "memory": "Memory",
    "log": "Output kept",
    "when_cut_off": "When its executor is cut off",
    "cwd": "Directory",
    "env": "Environment",
    "stdin": "Standard input",
    "mode": "Kind of command",
}

FIELD_OF: Final[tuple[tuple[str, str], ...]] = (
    ("/spec/argv", "argv"),
    ("/spec/script", "script"),
    ("/spec/shell", "shell"),
    ("/spec/env", "env"),
    ("/spec/cwd", "cwd"),
    ("/spec/stdin", "stdin"),
    ("/spec", "argv"),
    ("/retry/max_attempts", "max_attempts"),
    ("/retry/initial_seconds", "initial"),
    ("/retry/factor", "factor"),
    ("/retry/max_seconds", "max_wait"),
    ("/retry/jitter", "jitter"),
    ("/retry/on", "on"),
    ("/retry/not_exit_codes", "not_exit_codes"),
    ("/limits/timeout_seconds", "timeout"),
    ("/limits/stuck_after_seconds", "stuck_after"),
    ("/limits/grace_seconds", "grace"),
    ("/limits/memory_bytes", "memory"),
    ("/limits/log_bytes", "log"),
    ("/limits/when_cut_off", "when_cut_off"),
    *(
        (f"/{name}", name)
        for name in ("name", "queue", "priority", "tags", "labels", "run_at", "unique_key")
    ),
)
"""Which field a pointer leads to; the first that is the beginning of the pointer counts."""

REASONS: Final = (
    ("exit", "a non-zero exit code"),
    ("signal", "a signal"),
    ("error", "an error of the runner"),
    ("timeout", "the time limit"),
    ("lost", "loss of the executor"),
    ("stuck", "standing still"),
)
RARE: Final = frozenset(
    {
        "initial",
        "factor",
        "max_wait",
        "jitter",
        "not_exit_codes",
        "on",
        "grace",
        "stuck_after",
        "memory",
        "log",
        "when_cut_off",
        "cwd",
        "env",
        "stdin",
    }
)
"""Fields behind the fold; it opens when one of them is wrong or was filled."""

DEFAULTS: Final[dict[str, str]] = {
    **dict.fromkeys(LABELS, ""),
    "mode": "argv",
    "shell": "/bin/sh",
    "queue": "default",
    "priority": "0",
    "max_attempts": "1",
    "initial": "1 s",
    "factor": "2",
    "max_wait": "1 min",
    "jitter": "0.1",
    "grace": "10 s",
    "log": "50 MB",
    "when_cut_off": "end",
}
DEFAULT_ON: Final = ("exit", "signal", "error", "timeout", "lost")
_MEMORY_NOTE: Final = "Write a size like 512 MB or 2 GB."
_TIME_NOTE: Final = "Write a time like 90 s, 15 min or 2 h."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A fault, and the field it belongs to; none when it is about the whole."""

    field: str | None
    """Name of the field."""
    label: str
    """Its words."""
    message: str
    """What is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """The form as it is shown: what is in its fields, and what is wrong with it."""

    values: Mapping[str, str]
    """Text of each field."""
    on: tuple[str, ...] = DEFAULT_ON
    """Ticked reasons to try again."""
    csrf: str = ""
    """Token of the session."""
    idempotency_key: str = field(default_factory=new_id)
    """Makes a form that is sent twice start one run."""
    expected_version: None = None
    """A new run has none."""
    seen: str = ""
    """Nor a state."""
    origin: str = ""
    """Id of the run that this one repeats."""
    queues: tuple[str, ...] = ()
    """Queues to choose from."""
    problems: tuple[Problem, ...] = ()
    """What is wrong."""
    reasons: tuple[tuple[str, str], ...] = REASONS
    """Reasons to try again, with words."""

    def __getattr__(self, name: str) -> str:
        """Give the text of a field."""
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> str:
        """Give the text of a field."""
        return self.values[name]

    @property
    def more_open(self) -> bool:
        """Whether the fold with the rarer fields is open."""
        rare = any(self.values[name] != DEFAULTS[name] for name in RARE if name != "on")
        return (
            rare or set(self.on) != set(DEFAULT_ON) or any(p.field in RARE for p in self.problems)
        )

    def problem(self, name: str) -> str:
        """Give what is wrong with a field, or nothing."""
        return " ".join(p.message for p in self.problems if p.field == name)

    def invalid(self, name: str) -> Markup:
        """Give the attributes that tie a field to its hint and its fault."""
        ids = f"f-{name}-hint"
        if self.problem(name):
            return Markup(' aria-invalid="true" aria-describedby="f-{0}-error {1}"').format(
                name, ids
            )
        return Markup("")


def typed(fields: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Take the values of a sent form; browsers send line ends as CRLF."""
    values = dict(DEFAULTS)
    for name in LABELS:
        if fields.get(name):
            values[name] = fields[name][-1].replace("\r\n", "\n")
        elif name in ("name", "timeout", "queue", "shell"):
            values[name] = "" if name in fields else DEFAULTS[name]
    ticked = tuple(fields.get("on", ())) if "mode" in fields else DEFAULT_ON
    values["on"] = " ".join(ticked)
    return values, ticked


def as_json(
    values: Mapping[str, str], on: Sequence[str]
) -> tuple[dict[str, object], tuple[Problem, ...]]:
    """Turn what was typed into the object that a program would send, and say what cannot be read."""
    reader = _Reader(values)
    spec: dict[str, object] = {"kind": "command"}
    if values["mode"] == "script":
        spec["script"] = values["script"]
        spec["shell"] = values["shell"] or DEFAULTS["shell"]
    else:
        spec["argv"] = argv_of(values["argv"])
    if values["cwd"]:
        spec["cwd"] = values["cwd"]
    if values["stdin"]:
        spec["stdin"] = values["stdin"]
    if values["env"].strip():
        spec["env"] = reader.pairs("env", values["env"].split("\n"))
    body: dict[str, object] = {
        "spec": spec,
        "queue": values["queue"] or DEFAULTS["queue"],
        "priority": reader.whole("priority"),
        "tags": values["tags"].split(),
        "labels": reader.pairs("labels", values["labels"].split()),
        "retry": {
            "max_attempts": reader.whole("max_attempts"),
            "initial_seconds": reader.seconds("initial"),
            "factor": reader.decimal("factor"),
            "max_seconds": reader.seconds("max_wait"),
            "jitter": reader.decimal("jitter"),
            "on": list(on),
            "not_exit_codes": reader.wholes("not_exit_codes"),
        },
        "limits": {
            "timeout_seconds": reader.seconds("timeout"),
            "stuck_after_seconds": reader.seconds("stuck_after"),
            "grace_seconds": reader.seconds("grace"),
            "memory_bytes": reader.bytes("memory"),
            "log_bytes": reader.bytes("log"),
            "when_cut_off": values["when_cut_off"],
        },
    }
    if values["name"].strip():
        body["name"] = values["name"].strip()
    if values["unique_key"].strip():
        body["unique_key"] = values["unique_key"].strip()
    if values["run_at"]:
        time = values["run_at"] if values["run_at"].count(":") > 1 else f"{values['run_at']}:00"
        body["run_at"] = f"{time}Z"
    return body, tuple(reader.problems)


def argv_of(text: str) -> list[str]:
    """Give the arguments of a text of lines; empty lines at the end are no arguments."""
    lines = text.split("\n")
    while lines and not lines[-1]:
        lines.pop()
    return lines


def problems_of(errors: Sequence[FieldError], mode: str = "argv") -> tuple[Problem, ...]:
    """Lead faults to their fields; a missing command is a fault of the field that is shown."""
    found = []
    for error in errors:
        name = next((name for start, name in FIELD_OF if error.pointer.startswith(start)), None)
        message = error.message
        if name == "argv" and mode == "script":
            name = "script"
        if name == "argv" and (line := re.match(r"/spec/argv/(\d+)", error.pointer)):
            message = f"Line {int(line[1]) + 1}: {message}"
        found.append(Problem(field=name, label=LABELS.get(name or "", ""), message=message))
    return tuple(found)


def values_of(request: RunRequest) -> tuple[dict[str, str], tuple[str, ...]]:
    """Fill the form with the request of another run; what was kept apart stays empty."""
    retry, limits = request.retry, request.limits
    spec = kind.command_in(request.spec) or CommandSpec(argv=())
    values = DEFAULTS | {
        "mode": "argv" if spec.argv is not None else "script",
        "argv": "\n".join(spec.argv or ()),
        "script": "" if spec.script is None or isinstance(spec.script, BlobRef) else spec.script,
        "stdin": "" if spec.stdin is None or isinstance(spec.stdin, BlobRef) else spec.stdin,
        "shell": spec.shell,
        "cwd": spec.cwd or "",
        "env": "\n".join(f"{name}={value}" for name, value in spec.env.items()),
        "name": request.name,
        "queue": request.queue,
        "priority": str(request.priority),
        "tags": " ".join(request.tags),
        "labels": " ".join(f"{name}={value}" for name, value in request.labels.items()),
        "max_attempts": str(retry.max_attempts),
        "initial": write_seconds(retry.initial_seconds),
        "factor": f"{retry.factor:g}",
        "max_wait": write_seconds(retry.max_seconds),
        "jitter": f"{retry.jitter:g}",
        "not_exit_codes": " ".join(map(str, retry.not_exit_codes)),
        "timeout": write_seconds(limits.timeout_seconds),
        "stuck_after": write_seconds(limits.stuck_after_seconds),
        "grace": write_seconds(limits.grace_seconds),
        "memory": write_bytes(limits.memory_bytes),
        "log": write_bytes(limits.log_bytes),
        "when_cut_off": limits.when_cut_off,
    }
    return values, tuple(retry.on)


class _Reader:
    """Reads texts as numbers; collects what cannot be read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[Problem] = []

    def _wrong(self, name: str, message: str) -> None:
        self.problems.append(Problem(field=name, label=LABELS[name], message=message))

    def _default(self, name: str) -> str:
        return self._values[name].strip() or DEFAULTS[name]

    def whole(self, name: str) -> int:
        text = self._default(name).replace("−", "-")
        if re.fullmatch(r"[+-]?\d{1,9}", text) is None:
            self._wrong(name, "Write a whole number.")
            return 1
        return int(text)

    def wholes(self, name: str) -> list[int]:
        words = re.split(r"[\s,]+", self._values[name].strip())
        if any(word and not re.fullmatch(r"\d{1,9}", word) for word in words):
            self._wrong(name, "Write whole numbers with spaces between.")
            return []
        return [int(word) for word in words if word]

    def decimal(self, name: str) -> float:
        text = self._default(name).replace(",", ".")
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) is None:
            self._wrong(name, "Write a number like 2 or 0.5.")
            return 1.0
        return float(text)

    def seconds(self, name: str) -> float | None:
        text = self._default(name)
        value = read_seconds(text) if text else None
        if text and value is None:
            self._wrong(name, _TIME_NOTE)
        return value

    def bytes(self, name: str) -> int | None:
        text = self._default(name)
        value = read_bytes(text) if text else None
        if text and value is None:
            self._wrong(name, _MEMORY_NOTE)
        return value

    def pairs(self, name: str, words: Sequence[str]) -> dict[str, str]:
        pairs = {}
        for word in words:
            key, sign, value = word.partition("=")
            if not word.strip():
                continue
            if not sign or not key.strip():
                self._wrong(name, "Write NAME=value.")
                break
            pairs[key.strip()] = value
        return pairs
