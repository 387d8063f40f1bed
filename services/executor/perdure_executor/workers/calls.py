"""What is said to a worker and what it answers: frames of `length (4) | JSON` on a stream socket.

The first call travels with three descriptors: where standard output, standard error and PERDURE_FD
go, for it and all that follow; a later one may bring others.
"""

import json
import struct

HEAD = struct.Struct("!I")
_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode

DONE = "done"
RAISED = "raised"
REJECTED = "rejected"
EXITED = "exited"


class Call:
    """One call of a function."""

    __slots__ = ("allowed", "args", "cwd", "env", "func", "kwargs")

    def __init__(
        self,
        *,
        func: str,
        args: "list[object]",
        kwargs: "dict[str, object]",
        env: dict[str, str],
        cwd: str,
        allowed: "list[str] | None" = None,
    ) -> None:
        """Take it as it is.

        Args:
            func: `package.module:callable`, or all with dots.
            args: JSON values.
            kwargs: JSON values by name.
            env: the whole environment during the call.
            cwd: where it is called.
            allowed: prefixes of modules that the function must be defined in; none for any.
        """
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.env = env
        self.cwd = cwd
        self.allowed = allowed


class Answer:
    """How a call ended, from the worker itself; one that died gives none."""

    __slots__ = ("code", "cpu", "keep", "message", "modules", "outcome", "peak", "spent")

    def __init__(
        self,
        *,
        outcome: str,
        message: str = "",
        code: int | None = None,
        cpu: float = 0.0,
        peak: int = 0,
        spent: float = 0.0,
        keep: bool = True,
        modules: dict[str, int] | None = None,
    ) -> None:
        """Take it as it is.

        Args:
            outcome: `done`, `raised`, `rejected` (not found or not allowed) or `exited`.
            message: what was raised, like `ValueError: text`, or why it was rejected.
            code: of `exited`; never 0.
            cpu: seconds of CPU of the call with all children that ended in it.
            peak: most memory the worker or one of those children held during it, in bytes.
            spent: seconds of CPU of the worker since it began.
            keep: whether the worker may carry another call; it left nothing behind then.
            modules: files of the user that were loaded, with when they were changed (ns).
        """
        self.outcome = outcome
        self.message = message
        self.code = code
        self.cpu = cpu
        self.peak = peak
        self.spent = spent
        self.keep = keep
        self.modules = modules or {}


def encode(message: Call | Answer) -> bytes:
    """Give the JSON of a message; text that is not UTF-8 (file names) survives."""
    said = {name: getattr(message, name) for name in message.__slots__}
    return _encode({name: value for name, value in said.items() if value is not None}).encode()


def decode_call(data: bytes) -> Call:
    """Read a call."""
    return Call(**_decode(data.decode()))


def decode_answer(data: bytes) -> Answer:
    """Read an answer."""
    return Answer(**_decode(data.decode()))


READY = HEAD.pack(0)
"""An empty frame: the worker is there."""


def framed(body: bytes) -> bytes:
    """Give the frame of a message."""
    return HEAD.pack(len(body)) + body
