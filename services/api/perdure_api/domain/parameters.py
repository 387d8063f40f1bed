"""Typed parameters of a job: checked one by one, and put into its spec as whole values.

A value is never pasted into a longer text: only an argument, variable or directory that is exactly
`{name}` is replaced, so nothing that is given can become a second argument or a piece of shell.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

import msgspec

from perdure_api.domain.rejections import FieldError
from perdure_contract.jobs import Parameter, Value
from perdure_contract.specs import Spec

WHOLE: Final = re.compile(r"\{([a-z_][a-z0-9_]{0,62})\}")
LITERAL: Final = re.compile(r"\{(\{[a-z_][a-z0-9_]{0,62}\})\}")
AS_TEXT: Final = frozenset({"argv", "env", "cwd"})
"""Fields of a spec whose values are texts."""
AS_JSON: Final = frozenset({"args", "kwargs"})
"""Fields of a spec whose values keep their type."""
REPEATED_GROUP: Final = re.compile(r"\)[*+{]")
MAX_MATCHED: Final = 256
"""Characters of a value that a pattern is asked about."""


def definition_faults(params: Mapping[str, Parameter], spec: Spec) -> Iterator[FieldError]:
    """Find what is wrong with a job's parameters, and where its spec names others."""
    for name, parameter in params.items():
        at = f"/params/{name}"
        yield from _shape_faults(parameter, at)
        if parameter.default is not None:
            yield from _value_faults(parameter, parameter.default, f"{at}/default")
    for at, name in _named(msgspec.to_builtins(spec), "/spec"):
        if name not in params:
            words = f"There is no parameter {name}; the text itself is written {{{{{name}}}}}."
            yield FieldError(at, "unknown-parameter", words)


def checked(
    params: Mapping[str, Parameter], given: Mapping[str, Value | None], at: str = "/params"
) -> dict[str, Value] | tuple[FieldError, ...]:
    """Give the value of every parameter, defaults filled in, or every fault."""
    faults: list[FieldError] = [
        FieldError(f"{at}/{name}", "unknown-parameter", "The job has no such parameter.")
        for name in given
        if name not in params
    ]
    values: dict[str, Value] = {}
    for name, parameter in params.items():
        value = given.get(name)
        if value is None:
            value = parameter.default
        if value is None:
            faults.append(FieldError(f"{at}/{name}", "missing", "This is needed."))
            continue
        found = list(_value_faults(parameter, value, f"{at}/{name}"))
        faults.extend(found)
        if not found:
            values[name] = posixpath.normpath(str(value)) if parameter.type == "path" else value
    return tuple(faults) or values


def bound(spec: Spec, values: Mapping[str, Value]) -> Spec:
    """Give the spec with every `{name}` replaced and every `{{name}}` unwrapped."""
    plain = msgspec.to_builtins(spec)
    for field in plain.keys() & (AS_TEXT | AS_JSON):
        plain[field] = _replaced(plain[field], values, as_text=field in AS_TEXT)
    made: Spec = msgspec.convert(plain, type=Spec)
    return made


def _replaced(value: Any, values: Mapping[str, Value], *, as_text: bool) -> Any:  # noqa: ANN401 -- JSON
    if isinstance(value, str):
        if (literal := LITERAL.fullmatch(value)) is not None:
            return literal[1]
        if (whole := WHOLE.fullmatch(value)) is not None and whole[1] in values:
            return _text(values[whole[1]]) if as_text else values[whole[1]]
        return value
    if isinstance(value, list | tuple):
        return [_replaced(item, values, as_text=as_text) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, values, as_text=as_text) for key, item in value.items()}
    return value


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _named(spec: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    """Give the place and name of each `{name}` in what can hold one."""
    for field in spec.keys() & (AS_TEXT | AS_JSON):
        yield from _names_within(spec[field], f"{at}/{field}")


def _names_within(value: object, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and (whole := WHOLE.fullmatch(value)) is not None:
        yield at, whole[1]
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _names_within(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _names_within(item, f"{at}/{key}")


def _shape_faults(parameter: Parameter, at: str) -> Iterator[FieldError]:
    if parameter.type == "choice" and not parameter.choices:
        yield FieldError(f"{at}/choices", "missing", "Say what can be chosen.")
    if (
        parameter.minimum is not None
        and parameter.maximum is not None
        and parameter.maximum < parameter.minimum
    ):
        yield FieldError(f"{at}/maximum", "out-of-range", "The maximum is below the minimum.")
    if parameter.root is not None and not parameter.root.startswith("/"):
        yield FieldError(f"{at}/root", "not-absolute", "A directory is given from the root.")
    if parameter.pattern is not None:
        if REPEATED_GROUP.search(parameter.pattern) is not None:
            words = "A group that is repeated can take for ever to match; write it without."
            yield FieldError(f"{at}/pattern", "bad-pattern", words)
        try:
            re.compile(parameter.pattern)
        except re.error as error:
            yield FieldError(f"{at}/pattern", "bad-pattern", f"No regular expression: {error.msg}.")


def _value_faults(parameter: Parameter, value: Value, at: str) -> Iterator[FieldError]:
    match parameter.type:
        case "string":
            yield from _string_faults(parameter, value, at)
        case "number":
            yield from _number_faults(parameter, value, at)
        case "choice":
            if value not in parameter.choices:
                yield FieldError(at, "unknown-value", f"One of: {', '.join(parameter.choices)}.")
        case "boolean":
            if not isinstance(value, bool):
                yield FieldError(at, "wrong-type", "Must be true or false.")
        case "path":
            yield from _path_faults(parameter, value, at)
        case _:
            assert_never(parameter.type)


def _string_faults(parameter: Parameter, value: Value, at: str) -> Iterator[FieldError]:
    if not isinstance(value, str):
        yield FieldError(at, "wrong-type", "Must be a text.")
    elif len(value) > parameter.max_length:
        yield FieldError(at, "too-long", f"At most {parameter.max_length} characters.")
    elif parameter.pattern is not None:
        if len(value) > MAX_MATCHED:
            yield FieldError(at, "too-long", f"At most {MAX_MATCHED} characters.")
        elif _compiles(parameter.pattern) and re.fullmatch(parameter.pattern, value) is None:
            yield FieldError(at, "bad-text", "This text has not the form that is needed.")


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return REPEATED_GROUP.search(pattern) is None


def _number_faults(parameter: Parameter, value: Value, at: str) -> Iterator[FieldError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield FieldError(at, "wrong-type", "Must be a number.")
    elif parameter.minimum is not None and value < parameter.minimum:
        yield FieldError(at, "out-of-range", f"At least {_text(parameter.minimum)}.")
    elif parameter.maximum is not None and value > parameter.maximum:
        yield FieldError(at, "out-of-range", f"At most {_text(parameter.maximum)}.")


def _path_faults(parameter: Parameter, value: Value, at: str) -> Iterator[FieldError]:
    if not isinstance(value, str):
        yield FieldError(at, "wrong-type", "Must be a text.")
    elif len(value) > parameter.max_length:
        yield FieldError(at, "too-long", f"At most {parameter.max_length} characters.")
    elif not value.startswith("/"):
        yield FieldError(at, "not-absolute", "A path is given from the root, like /srv/data.")
    elif parameter.root is not None:
        root, path = posixpath.normpath(parameter.root), posixpath.normpath(value)
        if path != root and not path.startswith(root.rstrip("/") + "/"):
            yield FieldError(at, "outside-root", f"Must be inside {root}.")
