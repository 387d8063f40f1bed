"""What a program writes: three pipes from it, and the bounded files that it all goes to."""

import os
import select
import time

from perdure_executor.warden.lease import boottime
from perdure_executor.warden.order import Order, Record
from perdure_executor.warden.output import READ_BYTES, STDERR, STDOUT, Output, Reported

REPORTED = 0
"""Stands for what is written to PERDURE_FD, beside the numbers of the output's streams."""
FLUSH_SECONDS = 0.15
FIRST_FLUSH_SECONDS = 0.02


class Streams:
    """The pipes from one attempt's program, pumped whenever there is something in them."""

    __slots__ = ("_flushed_at", "_output", "_poll", "_reported", "flush_at", "pipes")

    def __init__(self, order: Order, poll: select.poll) -> None:
        """Have no pipes yet; what is read goes where the order says.

        Args:
            order: names the files, and has their bound.
            poll: what the pipes will be registered with.
        """
        self.pipes: dict[int, int] = {}
        """The ends to read, each with what it carries."""
        self._output = Output(order.path, order.log_bytes)
        self._reported = Reported(order.path)
        self._poll = poll
        self.flush_at: float | None = None
        """When `flush` is due, by `boottime`."""
        self._flushed_at = 0.0

    def pump(self, file: int) -> None:
        """Read once from a pipe; at its end it is closed."""
        try:
            data = os.read(file, READ_BYTES)
        except BlockingIOError:
            return
        stream = self.pipes[file]
        if not data:
            del self.pipes[file]
            self._poll.unregister(file)
            os.close(file)
            return
        self._take(stream, data)
        if self.flush_at is None:
            now = boottime()
            self.flush_at = max(now + FIRST_FLUSH_SECONDS, self._flushed_at + FLUSH_SECONDS)

    def _take(self, stream: int, data: bytes) -> None:
        if stream:
            self._output.take(stream, data, time.time())
        else:
            self._reported.take(data)

    def flush(self, now: float) -> bool:
        """Write what waits; tell whether the agent can read more than before."""
        told = self._reported.waiting or not self._output.in_tail
        self._output.flush()
        self._reported.flush()
        self.flush_at = None
        self._flushed_at = now
        return told

    def drain(self) -> None:
        """Read what is left in the pipes. Nobody of the tree writes any more."""
        for file, stream in self.pipes.items():
            try:
                while data := os.read(file, READ_BYTES):
                    self._take(stream, data)
            except BlockingIOError:  # a stranger was given the other end and keeps it
                continue

    def conclude(self, record: Record) -> None:
        """Note how much there was, and what of it never went to disk."""
        record.log = self._output.end(record.ended)
        record.reported = self._reported.end()
        record.lines = self._output.lines
        record.size = self._output.bytes

    def close(self) -> None:
        """Close the pipes."""
        for file in self.pipes:
            os.close(file)
        self.pipes.clear()


def open_pipes() -> tuple[dict[int, int], list[int]]:
    """Make three pipes; give the ends to read with what they carry, and in this order those to write."""
    pipes, ends = {}, []
    for stream in (STDOUT, STDERR, REPORTED):
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        pipes[read] = stream
        ends.append(write)
    return pipes, ends
