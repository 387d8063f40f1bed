"""Commands: how one is named, and what may be wrong with it."""

import re
from collections.abc import Iterator
from typing import Final

from perdure_api.domain.rejections import FieldError
from perdure_api.fields import VARIABLE, pointer
from perdure_contract.specs import BlobRef, CommandSpec

MAX_ARGUMENT_BYTES: Final = 131_071
"""What Linux takes for a single argument (128 KiB with its closing zero)."""
MAX_COMMAND_BYTES: Final = 49_152
"""Arguments and variables together: they are part of an event, which is at most 64 KiB."""
NOT_A_PROGRAM: Final = "A program is given from the root, like /usr/bin/make, or by its bare name."
_VARIABLE: Final = re.compile(VARIABLE)


def words_of(spec: CommandSpec) -> str:
    """Give program and arguments, or the first line of the script that says something."""
    if spec.argv:
        return " ".join((spec.argv[0].rpartition("/")[2], *spec.argv[1:20]))
    script = spec.script if isinstance(spec.script, str) else ""
    return next((line for line in script[:4000].splitlines() if line.strip(" #!")), "script")


def argv_of(spec: CommandSpec) -> tuple[str, ...]:
    """Give what is executed; a script is a file whose name is not known before."""
    return spec.argv if spec.argv is not None else (spec.shell, "the script")


def faults(spec: CommandSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    if spec.argv is not None and spec.script is not None:
        yield FieldError(at, "not-both", "Give `argv` or `script`, not both.")
    elif spec.argv is not None:
        yield from _argv_faults(spec.argv, f"{at}/argv")
    elif spec.script is None or spec.script == "":
        yield FieldError(f"{at}/argv", "empty-command", "Name a program, or give a script.")
    for field in ("script", "stdin"):
        if isinstance(getattr(spec, field), BlobRef):
            yield FieldError(f"{at}/{field}", "wrong-type", "Must be a text.")
    if not _is_program(spec.shell):
        yield FieldError(f"{at}/shell", "not-absolute", NOT_A_PROGRAM)
    if spec.cwd is not None and not spec.cwd.startswith("/"):
        yield FieldError(
            f"{at}/cwd", "not-absolute", "A directory is given from the root, like /srv/data."
        )
    size = sum(map(_size, spec.argv or ()))
    for name, value in spec.env.items():
        size += _size(name) + _size(value)
        if _VARIABLE.match(name) is None:
            yield FieldError(
                pointer(f"{at}/env", name),
                "bad-name",
                "Letters, digits and _; the first is no digit.",
            )
    if size > MAX_COMMAND_BYTES:
        words = (
            f"At most {MAX_COMMAND_BYTES} bytes with all variables; use stdin or a script for more."
        )
        yield FieldError(f"{at}/argv" if spec.argv else f"{at}/env", "too-long", words)


def _argv_faults(argv: tuple[str, ...], at: str) -> Iterator[FieldError]:
    if not argv or not argv[0]:
        yield FieldError(
            at if not argv else f"{at}/0", "empty-command", "The first element names a program."
        )
        return
    if not _is_program(argv[0]):
        yield FieldError(f"{at}/0", "not-absolute", NOT_A_PROGRAM)
    for index, argument in enumerate(argv):
        if len(argument) > MAX_ARGUMENT_BYTES // 4 and _size(argument) > MAX_ARGUMENT_BYTES:
            yield FieldError(f"{at}/{index}", "too-long", f"At most {MAX_ARGUMENT_BYTES} bytes.")


def _is_program(text: str) -> bool:
    return text.startswith("/") or ("/" not in text and text not in ("", ".", ".."))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
