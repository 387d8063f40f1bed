"""What the agent orders from a keeper, and what the keeper notes at the end; JSON between them.

The call of an order follows on a line of its own: it is for the worker, and not read on its way.
"""

import json

_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode


class Order:
    """One program to start or function to call, and how it is watched.

    Plain, so that keepers import nothing for it.
    """

    __slots__ = (
        "argv", "call", "cwd", "env", "grace", "log_bytes", "memory_bytes", "path", "program",
        "python_path", "stdin", "timeout", "until_lease",
    )  # fmt: skip

    def __init__(
        self,
        *,
        path: str,
        program: str = "",
        argv: list[str] | None = None,
        env: dict[str, str] | None = None,
        cwd: str = "/",
        stdin: str = "/dev/null",
        call: bytes | None = None,
        python_path: list[str] | None = None,
        timeout: float | None = None,
        grace: float = 10.0,
        memory_bytes: int | None = None,
        log_bytes: int = 50_000_000,
        until_lease: bool = True,
    ) -> None:
        """Take it as it is.

        Args:
            path: where its output goes; files begin with it.
            program: absolute path of what is executed.
            argv: its arguments, the first is the name it is called by.
            env: its whole environment.
            cwd: where it starts.
            stdin: file it reads.
            call: instead of all these the fields of a `workers.calls.Call` as JSON.
            python_path: where the modules of a call are found.
            timeout: seconds it may run; none for as long as it likes.
            grace: seconds between TERM and KILL.
            memory_bytes: what its whole tree may hold in memory.
            log_bytes: how much of its output is kept.
            until_lease: whether it is ended when the executor's lease is over.
        """
        self.program = program
        self.argv = argv or []
        self.env = env or {}
        self.cwd = cwd
        self.path = path
        self.stdin = stdin
        self.call = call
        self.python_path = python_path or []
        self.timeout = timeout
        self.grace = grace
        self.memory_bytes = memory_bytes
        self.log_bytes = log_bytes
        self.until_lease = until_lease


class Record:
    """How an attempt ended. A program that never started has `rejected`, one of ours broke: `broken`."""

    __slots__ = (
        "broken", "cpu", "ended", "exit_code", "lines", "log", "peak", "rejected", "reported",
        "signal", "size", "started", "why",
    )  # fmt: skip

    def __init__(
        self,
        *,
        started: float = 0.0,
        ended: float = 0.0,
        why: str | None = None,
        exit_code: int | None = None,
        signal: str | None = None,
        rejected: str | None = None,
        broken: str | None = None,
        cpu: float = 0.0,
        peak: int = 0,
        lines: int = 0,
        size: int = 0,
        log: str | None = None,
        reported: str | None = None,
    ) -> None:
        """Take it as it is.

        Args:
            started: seconds since the epoch by this host's clock; `ended` likewise.
            ended: when the last process of the tree was gone.
            why: what ended it when it did not end by itself, a word of `attempt`.
            exit_code: of the program, when it exited.
            signal: name of the signal that ended the program.
            rejected: why it could not be started.
            broken: what broke on our side.
            cpu: seconds of CPU of all its processes.
            peak: most memory one of its processes held, in bytes; of the tree where it was watched.
            lines: how many lines it printed.
            size: how many bytes it printed.
            log: its output (base64 of blocks) when it never went to disk.
            reported: what it wrote to PERDURE_FD, likewise.
        """
        self.started = started
        self.ended = ended
        self.why = why
        self.exit_code = exit_code
        self.signal = signal
        self.rejected = rejected
        self.broken = broken
        self.cpu = cpu
        self.peak = peak
        self.lines = lines
        self.size = size
        self.log = log
        self.reported = reported


def encode_order(order: Order) -> bytes:
    """Give the bytes of an order; text that is not UTF-8 (file names) survives."""
    return with_call(_encode(fields(order)).encode(), order)


def decode_order(data: bytes) -> Order:
    """Read an order."""
    said, _, call = data.partition(b"\n")
    return Order(**_decode(said.decode()), call=call or None)


def with_call(said: bytes, order: Order) -> bytes:
    """Add the call, if there is one, to the JSON of the other fields."""
    return said if order.call is None else said + b"\n" + order.call


def call_of(data: bytes) -> bytes:
    """Give the call of an order that is one, without reading the rest."""
    return data.partition(b"\n")[2]


def fields(order: Order) -> "dict[str, object]":
    """Give all but the call, by name."""
    return {name: getattr(order, name) for name in order.__slots__ if name != "call"}


def encode(record: Record) -> bytes:
    """Give the JSON of a record; text that is not UTF-8 survives."""
    said = {name: getattr(record, name) for name in record.__slots__}
    return _encode({name: value for name, value in said.items() if value is not None}).encode()


def decode_record(data: bytes) -> Record:
    """Read a record."""
    return Record(**_decode(data.decode()))
