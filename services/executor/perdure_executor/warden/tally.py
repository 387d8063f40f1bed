"""What came of calls that nobody looked at, in a file in memory that outlives keeper and worker."""

import fcntl
import json
import os

from perdure_executor.workers.calls import HEAD, Quiet, framed


class Tally:
    """Made by the warden for a keeper, which says what is on a trip; the worker adds what has ended.

    So the warden knows how far they were when the keeper was killed.
    """

    __slots__ = ("file",)

    def __init__(self, file: int | None = None) -> None:
        """Use an open file, or make one."""
        if file is None:
            file = os.memfd_create("tally", os.MFD_CLOEXEC)
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        self.file = file

    def begin(self, keys: list[str]) -> None:
        """Start anew with calls in the order in which they are carried."""
        os.ftruncate(self.file, 0)
        os.write(self.file, framed(json.dumps(keys).encode()))

    def read(self) -> list[tuple[str, Quiet]]:
        """Give what has ended so far, by key; the call after that may have begun."""
        data = os.pread(self.file, os.fstat(self.file).st_size, 0)
        if not data:
            return []
        start = HEAD.size + HEAD.unpack_from(data)[0]
        keys = json.loads(data[HEAD.size : start])
        whole = len(data) - (len(data) - start) % Quiet.FORM.size
        entries = Quiet.FORM.iter_unpack(data[start:whole])
        return [(key, Quiet(*entry)) for key, entry in zip(keys, entries, strict=False)]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.file)
