"""What the warden keeps until the agent has taken it: ends of attempts, and calls given back.

An end is in a file, the journal, before the agent hears of it, and so outlives the two of them. Whoever
comes as the agent hears of everything again that was not taken.
"""

import os

from perdure_executor.warden.frames import BACK, OVER, Unpacker, pack

JOURNAL = "ended.journal"
JOURNAL_BYTES = 1 << 20
"""A journal that is longer is written anew, without what was taken."""
READ_BYTES = 1 << 20


class Untaken:
    """Ended attempts with their records, and calls that were not begun; by key."""

    __slots__ = ("_back", "_journal", "_news", "_spool", "records", "unwritten")

    def __init__(self, spool: int) -> None:
        """Read the journal, made when it is not there.

        Args:
            spool: descriptor of its directory.
        """
        self._spool = spool
        self.records: dict[str, bytes] = {}
        self._back: dict[str, None] = {}
        """Calls that were not begun; the agent may not know it yet."""
        self._news = bytearray()
        self.unwritten = False
        """Whether the journal lacks a record, because the disk is full."""
        self._journal = os.open(JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600, dir_fd=spool)
        data = bytearray()
        while piece := os.read(self._journal, READ_BYTES):
            data += piece
        for _, key, record in Unpacker().feed(bytes(data)):
            self.records[key] = record

    def over(self, key: str, record: bytes) -> None:
        """Keep the record of an attempt that is over; `write` makes it known."""
        self.records[key] = record
        self._news += pack(OVER, key, record)

    def give_back(self, key: str) -> None:
        """Keep in mind that a call was not begun."""
        self._back[key] = None

    def started(self, key: str) -> None:
        """Forget that it was given back: it was ordered again."""
        self._back.pop(key, None)

    def taken(self, key: str) -> None:
        """Forget it: the agent has it on its own disk."""
        self.records.pop(key, None)
        self._back.pop(key, None)

    def keys(self) -> list[str]:
        """Name everything there is."""
        return [*self.records, *self._back]

    def frames(self) -> bytes:
        """Give everything there is, for an agent that is new to us."""
        back = [pack(BACK, key) for key in self._back]
        return b"".join((*back, self._ends()))

    def write(self) -> bytes:
        """Write what is over since the last time, in one go; give it for the agent, who hears it then.

        A disk that is full holds nothing up: `unwritten` is set, and the next call tries again.
        """
        if not self._news and not self.unwritten:
            return b""
        size = os.fstat(self._journal).st_size
        try:
            if self.unwritten or size > JOURNAL_BYTES:
                self._write_anew()
            elif os.write(self._journal, self._news) < len(self._news):
                os.ftruncate(self._journal, size)
                self.unwritten = True
        except OSError:
            self.unwritten = True
        news = bytes(self._news)
        self._news.clear()
        return news

    def _write_anew(self) -> None:
        fresh = f"{JOURNAL}.new"
        file = os.open(
            fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600, dir_fd=self._spool
        )
        try:
            ends = self._ends()
            while ends:
                ends = ends[os.write(file, ends) :]
            os.rename(fresh, JOURNAL, src_dir_fd=self._spool, dst_dir_fd=self._spool)
        except OSError:
            os.close(file)
            raise
        os.close(self._journal)
        self._journal, self.unwritten = file, False

    def _ends(self) -> bytes:
        return b"".join(pack(OVER, key, record) for key, record in self.records.items())
