"""Hears what one item says on its PERDURE_FD: its outcome, and metrics, which are passed on."""

import os
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

READ_BYTES = 65536
LINE_BYTES = 131072


class Said(Struct):
    """One line; whatever else an item says is about less than the run, and is dropped."""

    outcome: Literal["skipped", "filtered"] | UnsetType = UNSET
    message: str | None = None
    metrics: msgspec.Raw | UnsetType = UNSET


_decoder = msgspec.json.Decoder(Said)


class Ear:
    """A pipe; the item gets `write`, `read` is to be polled."""

    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        """Open it.

        Args:
            pass_on: gets lines that are about the run.
        """
        self.read, self.write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.write, True)
        self._pass_on = pass_on
        self._rest = b""
        self._said: Said | None = None

    def hear(self) -> bool:
        """Read what is there; tell whether somebody may still write."""
        while True:
            try:
                data = os.read(self.read, READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest if len(rest) <= LINE_BYTES else b""
            for line in lines:
                self._take(line)

    def outcome(self) -> Said | None:
        """Give the outcome that the item named, once it is over; then hear the next one."""
        self.hear()
        self._take(self._rest)
        said, self._said, self._rest = self._said, None, b""
        return said

    def close_write(self) -> None:
        """Keep only the reading end: the item has the other."""
        os.close(self.write)
        self.write = -1

    def close(self) -> None:
        """Close what is open."""
        os.close(self.read)
        if self.write >= 0:
            os.close(self.write)

    def _take(self, line: bytes) -> None:
        try:
            said = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if said.outcome is not UNSET:
            self._said = said
        if isinstance(said.metrics, msgspec.Raw):
            self._pass_on(b'{"metrics":%b}\n' % bytes(said.metrics))
