"""How far the outcomes of a batch's items were reported, and the next report of them.

The driver appends to the journal, we report what is new in it: so that a million items make few
events, and an agent that is killed goes on where the spool says. See `batch.journal`.
"""

import os
from pathlib import Path

import msgspec
import zstandard
from msgspec import Struct

from perdure_contract.items import MAX_SPANS, Outcome
from perdure_contract.wire import ItemDone, ItemsRecorded
from perdure_executor.batch.journal import Mark
from perdure_executor.batch.plan import JOURNAL_SUFFIX

REPORT_SECONDS = 5.0
HURRIED_SECONDS = 1.0
HURRIED_ITEMS = 10_000
"""With so many new outcomes a report may come sooner."""
PATIENT_SECONDS = 30.0
REPORTS = 800
"""A batch has about so many reports, however long it takes: with less to tell, one waits longer."""
READ_BYTES = 262144

_decoder = msgspec.json.Decoder(Mark)
_encoder = msgspec.msgpack.Encoder()
_compressor = zstandard.ZstdCompressor(level=1)

NO_OUTCOMES = _compressor.compress(_encoder.encode([]))
"""Of a report that only tells what was begun: it makes no checkpoint."""


class Recorded(Struct, kw_only=True):
    """The state that the spool keeps; times are seconds since boot."""

    told_at: float
    worth: int = 0
    """So many new outcomes are worth a report."""
    offset: int = 0
    """Place in the journal up to which everything is reported."""
    until: int = 0
    """Place up to which everything is to be reported now."""
    begun: set[int] = set()
    """Items that are begun and have no outcome yet."""
    told_done: float = 0.0
    fresh: bool = False
    """Whether the driver has said something since."""

    @classmethod
    def of(cls, total: int, done: int, now: float) -> "Recorded":
        """Begin with an attempt of a batch of so many items, of which so many were done before."""
        return cls(told_at=now, told_done=done, worth=total // REPORTS)

    def wake_at(self, done: float) -> float | None:
        """Give the time at which a report is due, when so many items are done; or none."""
        if not self.fresh:
            return None
        new = done - self.told_done
        if new >= HURRIED_ITEMS:
            return self.told_at + HURRIED_SECONDS
        return self.told_at + (REPORT_SECONDS if new >= self.worth else PATIENT_SECONDS)

    def take(
        self, path: str, number: int, done: float, now: float, *, ending: bool
    ) -> ItemsRecorded | None:
        """Give the next report that is due; none when there is none for now.

        Args:
            path: what the attempt's files begin with.
            number: of the checkpoint that it makes, if it has outcomes.
            done: how many items are done, as the driver has said last.
            now: seconds since boot.
            ending: whether everything is due.
        """
        due = self.wake_at(done)
        if not ending and self.offset >= self.until and (due is None or now < due):
            return None
        try:
            with Path(f"{path}{JOURNAL_SUFFIX}").open("rb") as journal:
                if ending or self.offset >= self.until:  # what comes later waits for the next row
                    self.until = os.fstat(journal.fileno()).st_size
                    self.told_at, self.told_done, self.fresh = now, done, False
                journal.seek(self.offset)
                data = journal.read(min(READ_BYTES, self.until - self.offset))
        except FileNotFoundError:
            self.fresh = False
            return None
        report = self._report(data, number)
        if report is None:
            self.until = self.offset
        return report

    def _report(self, data: bytes, number: int) -> ItemsRecorded | None:
        found: list[ItemDone] = []
        spans = _Spans()
        changed = False
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            mark = _decoder.decode(line)
            if mark.outcome is None:
                changed = changed or mark.ordinal not in self.begun
                self.begun.add(mark.ordinal)
            elif spans.add(mark.ordinal, mark.outcome) > MAX_SPANS:
                break
            else:
                self.begun.discard(mark.ordinal)
                found.append(ItemDone(mark.ordinal, mark.key, mark.outcome, mark.tries, mark.error))
            self.offset += len(line)
        if not found and not changed:
            return None
        return ItemsRecorded(
            number=number,
            outcomes=_compressor.compress(_encoder.encode(found)),
            begun=tuple(sorted(self.begun)),
        )


class _Spans:
    """Counts the ranges of neighbours that ended alike."""

    def __init__(self) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._count = 0

    def add(self, ordinal: int, outcome: Outcome) -> int:
        """Take an outcome; give how many ranges there are with it."""
        self._outcomes[ordinal] = outcome
        self._count += 1
        self._count -= self._outcomes.get(ordinal - 1) == outcome
        self._count -= self._outcomes.get(ordinal + 1) == outcome
        return self._count
