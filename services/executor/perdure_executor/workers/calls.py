"""What is said to a worker and what it answers: frames of `length (4) | JSON` on a stream socket.

A message to it is a frame of frames: calls to be carried one after the other. It answers once, for the
call at which it stopped: the last one, or the first that somebody must look at. What came of those
before it lies in the tally.

The first message travels with descriptors: where standard output, standard error and PERDURE_FD go, for
it and all that follow, and the tally and the turn where there are such; a later one may bring others.
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
_NEVER = float("inf")


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

    __slots__ = (
        "began", "code", "cpu", "ended", "keep", "message", "modules", "outcome", "peak", "spent",
    )  # fmt: skip

    def __init__(
        self,
        *,
        outcome: str,
        message: str = "",
        code: int | None = None,
        began: float = 0.0,
        ended: float = 0.0,
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
            began: seconds since the epoch by this host's clock; `ended` likewise.
            ended: when nothing of it was left.
            cpu: seconds of CPU of the call with all children that ended in it.
            peak: most memory the worker or one of those children held during it, in bytes.
            spent: seconds of CPU of the worker since it began.
            keep: whether the worker may carry another call; it left nothing behind then.
            modules: files of the user that were loaded, with when they were changed (ns).
        """
        self.outcome = outcome
        self.message = message
        self.code = code
        self.began = began
        self.ended = ended
        self.cpu = cpu
        self.peak = peak
        self.spent = spent
        self.keep = keep
        self.modules = modules or {}


def encode_call(call: Call) -> bytes:
    """Give the JSON of a call; text that is not UTF-8 (file names) survives."""
    return _encode({name: getattr(call, name) for name in call.__slots__}).encode()


def encode_answer(answer: Answer) -> bytes:
    """Give the JSON of an answer, without what says nothing; text that is not UTF-8 survives."""
    said = {name: getattr(answer, name) for name in answer.__slots__}
    return _encode(
        {name: value for name, value in said.items() if value or value is False}
    ).encode()


def decode_call(data: bytes) -> Call:
    """Read a call."""
    return Call(**_decode(data.decode()))


def decode_answer(data: bytes) -> Answer:
    """Read an answer."""
    return Answer(**_decode(data.decode()))


class Quiet:
    """What came of a call that printed nothing and left nothing: an entry of the tally."""

    __slots__ = ("began", "code", "cpu", "ended", "peak", "spent")

    FORM = struct.Struct("!ddddqB")

    def __init__(  # noqa: PLR0917 - as they stand in its form
        self, began: float, ended: float, cpu: float, spent: float, peak: int, code: int
    ) -> None:
        """Take the figures of an `Answer`; `code` is 0 when it was done."""
        self.began = began
        self.ended = ended
        self.cpu = cpu
        self.spent = spent
        self.peak = peak
        self.code = code

    @classmethod
    def of(cls, answer: Answer) -> "Quiet | None":
        """Give the entry of an answer; none when the answer says more.

        Nor when its times are none, as after a function that replaced `time.time`.
        """
        if answer.message or answer.modules or answer.outcome not in (DONE, EXITED):
            return None
        if not 0.0 <= answer.began <= answer.ended < _NEVER:
            return None
        return cls(
            answer.began, answer.ended, answer.cpu, answer.spent, answer.peak, answer.code or 0
        )

    def encode(self) -> bytes:
        """Give its bytes, always as many."""
        return self.FORM.pack(self.began, self.ended, self.cpu, self.spent, self.peak, self.code)


READY = HEAD.pack(0)
"""An empty frame: the worker is there."""


def framed(body: bytes) -> bytes:
    """Give the frame of a message."""
    return HEAD.pack(len(body)) + body


def unframed(data: bytes) -> list[bytes]:
    """Give the bodies of the frames that are whole."""
    found: list[bytes] = []
    at = HEAD.size
    while at <= len(data):
        end = at + HEAD.unpack_from(data, at - HEAD.size)[0]
        if end > len(data):
            break
        found.append(data[at:end])
        at = end + HEAD.size
    return found
