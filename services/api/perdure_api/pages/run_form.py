"""The form of a new run ↔ the JSON that a program would send: same validator, same words.

What was typed is turned into the same object of JSON values; faults come back with JSON pointers, which
lead to the fields. What was typed is kept whatever happens. The parts are in `forms`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from perdure_api.domain.rejections import FieldError
from perdure_api.pages.form_contexts import FilledForm, Problem
from perdure_api.pages.forms import batch, command, python, rules
from perdure_api.pages.forms.reader import Reader
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BatchSpec, CommandSpec, PythonSpec, RunRequest

KINDS: Final = (("command", "Command"), ("python", "Python function"), ("batch", "Batch of items"))
LABELS: Final[dict[str, str]] = {
    "kind": "Kind",
    **command.LABELS,
    **python.LABELS,
    **batch.LABELS,
    **rules.LABELS,
}
DEFAULTS: Final[dict[str, str]] = {
    "kind": "command",
    **command.DEFAULTS,
    **python.DEFAULTS,
    **batch.DEFAULTS,
    **rules.DEFAULTS,
}
POINTERS: Final = (*command.POINTERS, *python.POINTERS, *batch.POINTERS, *rules.POINTERS)
"""Which field a pointer leads to; the first that is the beginning of the pointer counts."""
TICKED: Final = ("on", f"{batch.ITEM}on")
"""Groups of boxes; those that are ticked are the words of the value."""
EMPTIED: Final = ("name", "timeout", "queue", "shell")
"""Fields that stay empty when they were emptied, instead of getting their default."""
RARE: Final = rules.RARE | {"cwd", "env", "stdin"}
"""Fields behind the fold; it opens when one of them is wrong or was filled."""


OF_RUNS: Final = batch.ItemsPart(
    stored="Those of the other run",
    file_hint="It is read by the api, within its roots, when you start the run; the items are then "
    "stored with the run.",
    upload_href="/runs/new/upload",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm(FilledForm):
    """The form of a new run as it is shown."""

    origin: str = ""
    """Id of the run that this one repeats."""
    queues: tuple[str, ...] = ()
    """Queues to choose from."""
    items_words: str = ""
    """What is known of the items that were uploaded, or are another run's."""
    kinds: tuple[tuple[str, str], ...] = KINDS
    """Kinds of work, with words."""
    sources: tuple[tuple[str, str], ...] = batch.SOURCES
    """Where items may come from, with words."""
    written: tuple[tuple[str, str], ...] = batch.WRITTEN
    """How items may be written, with words."""
    items_part: batch.ItemsPart = OF_RUNS
    """How the part for items speaks."""
    reasons: tuple[tuple[str, str], ...] = rules.REASONS
    """Reasons to try again, with words."""

    def __getattr__(self, name: str) -> str:
        """Give the text of a field."""
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def opens(self, fold: str) -> bool:
        """Tell whether a fold with rarer fields is open: `limits` or `items`."""
        rare = batch.RARE if fold == "items" else RARE
        filled = any(self.values[name] != DEFAULTS[name] for name in rare)
        return filled or any(p.field in rare for p in self.problems)


def typed(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Take the values of a sent form; browsers send line ends as CRLF."""
    values = dict(DEFAULTS)
    for name in LABELS:
        if name in TICKED:
            if "mode" in fields:
                values[name] = " ".join(fields.get(name, ()))
        elif fields.get(name):
            values[name] = fields[name][-1].replace("\r\n", "\n")
        elif name in EMPTIED:
            values[name] = "" if name in fields else DEFAULTS[name]
    return values


def as_json(values: Mapping[str, str]) -> tuple[dict[str, object], tuple[Problem, ...]]:
    """Turn what was typed into the object that a program would send, and say what cannot be read."""
    reader = Reader(values, DEFAULTS)
    spec: dict[str, object]
    match values["kind"]:
        case "python":
            spec = python.spec_of(reader)
        case "batch":
            each = python.spec_of(reader) if values["each"] == "python" else command.spec_of(reader)
            spec = batch.spec_of(reader, each)
        case _:
            spec = command.spec_of(reader)
    body = {"spec": spec, **rules.body_of(reader)}
    found = (Problem(field=n, label=LABELS[n], message=message) for n, message in reader.faults)
    return body, tuple(found)


def problems_of(
    errors: Sequence[FieldError], values: Mapping[str, str] = DEFAULTS
) -> tuple[Problem, ...]:
    """Lead faults to their fields; a missing command is a fault of the field that is shown."""
    found = []
    for error in errors:
        # What a batch does for each item stands in the same fields as a run that does it once.
        pointer = error.pointer.replace("/spec/each", "/spec", 1)
        name = next((name for start, name in POINTERS if pointer.startswith(start)), None)
        message = error.message
        if name is None and pointer.startswith("/spec"):
            name = _main_field(values)
        if name == "argv" and values["mode"] == "script":
            name = "script"
        if (part := re.match(r"/spec/(argv|args|items)/(\d+)", pointer)) and name is not None:
            word = {"argv": "Line", "args": "Argument", "items": "Item"}[part[1]]
            message = f"{word} {int(part[2]) + 1}: {message}"
        found.append(Problem(field=name, label=LABELS.get(name or "", ""), message=message))
    return tuple(found)


def _main_field(values: Mapping[str, str]) -> str:
    kind = values["each"] if values["kind"] == "batch" else values["kind"]
    return "func" if kind == "python" else "argv"


def values_of(request: RunRequest) -> dict[str, str]:
    """Fill the form with the request of another run; what was kept apart stays empty."""
    spec = request.spec
    values = DEFAULTS | rules.values_of(request)
    if isinstance(spec, BatchSpec):
        values |= {"kind": "batch", **batch.values_of(spec)}
        spec = spec.each
    else:
        values["kind"] = "python" if isinstance(spec, PythonSpec) else "command"
    match spec:
        case CommandSpec():
            return values | command.values_of(spec)
        case PythonSpec():
            return values | python.values_of(spec)
        case RsyncSpec():
            return values  # backups have a builder of their own
        case _:
            assert_never(spec)
