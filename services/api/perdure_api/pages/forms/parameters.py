"""The part for a job's parameters: a row each, and the fields in which their values are given."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perdure_contract.jobs import Parameter, Value

MOST: Final = 50
PARTS: Final = (
    "name", "type", "default", "description", "choices", "minimum", "maximum", "pattern", "root",
)  # fmt: skip
LABELS: Final = {
    "name": "Name of a parameter",
    "type": "Type",
    "default": "Default",
    "description": "What it is for",
    "choices": "Choices",
    "minimum": "Least",
    "maximum": "Most",
    "pattern": "Pattern",
    "root": "Inside of",
}
TYPES: Final = (
    ("string", "Text"),
    ("number", "Number"),
    ("choice", "Choice"),
    ("boolean", "Yes or no"),
    ("path", "Path"),
)
_ROW: Final = re.compile(r"p(\d{1,2})-([a-z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRow:
    """One parameter as it was typed."""

    number: int
    """Its place; the fields of a row begin with it."""
    values: Mapping[str, str]
    """Text of each part."""

    def __getitem__(self, name: str) -> str:
        """Give the text of a part."""
        return self.values.get(name, "")


def typed_rows(fields: Mapping[str, Sequence[str]]) -> tuple[ParameterRow, ...]:
    """Take the rows of a sent form; those without a name are none."""
    rows: dict[int, dict[str, str]] = {}
    for name, texts in fields.items():
        found = _ROW.fullmatch(name)
        if found is not None and found[2] in PARTS and int(found[1]) < MOST:
            rows.setdefault(int(found[1]), {})[found[2]] = texts[-1].strip()
    named = [values for _, values in sorted(rows.items()) if values.get("name")]
    return tuple(ParameterRow(number=n, values=values) for n, values in enumerate(named))


def with_blanks(rows: Sequence[ParameterRow], count: int) -> tuple[ParameterRow, ...]:
    """Put empty rows behind."""
    blank = [ParameterRow(number=len(rows) + n, values={"type": "string"}) for n in range(count)]
    return tuple([*rows, *blank][:MOST])


def rows_of(params: Mapping[str, Parameter]) -> tuple[ParameterRow, ...]:
    """Fill rows with parameters."""
    return tuple(
        ParameterRow(
            number=n,
            values={
                "name": name,
                "type": p.type,
                "default": shown(p.default),
                "description": p.description,
                "choices": ", ".join(p.choices),
                "minimum": shown(p.minimum),
                "maximum": shown(p.maximum),
                "pattern": p.pattern or "",
                "root": p.root or "",
            },
        )
        for n, (name, p) in enumerate(params.items())
    )


def params_of(rows: Sequence[ParameterRow]) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Turn rows into what a program would send, and say which fields cannot be read."""
    params: dict[str, object] = {}
    faults = []
    for row in rows:
        if row["name"] in params:
            faults.append((f"p{row.number}-name", "There is one of this name already."))
        params[row["name"]] = _parameter(row)
    return params, faults


def _parameter(row: ParameterRow) -> dict[str, object]:
    kind = row["type"] or "string"
    made: dict[str, object] = {"type": kind, "description": row["description"]}
    if row["default"]:
        made["default"] = typed_value(kind, row["default"])
    if kind == "choice":
        made["choices"] = [part for text in row["choices"].split(",") if (part := text.strip())]
    if kind == "number":
        made |= {n: typed_value(kind, row[n]) for n in ("minimum", "maximum") if row[n]}
    if kind == "string" and row["pattern"]:
        made["pattern"] = row["pattern"]
    if kind == "path" and row["root"]:
        made["root"] = row["root"]
    return made


def field_of(pointer: str, rows: Sequence[ParameterRow]) -> str | None:
    """Give the field that a fault of a parameter belongs to."""
    for row in rows:
        start = f"/params/{row['name']}"
        if pointer == start or pointer.startswith(f"{start}/"):
            part = pointer[len(start) + 1 :].partition("/")[0]
            return f"p{row.number}-{part if part in PARTS else 'name'}"
    return None


def typed_value(kind: str, text: str) -> Value:
    """Take what was typed as the parameter's type; what does not fit is refused with its words."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "number":
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text
    return text


def shown(value: Value | None) -> str:
    """Write a value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
