"""Waiting for facts: tests never sleep for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class NeverError(AssertionError):
    """Raised by a fact that cannot come true any more: the wait fails at once."""


def eventually(fact: Callable[[], T], seconds: float = 30, *, what: str = "") -> T:
    """Ask until the answer is true-like, and give it.

    Args:
        fact: asked again and again; an error that it raises counts as "not yet".
        seconds: how long until the test fails; generous, because machines are slow.
        what: named in the failure.
    """
    deadline = time.monotonic() + seconds
    while True:
        trouble: Exception | None = None
        try:
            if answer := fact():
                return answer
        except NeverError:
            raise
        except Exception as error:  # noqa: BLE001 - any of them means "not yet"
            trouble = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or fact}") from trouble
        time.sleep(0.02)


async def becomes(fact: Callable[[], Awaitable[T]], seconds: float = 30, *, what: str = "") -> T:
    """Do the same for a fact that is asked with await."""
    deadline = time.monotonic() + seconds
    while True:
        trouble: Exception | None = None
        try:
            if answer := await fact():
                return answer
        except NeverError:
            raise
        except Exception as error:  # noqa: BLE001 - any of them means "not yet"
            trouble = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or fact}") from trouble
        await asyncio.sleep(0.02)
