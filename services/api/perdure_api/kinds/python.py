"""Python functions: how a run of one is named, and what may be wrong with it.

Whether it is there and may be called is known to executors only.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from perdure_api.domain.rejections import FieldError
from perdure_contract.specs import PythonSpec

MAX_ARGUMENTS_BYTES: Final = 49_152
"""Of all arguments as JSON: they are part of an event, which is at most 64 KiB."""
SHAPE: Final = "A function is named package.module:function, or all with dots."
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*|\.[^\W\d]\w*)(\.[^\W\d]\w*)*")


def words_of(spec: PythonSpec) -> str:
    """Give the function's name."""
    return spec.func


def faults(spec: PythonSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    if _NAME.fullmatch(spec.func) is None:
        yield FieldError(f"{at}/func", "bad-name", SHAPE)
    for name in spec.kwargs:
        if not name.isidentifier():
            words = f"{name[:64]!r} cannot be the name of an argument."
            yield FieldError(f"{at}/kwargs", "bad-name", words)
            break
    if len(msgspec.json.encode((spec.args, spec.kwargs))) > MAX_ARGUMENTS_BYTES:
        words = f"At most {MAX_ARGUMENTS_BYTES} bytes of JSON in all arguments together."
        yield FieldError(f"{at}/args" if spec.args else f"{at}/kwargs", "too-long", words)
