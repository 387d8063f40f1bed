"""What must survive the agent: attempts it carries, reports nobody confirmed. SQLite with a WAL.

A committed transaction is in the page cache, so a killed process loses nothing; it costs no fsync. What
waits for longer than a moment is also synced, so that a host that crashes while NATS is away keeps
what has ended.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from perdure_contract.wire import Attempt, Ended, Grant, Report, encode
from perdure_executor.reported import Reported

WRITE_BACK_COMMITS = 100
"""After so many the WAL is written back to the main file: see `write_back`."""
LONGEST_WAL_PAGES = 10_000
"""Above, the commit that finds it so long does it: 40 MB."""
BATCH_BYTES = 524288
BATCH_REPORTS = 1000
MAX_WAITING_BYTES = 4 << 30
"""Reports that may wait in all; above, output is cut out and the cut is marked."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
  key TEXT PRIMARY KEY, given BLOB NOT NULL, started INTEGER NOT NULL,
  next_line INTEGER NOT NULL DEFAULT 1, reported BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, last INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS reports_of ON reports (key);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Kept(NamedTuple):
    """An attempt that the agent carried when it was last alive."""

    key: str
    grant: Grant
    started: bool
    next_line: int
    reported: Reported | None


class Waiting(NamedTuple):
    """A report that is not confirmed; `last` tells that it ends its attempt."""

    id: int
    key: str
    last: bool
    body: bytes


class Spool:
    """The file `spool.sqlite` of an executor; used by one process, which holds the lock."""

    def __init__(self, directory: Path) -> None:
        """Open or make it.

        Raises:
            sqlite3.Error: when the disk is full or the file is damaged.
        """
        path = directory / "spool.sqlite"
        path.touch(0o600)  # SQLite gives its other files the same mode
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_WAL_PAGES}")
        self._db.executescript(_SCHEMA)
        self._wal = os.open(f"{path}-wal", os.O_RDONLY)
        self._beside = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._writing_back = threading.Lock()
        self.grown = asyncio.Event()
        """Set when `write_back` is due."""
        self._commits = 0
        self._depth = 0
        self._through = 0
        self._swept = 0
        self.waiting_bytes: int = self._one("SELECT coalesce(sum(length(body)), 0) FROM reports")

    def close(self) -> None:
        """Write everything to the main file and close."""
        self._sweep()
        os.close(self._wal)
        with self._writing_back:
            self._beside.close()
        self._db.close()

    @property
    def busy(self) -> bool:
        """Whether something is done together just now, and not committed."""
        return self._depth > 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit all that is done inside at once, or nothing of it; may be nested."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
            self._sweep()
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")
            self._commits += 1
            if self._commits % WRITE_BACK_COMMITS == 0:
                self.grown.set()

    def write_back(self) -> None:
        """Bring the WAL into the main file; may block, so call it beside the loop.

        It has two fsyncs in it: left to a commit, they would hold up the start of an attempt.

        Raises:
            sqlite3.Error: when the disk is full; the WAL stays as it is then.
        """
        with self._writing_back:
            self._beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def sync(self) -> None:
        """Bring what was committed onto the disk; may block, so call it beside the loop."""
        os.fdatasync(self._wal)

    # --- attempts --------------------------------------------------------------------------------

    def keep(self, key: str, grant: Grant, *, started: bool = False) -> None:
        """Remember a granted attempt; one that is started may have had effects: never again."""
        self._db.execute(
            "INSERT INTO attempts (key, given, started) VALUES (?, ?, ?)",
            (key, encode(grant), started),
        )

    def mark_started(self, key: str, *, started: bool = True) -> None:
        """Remember that an attempt that waited is started, or that it waits again."""
        self._db.execute("UPDATE attempts SET started = ? WHERE key = ?", (started, key))

    def save(self, key: str, next_line: int, reported: Reported) -> None:
        """Remember how far the output of an attempt was taken."""
        self._db.execute(
            "UPDATE attempts SET next_line = ?, reported = ? WHERE key = ?",
            (next_line, msgspec.msgpack.encode(reported), key),
        )

    def drop(self, key: str) -> None:
        """Forget an attempt; its reports stay."""
        self._db.execute("DELETE FROM attempts WHERE key = ?", (key,))

    def kept(self) -> list[Kept]:
        """Give all attempts, oldest grant first."""
        rows = self._db.execute(
            "SELECT key, given, started, next_line, reported FROM attempts ORDER BY key"
        )
        return [
            Kept(
                key,
                msgspec.msgpack.decode(given, type=Grant),
                bool(started),
                next_line,
                None if reported is None else msgspec.msgpack.decode(reported, type=Reported),
            )
            for key, given, started, next_line, reported in rows
        ]

    # --- reports ---------------------------------------------------------------------------------

    def add(self, key: str, report: Report) -> None:
        """Put a report into the queue."""
        body = encode(report)
        self._db.execute(
            "INSERT INTO reports (key, last, body) VALUES (?, ?, ?)",
            (key, isinstance(report.finding, Ended), body),
        )
        self.waiting_bytes += len(body)

    def batch(self) -> list[Waiting]:
        """Give the oldest reports that fit into one message."""
        found: list[Waiting] = []
        size = 0
        for row in self._db.execute(
            "SELECT id, key, last, body FROM reports WHERE id > ? ORDER BY id LIMIT ?",
            (self._through, BATCH_REPORTS),
        ):
            waiting = Waiting(*row)
            size += len(waiting.body)
            if found and size > BATCH_BYTES:
                break
            found.append(waiting)
        if not found:
            self.waiting_bytes = 0
        return found

    def confirmed(self, batch: list[Waiting]) -> None:
        """Forget the batch, which the api has answered for.

        It leaves the disk with the next transaction: until then a crash has it sent once more, which
        the api knows for a repetition.
        """
        self._through = batch[-1].id
        self.waiting_bytes -= sum(len(waiting.body) for waiting in batch)

    def _sweep(self) -> None:
        if self._through > self._swept:
            self._db.execute("DELETE FROM reports WHERE id <= ?", (self._through,))
            self._swept = self._through

    def drop_reports(self, key: str) -> None:
        """Delete all reports of an attempt that is fenced."""
        self._db.execute("DELETE FROM reports WHERE key = ?", (key,))
        self.waiting_bytes = self._one("SELECT coalesce(sum(length(body)), 0) FROM reports")

    def newest(self) -> int:
        """Give the id of the last report, 0 without any."""
        return self._one("SELECT coalesce(max(id), 0) FROM reports")

    def oldest(self) -> int | None:
        """Give the id of the first report, none without any."""
        row = self._db.execute(
            "SELECT min(id) FROM reports WHERE id > ?", (self._through,)
        ).fetchone()
        oldest: int | None = row[0]
        return oldest

    def unconfirmed_ends(self) -> list[str]:
        """Give the keys of attempts whose last report waits."""
        return [
            key for (key,) in self._db.execute("SELECT key FROM reports WHERE last ORDER BY id")
        ]

    def lost(self) -> list[Attempt]:
        """Give the attempts that were lost here and of which the api was not told yet."""
        note = self.note("lost")
        return [] if note is None else msgspec.json.decode(note, type=list[Attempt])

    def set_lost(self, attempts: Iterable[Attempt]) -> None:
        """Remember the lost attempts until the api was told."""
        self.set_note("lost", msgspec.json.encode(list(attempts)).decode())

    # --- notes -----------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """Give a note, or none."""
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_note(self, name: str, value: str) -> None:
        """Write a note."""
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def _one(self, query: str) -> int:
        value: int = self._db.execute(query).fetchone()[0]
        return value
