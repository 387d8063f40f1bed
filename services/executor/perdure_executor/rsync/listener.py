"""rsync's output, taken apart as it comes: progress, changes, figures, and what is for the log."""

import re
from typing import Final

from perdure_contract.rsync.output import (
    Standing,
    change_in,
    figures_in,
    standing_after,
)
from perdure_executor.rsync.differences import Differences

_ENDS: Final = re.compile(rb"[\r\n]")
PERCENT: Final = 100


class Listener:
    """Takes bytes in any pieces."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.figures: dict[str, float] = {}
        self.differences = Differences()
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """Take what was read; give the lines of it that are for the log."""
        *lines, self._rest = _ENDS.split(self._rest + data)
        logged = [line for line in lines if self._is_for_log(line)]
        # Progress within a file has no end of line before the next.
        self._hear_progress(self._rest)
        return b"".join(line + b"\n" for line in logged)

    def finish(self) -> bytes:
        """Give the last line when it has no end."""
        return self.take(b"\n") if self._rest.strip() else b""

    def progress(self, message: str, *, done: bool = False) -> dict[str, object]:
        """Give the report of how far it is."""
        standing = self.standing
        return {
            "done": PERCENT if done else round(standing.fraction * PERCENT, 1),
            "total": PERCENT,
            "unit": "%",
            "message": message,
            "figures": {
                "bytes": standing.bytes,
                "files": standing.files,
                "files_checked": standing.checked,
                "files_total": standing.total,
                "bytes_per_second": round(standing.bytes_per_second),
            },
        }

    def checkpoint(self) -> dict[str, object]:
        """Give the mark of how far it came; rsync itself finds what is already there."""
        standing = self.standing
        cursor = f"{standing.checked} of {standing.total} files"
        if not standing.total:
            cursor = f"{standing.bytes} bytes"
        return {"cursor": cursor, "state": {"bytes": standing.bytes, "files": standing.files}}

    def _is_for_log(self, line: bytes) -> bool:
        if not line.strip() or self._hear_progress(line):
            return False
        text = line.decode(errors="replace")
        if (change := change_in(text)) is not None:
            self.differences.add(change)
        else:
            self.figures.update(figures_in(text))
        return True

    def _hear_progress(self, line: bytes) -> bool:
        standing = standing_after(self.standing, line.decode("ascii", "replace"))
        if standing is None:
            return False
        self.standing = standing
        return True
