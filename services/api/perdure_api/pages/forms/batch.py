"""The part for a batch: its items, and how they are gone through."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from perdure_api.kinds.input_lines import BadInputError, InputFormat, read_items
from perdure_api.pages.forms import rules
from perdure_api.pages.forms.reader import Reader, value_of
from perdure_api.pages.words import counted
from perdure_contract.specs import BatchSpec, InputRef, Json, PythonSpec, Retry

ITEM: Final = "item_"
"""Begins the fields of an item's retry policy."""
LABELS: Final = {
    "each": "For each item",
    "source": "Items from",
    "items": "Items",
    "items_as": "Written as",
    "file": "File",
    "upload": "Uploaded file",
    "input": "Stored items",
    "concurrency": "At the same time",
    "checkpoint_every": "Checkpoint every",
    "stop_after_failures": "Stop after failures",
    "park_after": "Pass over after",
    **{f"{ITEM}{name}": f"{label}, an item" for name, label in rules.RETRY_LABELS.items()},
}
DEFAULTS: Final = {
    **dict.fromkeys(LABELS, ""),
    "each": "command",
    "source": "items",
    "items_as": "lines",
    "concurrency": "1",
    "checkpoint_every": "5",
    "park_after": "3",
    **{f"{ITEM}{name}": value for name, value in rules.RETRY_DEFAULTS.items()},
}
POINTERS: Final = (
    ("/spec/items", "items"),
    ("/spec/file", "file"),
    ("/spec/upload", "upload"),
    ("/spec/input", "input"),
    ("/spec/concurrency", "concurrency"),
    ("/spec/checkpoint_every", "checkpoint_every"),
    ("/spec/stop_after_failures", "stop_after_failures"),
    ("/spec/park_after", "park_after"),
    *rules.retry_pointers("/spec/item_retry", ITEM),
)
WRITTEN: Final = (
    ("lines", "One a line"),
    ("csv", "CSV with a header"),
    ("jsonl", "JSON, one a line"),
)
SOURCES: Final = (("items", "Write them here"), ("file", "A file"), ("upload", "Upload"))
"""Where items come from, with words; beside them the stored items of another run."""
RARE: Final = frozenset(
    {"checkpoint_every", "stop_after_failures", "park_after"}
    | {f"{ITEM}{name}" for name in rules.RETRY_LABELS}
)
"""Fields behind the fold."""
_FORMATS: Final[dict[str, InputFormat]] = {"csv": "csv", "jsonl": "jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPart:
    """How the part speaks in one form or the other."""

    stored: str
    """Words for items that are stored already."""
    file_hint: str
    """When a file is read, and what becomes of it."""
    upload_href: str = ""
    """Where a file is uploaded, when the form is swapped in its page; else the form's own place."""


def stored_words(values: Mapping[str, str]) -> str:
    """Tell how many items are stored already, where the form refers to them."""
    try:
        return counted(msgspec.json.decode(values["input"], type=InputRef).total, "item")
    except msgspec.DecodeError:
        return ""


def spec_of(reader: Reader, each: Mapping[str, object]) -> dict[str, object]:
    """Turn what was typed into the spec that a program would send."""
    spec: dict[str, object] = {
        "kind": "batch",
        "each": each,
        "concurrency": reader.whole("concurrency"),
        "checkpoint_every": reader.whole("checkpoint_every"),
        "stop_after_failures": reader.whole_or_none("stop_after_failures"),
        "park_after": reader.whole("park_after"),
    }
    if any(reader.given(f"{ITEM}{n}") != value for n, value in rules.RETRY_DEFAULTS.items()):
        spec["item_retry"] = rules.retry_of(reader, ITEM)
    match reader.text("source"):
        case "file":
            spec["file"] = reader.text("file").strip()
            if not spec["file"]:
                reader.wrong("file", "Name a file.")
        case "upload":
            spec["upload"] = reader.text("upload").strip()
            if not spec["upload"]:
                reader.wrong("upload", "Upload a file first.")
        case "input":
            spec["input"] = value_of(reader.text("input"))
        case _:
            spec["items"] = items_of(reader)
            if not spec["items"] and not any(name == "items" for name, _ in reader.faults):
                reader.wrong("items", "Write at least one item.")
    return spec


def items_of(reader: Reader) -> list[Json]:
    """Read the items that stand in the form; the first thing that is wrong is noted."""
    written = _FORMATS.get(reader.text("items_as"))
    if written is None:
        return [line.strip() for line in reader.lines("items") if line.strip()]
    data = io.BytesIO(reader.text("items").encode("utf-8", "replace"))
    try:
        return [item.value for item in read_items(data, written)]
    except BadInputError as error:
        reader.wrong("items", str(error))
        return []


def values_of(spec: BatchSpec) -> dict[str, str]:
    """Fill the fields with a spec; items that were stored are not written out again."""
    items = spec.items or ()
    source = next((n for n in ("file", "upload", "input") if getattr(spec, n) is not None), "items")
    return {
        "each": "python" if isinstance(spec.each, PythonSpec) else "command",
        "source": source,
        "items": msgspec.json.Encoder().encode_lines(items).decode().rstrip("\n"),
        "items_as": "jsonl" if items else "lines",
        "file": spec.file or "",
        "upload": spec.upload or "",
        "input": "" if spec.input is None else msgspec.json.encode(spec.input).decode(),
        "concurrency": str(spec.concurrency),
        "checkpoint_every": str(spec.checkpoint_every),
        "stop_after_failures": str(spec.stop_after_failures or ""),
        "park_after": str(spec.park_after),
        **rules.retry_values(spec.item_retry or Retry(), ITEM),
    }
