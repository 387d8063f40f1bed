"""Functions to try Perdure with; every executor may call them unless it is told otherwise."""

from time import sleep as _sleep
from time import time as _time
from typing import NoReturn

from perdure.context import Context


def noop(*_args: object, **_kwargs: object) -> None:
    """Do nothing, whatever is given."""


def sleep(seconds: float = 1.0) -> None:
    """Sleep so long."""
    _sleep(seconds)


def now() -> float:
    """Give the time by this host's clock, in seconds since the epoch."""
    return _time()


def fail(message: str = "This function always fails.") -> NoReturn:
    """Raise a `RuntimeError` with this text."""
    raise RuntimeError(message)


def items(ctx: Context, count: int = 10, seconds: float = 0.1) -> dict[str, int]:
    """Go through so many items, each so long, with progress and checkpoints; give how many."""
    for number in ctx.items(range(1, count + 1)):
        print(f"item {number} of {count}")  # noqa: T201 - it shows where prints go
        _sleep(seconds)
    ctx.metrics(items=count)
    return {"items": count}
