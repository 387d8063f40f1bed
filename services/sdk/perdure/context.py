"""What a function that Perdure calls can say and ask: progress, checkpoints, results.

It needs nothing but the standard library, so that a worker process stays small.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Final, TypeVar

Json = object
"""What the json module can write."""

MAX_RESULT_BYTES: Final = 65_536
MAX_CHECKPOINT_BYTES: Final = 49_152
MAX_LINE_BYTES: Final = 65_536

T = TypeVar("T")


class Cancelled(BaseException):
    """The run is being ended: cancelled, out of time, or its executor stops.

    Raised where the function is, unless it looks at `Context.cancelled` itself. It is no `Exception`,
    so that it passes through what handles errors.
    """


class Mark:
    """The checkpoint from which a run goes on."""

    __slots__ = ("cursor", "number", "state")

    def __init__(self, number: int, cursor: Json, state: Json) -> None:
        """Take it as it was stored."""
        self.number = number
        self.cursor = cursor
        self.state = state


class _Kept:
    """Stands for what was given last."""


KEPT: Final = _Kept()


class Context:
    """The conversation of one call with Perdure.

    A function with a parameter of this type gets one. Everything said is a line on the descriptor that
    PERDURE_FD names; outside of Perdure nothing is said, so that functions can be called by tests.
    """

    def __init__(self) -> None:
        """Find the descriptor in the environment."""
        number = os.environ.get("PERDURE_FD", "")
        self._fd = int(number) if number.isdigit() else None
        self._lock = threading.Lock()
        self._resume: Mark | None = None
        self._resume_known = False
        self._cursor: Json = None
        self._state: Json = None
        self._within_items = False
        self._ending = False
        self._looks = False

    # --- what happened before, and what is wanted now ---------------------------------------------

    @property
    def resume(self) -> Mark | None:
        """The checkpoint to go on from; none on a first try."""
        if not self._resume_known:
            file = os.environ.get("PERDURE_CHECKPOINT")
            if file is not None:
                with open(file, "rb") as stored:  # noqa: PTH123 - pathlib makes a worker start later
                    self._resume = Mark(**json.load(stored))
            self._resume_known = True
        return self._resume

    @property
    def cancelled(self) -> bool:
        """Whether the run is being ended. A function that looks once is not interrupted any more.

        It has the grace time of its run (10 s) to return, then its process is killed.
        """
        self._looks = True
        return self._ending

    def end(self) -> bool:
        """Note that the run is being ended; tell whether the function must be interrupted for it."""
        self._ending = True
        return not self._looks

    @property
    def log(self) -> logging.Logger:
        """A logger; what is logged goes to the run's log as standard error."""
        return logging.getLogger("perdure")

    # --- what the function says -------------------------------------------------------------------

    def progress(
        self,
        done: float | None = None,
        total: float | None = None,
        *,
        unit: str | None = None,
        message: str | None = None,
    ) -> None:
        """Say how far it is; as often as it likes."""
        said = {"done": done, "total": total, "unit": unit, "message": message}
        given = {name: value for name, value in said.items() if value is not None}
        self._write(_json({"progress": given}, MAX_LINE_BYTES, "What is said of the progress"))

    def checkpoint(self, cursor: Json = KEPT, state: Json = KEPT) -> None:
        """Mark a place from which the run can go on, see `resume`; what is left out stays as it was.

        Inside of `items` a state goes with the checkpoint at the end of the item.

        Raises:
            ValueError: when it is more than 48 KiB of JSON, or no JSON at all.
        """
        if cursor is not KEPT:
            self._cursor = cursor
        if state is not KEPT:
            self._state = state
        if self._within_items and cursor is KEPT:
            _json({"state": self._state}, MAX_CHECKPOINT_BYTES, "A checkpoint's state")
            return
        said = {"cursor": self._cursor, "state": self._state}
        self._write(_json({"checkpoint": said}, MAX_CHECKPOINT_BYTES, "A checkpoint"))

    def items(
        self, iterable: Iterable[T], *, key: Callable[[T], str | int] | None = None
    ) -> Iterator[T]:
        """Go through things one by one, with progress and a checkpoint after each.

        A run that goes on from a checkpoint begins after the last one that was finished.

        Args:
            iterable: the things, in the same order every time.
            key: names a thing; without it, things are counted.

        Raises:
            LookupError: when the last finished one is not there any more.
        """
        total = len(iterable) if isinstance(iterable, Sized) else None
        last = self._last_finished()
        self._within_items = True
        try:
            for number, thing in enumerate(iterable, 1):
                named = number if key is None else key(thing)
                if last is None:
                    yield thing
                    self.progress(number, total)
                    self.checkpoint({"item": number, "key": named})
                elif named == last:
                    last = None
                    self.progress(number, total)
        finally:
            self._within_items = False
        if last is not None:
            message = f"The item {last}, after which this should go on, is not there any more."
            raise LookupError(message)

    def metrics(self, **numbers: float) -> None:
        """Say numbers that belong to this run, like cost or rows; the last of a name counts."""
        self._write(_json({"metrics": numbers}, MAX_LINE_BYTES, "What is said in numbers"))

    def result(self, value: Json) -> None:
        """Give the result; what the function returns replaces it, unless that is None.

        Raises:
            ValueError: when it is more than 64 KiB of JSON, or no JSON at all.
        """
        self._write(b'{"result":' + _json(value, MAX_RESULT_BYTES, "The result") + b"}")

    def skip(self, why: str = "") -> None:
        """Count the present item of a batch as skipped; the function still has to return."""
        self._mark("skipped", why)

    def filter(self, why: str = "") -> None:
        """Count the present item of a batch as filtered; the function still has to return."""
        self._mark("filtered", why)

    def _last_finished(self) -> str | int | None:
        """Give the key of the last item that was finished before, if any was."""
        mark = self.resume
        if mark is None or not isinstance(mark.cursor, dict):
            return None
        self._state = mark.state
        last: str | int | None = mark.cursor.get("key")
        return last

    def _mark(self, outcome: str, why: str) -> None:
        said = {"outcome": outcome, "message": why}
        self._write(_json(said, MAX_LINE_BYTES, "What is said of the item"))

    def _write(self, line: bytes) -> None:
        if self._fd is None:
            return
        line += b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]


def _json(value: Json, limit: int, what: str) -> bytes:
    """Write a value as JSON.

    Raises:
        ValueError: it is too large, or has no form in JSON.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        data = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"{what} cannot be written as JSON: {error}."
        raise ValueError(message) from None
    if len(data) > limit:
        message = f"{what} is {len(data)} bytes of JSON; at most {limit} are kept."
        raise ValueError(message)
    return data
