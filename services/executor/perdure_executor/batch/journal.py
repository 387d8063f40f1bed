"""What became of the items of an attempt, on disk as it happens.

Lines of JSON: `[ordinal]` before an item is begun, `[ordinal, key, outcome, tries, error]` when it has
an outcome. Each is with the system before the next thing happens, so a killed driver loses nothing;
it is on the disk every so many outcomes and seconds, so a crashed host loses little.
"""

import os

import msgspec
from msgspec import Struct

from perdure_contract.items import MAX_ERROR, MAX_KEY, Outcome

SYNC_SECONDS = 5.0

_encoder = msgspec.json.Encoder()


class Mark(Struct, frozen=True, array_like=True):
    """One line; without an outcome the item is begun."""

    ordinal: int
    key: str = ""
    outcome: Outcome | None = None
    tries: int = 0
    error: str | None = None


class Journal:
    """Writes the marks of one attempt."""

    def __init__(self, path: str, checkpoint_every: int, now: float) -> None:
        """Open it, made when it is not there.

        Args:
            path: of the file.
            checkpoint_every: so many outcomes at most are not on the disk.
            now: seconds since boot.
        """
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._every = checkpoint_every
        self._ended = 0
        self._dirty = False
        self._synced_at = now

    def begin(self, ordinal: int) -> None:
        """Note that an item is begun.

        Raises:
            OSError: the disk is full or failing; so for all that is written here.
        """
        self._write(b"[%d]\n" % ordinal)

    def end(self, ordinal: int, key: str, outcome: Outcome, tries: int, error: str | None) -> None:
        """Note an outcome."""
        kept = error and error[:MAX_ERROR]
        mark = Mark(ordinal, key[:MAX_KEY], outcome, tries, kept)
        self._write(_encoder.encode(mark) + b"\n")
        self._ended += 1

    def sync(self, now: float, *, ending: bool = False) -> None:
        """Bring it onto the disk, when that is due."""
        if not self._dirty:
            self._synced_at = now
        elif ending or self._ended >= self._every or now - self._synced_at >= SYNC_SECONDS:
            os.fdatasync(self._file)
            self._synced_at, self._ended, self._dirty = now, 0, False

    def sync_at(self) -> float | None:
        """Give the time at which `sync` has something to do, or none."""
        return self._synced_at + SYNC_SECONDS if self._dirty else None

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        while written < len(line):  # the disk is full: the next try says so
            written += os.write(self._file, line[written:])
        self._dirty = True
