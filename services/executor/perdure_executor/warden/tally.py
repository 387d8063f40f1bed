"""What came of calls that nobody looked at, in a file in memory that outlives keeper and worker."""

import fcntl
import json
import os

from perdure_executor.workers.calls import Answer, decode_answer, framed, unframed


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

    def read(self) -> list[tuple[str, Answer]]:
        """Give what has ended so far, by key; the call after that may have begun."""
        data = os.pread(self.file, os.fstat(self.file).st_size, 0)
        if not data:
            return []
        keys, *answers = unframed(data)
        return list(zip(json.loads(keys), map(decode_answer, answers), strict=False))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.file)
