"""The part for a Python function with its arguments."""

import json
from typing import Final

from perdure_api.pages.forms.reader import Reader, text_of, value_of
from perdure_contract.specs import Json, PythonSpec

LABELS: Final = {"func": "Function", "args": "Arguments", "kwargs": "Named arguments"}
DEFAULTS: Final = dict.fromkeys(LABELS, "")
POINTERS: Final = (
    ("/spec/func", "func"),
    ("/spec/args", "args"),
    ("/spec/kwargs", "kwargs"),
)


def spec_of(reader: Reader) -> dict[str, object]:
    """Turn what was typed into the spec that a program would send."""
    spec: dict[str, object] = {"kind": "python", "func": reader.text("func").strip()}
    if args := _args(reader):
        spec["args"] = args
    if kwargs := _kwargs(reader):
        spec["kwargs"] = kwargs
    return spec


def _args(reader: Reader) -> object:
    """Read a JSON list, or one argument a line."""
    found = reader.json("args", "[")
    return [value_of(line) for line in reader.lines("args")] if found is None else found


def _kwargs(reader: Reader) -> object:
    """Read a JSON object, or one name=value a line."""
    found = reader.json("kwargs", "{")
    if found is not None:
        return found
    pairs: dict[str, Json] = {}
    for number, line in enumerate(reader.lines("kwargs"), 1):
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or not name.strip().isidentifier():
            reader.wrong("kwargs", f"Line {number}: write name=value.")
        elif name.strip() in pairs:
            reader.wrong("kwargs", f"Line {number}: {name.strip()} is given twice.")
        else:
            pairs[name.strip()] = value_of(value.strip())
    return pairs


def values_of(spec: PythonSpec) -> dict[str, str]:
    """Fill the fields with a spec."""
    lines = [text_of(value) for value in spec.args]
    # A first line like a list would be read as the list of all arguments; so would empty last lines.
    plain = bool(lines) and not lines[0].lstrip().startswith("[") and bool(lines[-1])
    names = [(name, text_of(value)) for name, value in spec.kwargs.items()]
    named = all(value == value.strip() for _, value in names)
    return {
        "func": spec.func,
        "args": "\n".join(lines) if plain or not lines else _json(list(spec.args)),
        "kwargs": "\n".join(f"{n}={v}" for n, v in names) if named else _json(spec.kwargs),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
