"""What a program prints, as numbered whole lines in bounded files.

A *block* is some whole lines of one stream that arrived together:
`stream (1) | cut (1) | at (8) | first line (8) | lines (4) | bytes (4) | text`. The head of the output
goes to `<path>.log`; when half of the limit is used, the rest goes round in `<path>.tail.<n>`, of which
the oldest are deleted. The agent reads the head while it grows, and the tail at the end.
"""

import os
import struct
from binascii import b2a_base64

BLOCK = struct.Struct("!B?dQII")
STDOUT = 1
STDERR = 2
LINE_BYTES = 65536
READ_BYTES = 65536
FLUSH_BYTES = 65536
INLINE_BYTES = 49152
"""Output that never went to disk travels with the record of the end, up to this much."""
TAIL_PIECES = 8
HEAD_LINES = 1_500_000
"""More lines than this are not kept in the head, however short they are; nor in the tail."""
SMALLEST_PIECE_BYTES = 65536


def append(name: str, file: int | None, data: bytearray) -> int | None:
    """Append all or nothing, so that no half block stays in a file when the disk is full.

    Args:
        name: of the file, made when it is not open yet.
        file: the open file.
        data: what to append; empty afterwards. What found no room is missing from the output.

    Returns:
        The open file, or none when it could not even be made.
    """
    written = 0
    try:
        if file is None:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with memoryview(data) as view:
            while written < len(data):
                written += os.write(file, view[written:])
    except OSError:
        if file is not None:
            os.ftruncate(file, os.fstat(file).st_size - written)
    data.clear()
    return file


def forget(name: str) -> None:
    """Delete a file, if it is there."""
    try:
        os.unlink(name)
    except OSError:
        return


class Lines:
    """Cuts one stream into blocks of whole lines; a line over 64 KiB is cut and its rest dropped."""

    __slots__ = ("_dropping", "_parts", "_size")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._parts: list[bytes] = []
        self._size = 0
        self._dropping = False

    def feed(self, data: bytes) -> list[tuple[bytes, bool]]:
        """Take at most `READ_BYTES`; give texts of whole lines, each with whether it was cut."""
        if self._dropping:
            end = data.find(b"\n")
            if end < 0:
                return []
            self._dropping = False
            data = data[end + 1 :]
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._keep(data)
            return self._cut_when_long()
        text = b"".join((*self._parts, data[:end])) if self._parts else data[:end]
        found: list[tuple[bytes, bool]] = []
        first = text.find(b"\n")
        if first > LINE_BYTES:  # only the first line can be: the others came in one read
            found.append((text[:LINE_BYTES], True))
            text = text[first + 1 :]
        if text:
            found.append((text, False))
        self._parts.clear()
        self._size = 0
        self._keep(data[end:])
        return found

    def end(self) -> list[tuple[bytes, bool]]:
        """Give the last line when it was not ended with a newline."""
        rest = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return [(rest, False)] if rest else []

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._size += len(data)

    def _cut_when_long(self) -> list[tuple[bytes, bool]]:
        if self._size <= LINE_BYTES:
            return []
        text = b"".join(self._parts)[:LINE_BYTES]
        self._parts.clear()
        self._size = 0
        self._dropping = True
        return [(text, True)]


class Output:
    """Takes stdout and stderr of one attempt as they come, and keeps head and tail within a limit."""

    __slots__ = (
        "_file", "_full", "_head_room", "_path", "_pending", "_piece", "_piece_bytes", "_pieces",
        "_streams", "_tail", "bytes", "lines", "tail_bytes",
    )  # fmt: skip

    def __init__(self, path: str, limit: int) -> None:
        """Write to files that start with `path`; `limit` is log_bytes."""
        self._path = path
        self._head_room = limit - limit // 2
        self.tail_bytes = limit // 2
        self._piece_bytes = max(self.tail_bytes // TAIL_PIECES, SMALLEST_PIECE_BYTES)
        self._pieces = self.tail_bytes // self._piece_bytes + 2
        self._streams = {STDOUT: Lines(), STDERR: Lines()}
        self._pending = bytearray()
        self._file: int | None = None
        self._tail = False
        self._piece = 0
        self._full = 0
        self.lines = 0
        self.bytes = 0

    @property
    def waiting(self) -> bool:
        """Whether something is not yet on disk."""
        return bool(self._pending)

    @property
    def in_tail(self) -> bool:
        """Whether the head is closed: what comes now may be cut out later."""
        return self._tail

    def take(self, stream: int, data: bytes, at: float) -> None:
        """Take what was read from a stream at a time (seconds since the epoch)."""
        self.bytes += len(data)
        for text, cut in self._streams[stream].feed(data):
            self._add(stream, text, at, cut=cut)
        if len(self._pending) >= FLUSH_BYTES:
            self.flush()

    def end(self, at: float) -> str | None:
        """Both streams are over. Give what never went to disk (base64), or none when files hold it all."""
        for stream, lines in self._streams.items():
            for text, cut in lines.end():
                self._add(stream, text, at, cut=cut)
        if self._file is None and not self._tail and len(self._pending) <= INLINE_BYTES:
            return b2a_base64(self._pending, newline=False).decode()
        self.flush()
        self._close()
        return None

    def flush(self) -> None:
        """Write what waits to the present file."""
        if not self._pending:
            return
        name = f"{self._path}.tail.{self._piece}" if self._tail else f"{self._path}.log"
        if self._tail:
            self._full += len(self._pending)
        self._file = append(name, self._file, self._pending)
        if self._full >= self._piece_bytes:
            self._close()
            self._full = 0
            self._piece += 1
            forget(f"{self._path}.tail.{self._piece - self._pieces}")

    def _add(self, stream: int, text: bytes, at: float, *, cut: bool) -> None:
        if not self._tail and (len(text) > self._head_room or self.lines > HEAD_LINES):
            fits = 0 if cut or self._head_room <= 0 else text.rfind(b"\n", 0, self._head_room) + 1
            if fits:
                self._put(stream, text[:fits], at, cut=False)
                text = text[fits:]
            self.flush()
            self._close()
            self._tail = True
        self._put(stream, text, at, cut=cut)

    def _put(self, stream: int, text: bytes, at: float, *, cut: bool) -> None:
        lines = text.count(b"\n") + (not text.endswith(b"\n"))
        self._pending += BLOCK.pack(stream, cut, at, self.lines + 1, lines, len(text))
        self._pending += text
        self.lines += lines
        if not self._tail:
            self._head_room -= len(text)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Reported:
    """The lines a program writes to PERDURE_FD, as they are, in two turning files `<path>.fd.<n>`."""

    __slots__ = ("_file", "_path", "_pending", "_piece", "_rest", "_size", "_skipping")

    LINE_BYTES = 131072
    DROPPED = b"too long\n"
    """Stands where a line was dropped; the agent counts it with those that it does not understand."""
    PIECE_BYTES = 4 << 20

    def __init__(self, path: str) -> None:
        """Write to files that start with `path`."""
        self._path = path
        self._pending = bytearray()
        self._rest = bytearray()
        self._skipping = False
        self._file: int | None = None
        self._piece = 0
        self._size = 0

    @property
    def waiting(self) -> bool:
        """Whether something is not yet on disk."""
        return bool(self._pending)

    def take(self, data: bytes) -> None:
        """Take what was read; a line over 128 KiB is dropped."""
        end = data.rfind(b"\n") + 1
        if end:
            if not self._skipping:
                self._pending += self._rest
                self._pending += data[:end]
            else:
                self._pending += data[data.find(b"\n") + 1 : end]
            self._rest.clear()
            self._skipping = False
        if not self._skipping:
            self._rest += data[end:]
            if len(self._rest) > self.LINE_BYTES:
                self._rest.clear()
                self._pending += self.DROPPED
                self._skipping = True
        if len(self._pending) >= FLUSH_BYTES:
            self.flush()

    def end(self) -> str | None:
        """Nothing more comes. Give what never went to disk (base64), or none when files hold it all."""
        if self._rest and not self._skipping:
            self._pending += self._rest + b"\n"
        if self._file is None and self._piece == 0 and len(self._pending) <= INLINE_BYTES:
            return b2a_base64(self._pending, newline=False).decode()
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return None

    def flush(self) -> None:
        """Write what waits; the file before the last is deleted when one is full."""
        if not self._pending:
            return
        self._size += len(self._pending)
        self._file = append(f"{self._path}.fd.{self._piece}", self._file, self._pending)
        if self._size >= self.PIECE_BYTES:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._size = 0
            self._piece += 1
            forget(f"{self._path}.fd.{self._piece - 2}")
