"""Puts into words what a function raised, and shows where in the user's own code it was."""

import os
import traceback
from types import TracebackType

MAX_MESSAGE = 2000
_OURS = os.path.dirname(os.path.abspath(__file__))
_LIBRARY = os.path.dirname(os.__file__)
_AROUND = (
    _OURS,
    os.path.join(_LIBRARY, "asyncio"),
    os.path.join(_LIBRARY, "importlib"),
    "<frozen importlib",
)
"""Where the frames are that lead to the user's code."""


def words_of(error: BaseException) -> str:
    """Give type and text in one line's worth, like `ValueError: text`."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the user's own __str__
        text = "(its text cannot be made)"
    words = f"{name}: {text}" if text else name
    words = words.encode("utf-8", "replace").decode()
    return words if len(words) <= MAX_MESSAGE else words[: MAX_MESSAGE - 1] + "…"


def trace_of(error: BaseException) -> str:
    """Give the traceback with its causes, from the user's first frame on."""
    shown = error.with_traceback(_trimmed(error.__traceback__))
    try:
        return "".join(traceback.format_exception(shown))
    except Exception:  # noqa: BLE001 - the user's own __str__ or __repr__
        return words_of(error) + "\n"


def _trimmed(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_AROUND):
        frames = frames.tb_next
    return frames
