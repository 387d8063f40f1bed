"""What came in, against the type that it should have: every fault with its place and in plain words.

`read` converts at the speed of msgspec; only when that fails are the faults looked for one by one. So
bounds stand once, in the types, and bodies, queries, forms and files meet the same words.
"""

import difflib
import math
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import inspect

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_contract.identifiers import NAME_PATTERN
from perdure_contract.rsync.spec import BANDWIDTH, RsyncOptions

T = TypeVar("T")

MAX_FAULTS: Final = 100
"""So many faults are named; a body may have a million."""

LABEL_KEY: Final = r"^[a-z0-9][a-z0-9_./-]{0,62}$(?!\n)"
LABEL_VALUE: Final = r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$(?!\n)"
VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,199}$(?!\n)"

PATTERN_WORDS: Final = {
    NAME_PATTERN: (
        "bad-name",
        "Lower-case letters, digits, _ and -; 1 to 63 of them; the first is a letter or digit.",
    ),
    LABEL_KEY: (
        "bad-label",
        "Lower-case letters, digits and _ . / -; 1 to 63 of them; the first is a letter or digit.",
    ),
    BANDWIDTH: ("bad-rate", "KiB a second, or with a unit, like 1.5M."),
    LABEL_VALUE: (
        "bad-label",
        "Letters, digits and _ . / -; 1 to 63 of them; the first is a letter or digit.",
    ),
}
"""What a pattern asks for: the fault's code and words."""
NO_WORDS: Final = ("bad-text", "This text has not the form that is needed.")

SCALARS: Final[dict[type[inspect.Type], Any]] = {
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.DateTimeType: Annotated[datetime, msgspec.Meta(tz=True)],
}

KINDS: Final[dict[type[inspect.Type], str]] = {
    inspect.StructType: "an object",
    inspect.DictType: "an object",
    inspect.VarTupleType: "a list",
    inspect.ListType: "a list",
    inspect.StrType: "a text",
    inspect.LiteralType: "a text",
    inspect.DateTimeType: "a time like 2026-01-31T02:30:00Z, with its offset",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
}


def read(value: object, kind: type[T], *, at: str = "", strict: bool = True) -> T:
    """Give a value as a type; `strict` false takes numbers and switches from text, as queries have them.

    Raises:
        Refused: with every fault and its JSON pointer, which begins with `at`.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        faults = tuple(
            islice(_faults(value, inspect.type_info(kind), at, strict=strict), MAX_FAULTS)
        )
        raise invalid(faults or (FieldError(at, "not-valid", "This is not valid here."),)) from None


def pointer(at: str, key: object) -> str:
    """Give the JSON pointer of a key below another."""
    return f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"


def unknown(at: str, name: str, known: list[str], *, what: str = "field") -> FieldError:
    """Name a field or parameter that nobody knows, and the one that was perhaps meant."""
    # What was typed may be of any size; the comparison is quadratic.
    near = difflib.get_close_matches(name[:64], known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return FieldError(at, f"unknown-{what}", f"Unknown {what}.{hint}")


def _faults(value: object, kind: inspect.Type, at: str, *, strict: bool) -> Iterator[FieldError]:
    if isinstance(kind, inspect.Metadata):
        yield from _faults(value, kind.type, at, strict=strict)
    elif isinstance(kind, inspect.UnionType):
        yield from _union(value, kind, at, strict=strict)
    elif not _is_kind(value, kind, strict=strict):
        yield FieldError(at, "wrong-type", f"Must be {KINDS.get(type(kind), 'something else')}.")
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        yield from _struct(value, kind, at, strict=strict)
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        yield from _dict(value, kind, at, strict=strict)
    elif isinstance(kind, inspect.VarTupleType | inspect.ListType) and isinstance(
        value, list | tuple
    ):
        yield from _size(len(value), kind, at, _ENTRIES)
        for index, item in enumerate(value):
            yield from _faults(item, kind.item_type, f"{at}/{index}", strict=strict)
    elif isinstance(kind, inspect.StrType) and isinstance(value, str):
        yield from _text(value, kind, at)
    elif isinstance(kind, inspect.LiteralType):
        if value not in kind.values:
            yield FieldError(at, "unknown-value", f"One of: {', '.join(map(str, kind.values))}.")
    elif isinstance(kind, inspect.IntType | inspect.FloatType):
        yield from _number(float(str(value)), kind, at)


def _struct(
    value: dict[str, Any], kind: inspect.StructType, at: str, *, strict: bool
) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in kind.fields}
    if kind.tag_field is not None and value.get(kind.tag_field) != kind.tag:
        # Another kind has other fields: nothing else can be said of it.
        yield from _tag(value, kind, at)
        return
    known = [*fields, *([kind.tag_field] if kind.tag_field else [])]
    for name in value:
        if name not in known and kind.forbid_unknown_fields:
            if kind.cls is RsyncOptions:
                words = f"The option `{name[:64]}` is not allowed."
                yield FieldError(pointer(at, name), "option-not-allowed", words)
            else:
                yield unknown(pointer(at, name), str(name), known)
    for name, field in fields.items():
        if name in value:
            yield from _faults(value[name], field.type, pointer(at, name), strict=strict)
        elif field.required:
            yield FieldError(pointer(at, name), "missing", "This is needed.")


def _tag(value: dict[str, Any], kind: inspect.StructType, at: str) -> Iterator[FieldError]:
    name = str(kind.tag_field)
    if name not in value:
        yield FieldError(pointer(at, name), "missing", "This is needed.")
    else:
        yield FieldError(pointer(at, name), f"unknown-{name}", f"One of: {kind.tag}.")


def _dict(
    value: dict[Any, Any], kind: inspect.DictType, at: str, *, strict: bool
) -> Iterator[FieldError]:
    yield from _size(len(value), kind, at, _ENTRIES)
    for key, item in value.items():
        yield from _faults(key, kind.key_type, pointer(at, key), strict=strict)
        yield from _faults(item, kind.value_type, pointer(at, key), strict=strict)


def _union(
    value: object, kind: inspect.UnionType, at: str, *, strict: bool
) -> Iterator[FieldError]:
    fitting = [choice for choice in kind.types if _is_kind(value, choice, strict=strict)]
    if not fitting:
        words = " or ".join(
            dict.fromkeys(KINDS.get(type(_bare(c)), "something else") for c in kind.types)
        )
        yield FieldError(at, "wrong-type", f"Must be {words}.")
        return
    tagged = {c.tag: c for c in map(_bare, fitting) if isinstance(c, inspect.StructType) and c.tag}
    if len(tagged) > 1 and isinstance(value, dict):
        yield from _tagged(value, tagged, at, strict=strict)
        return
    found = [list(_faults(value, choice, at, strict=strict)) for choice in fitting]
    yield from min(found, key=len)


def _tagged(
    value: dict[str, Any], kinds: dict[Any, inspect.StructType], at: str, *, strict: bool
) -> Iterator[FieldError]:
    """Find the faults of an object whose kind is named by one of its fields."""
    name = str(next(iter(kinds.values())).tag_field)
    if name not in value:
        yield FieldError(pointer(at, name), "missing", "This is needed.")
    elif value[name] not in list(kinds):
        words = f"One of: {', '.join(map(str, kinds))}."
        yield FieldError(pointer(at, name), f"unknown-{name}", words)
    else:
        yield from _struct(value, kinds[value[name]], at, strict=strict)


def _text(value: str, kind: inspect.StrType, at: str) -> Iterator[FieldError]:
    faults = list(_size(len(value), kind, at, _CHARACTERS))
    if kind.pattern is not None and re.search(kind.pattern, value) is None:
        code, words = PATTERN_WORDS.get(kind.pattern, NO_WORDS)
        faults = [FieldError(at, code, words)]
    yield from faults


_ENTRIES: Final = ("too-few", "too-many", "entries")
_CHARACTERS: Final = ("too-short", "too-long", "characters")


def _size(
    size: int,
    kind: inspect.StrType | inspect.DictType | inspect.VarTupleType | inspect.ListType,
    at: str,
    words: tuple[str, str, str],
) -> Iterator[FieldError]:
    under, over, unit = words
    if kind.min_length is not None and size < kind.min_length:
        yield FieldError(at, under, f"At least {kind.min_length} {unit}.")
    if kind.max_length is not None and size > kind.max_length:
        yield FieldError(at, over, f"At most {kind.max_length} {unit}.")


def _number(
    value: float, kind: inspect.IntType | inspect.FloatType, at: str
) -> Iterator[FieldError]:
    over = kind.gt is not None and value <= kind.gt
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    under = kind.ge is not None and value < kind.ge
    above = (kind.le is not None and value > kind.le) or (kind.lt is not None and value >= kind.lt)
    if not (over or under or above or math.isinf(value)):
        return
    if low is not None and high is not None:
        words = f"Between {low} and {high}."
    elif low is not None:
        words = f"More than {low}." if kind.gt is not None else f"At least {low}."
    else:
        words = f"At most {high}."
    yield FieldError(at, "out-of-range", words)


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _is_kind(value: object, kind: inspect.Type, *, strict: bool) -> bool:
    kind = _bare(kind)
    match kind:
        case inspect.AnyType():
            return True
        case inspect.NoneType():
            return value is None
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case inspect.VarTupleType() | inspect.ListType():
            return isinstance(value, list | tuple)
        case inspect.StrType() | inspect.LiteralType():
            return isinstance(value, str)
        case inspect.UnionType():
            return any(_is_kind(value, choice, strict=strict) for choice in kind.types)
        case inspect.DateTimeType():
            return _converts(value, kind, strict=strict)
        case inspect.BoolType() | inspect.IntType() | inspect.FloatType():
            return _converts(value, kind, strict=strict)
        case _:
            return False


def _converts(value: object, kind: inspect.Type, *, strict: bool) -> bool:
    """Tell whether a value has a scalar kind, its bounds left aside."""
    try:
        msgspec.convert(value, SCALARS[type(kind)], strict=strict)
    except msgspec.ValidationError:
        return False
    return True
