"""A worker: calls the functions it is told to, one after the other, until nobody is there any more.

Run as a file by an isolated interpreter, with the directories of the user's modules as arguments.
"""

import _signal  # type: ignore[import-not-found]  # `signal` without words, which cost as much as a call
import ctypes
import faulthandler
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import sys
import termios
import threading
import time
from types import FrameType, ModuleType

from perdure_executor.workers.calling import Caller
from perdure_executor.workers.calls import (
    HEAD,
    READY,
    REJECTED,
    Answer,
    Call,
    Quiet,
    decode_call,
    encode_answer,
    framed,
    unframed,
)
from perdure_executor.workers.process import CONTROL_FD, READ_BYTES

REPORT_FD = 3
HIGH_FD = 100
"""What we keep open lies from here on, so that the single digits are the function's."""
STREAMS = 3
MOST_FILES = 5
MOST_CALLS = 10_000
MOST_BYTES = 1 << 30
"""A worker that holds more than this after a call, or has carried so many, carries no other."""
FRESH_SECONDS = 2.0
_SET_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_INSTALLED = os.path.join(sys.prefix, "")
_libc = ctypes.CDLL(None, use_errno=True)


class Worker:
    """Everything around a call: its streams and environment, and what it has cost and left."""

    def __init__(self, control: socket.socket, path: list[str]) -> None:
        """Get ready.

        Args:
            control: socket to whoever started us.
            path: directories of the user's modules.
        """
        self._control = control
        self._path = tuple(os.path.join(folder, "") for folder in path)
        self._null = _high(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        self._high_water = _high(os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC))
        self._ends: list[int] = []
        """Where standard output, standard error and PERDURE_FD of calls go."""
        self._tally: int | None = None
        self._turn = -1
        """Whoever takes its 1 may say what becomes of the present call: we, or who looks at it."""
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._caller = Caller()
        self._on_term = self._asked_to_end
        self._calls = 0
        self._loaded = len(sys.modules)
        self._ours = set(sys.modules)
        self._told: set[str] = set()
        self._dressed: tuple[dict[str, str], dict[bytes, bytes]] = ({}, {})
        """The environment that the last call was given, and as it is kept by Python."""
        self._spent, self._children_peak, peak = _used()
        self._larger_parent = peak > _peak_bytes()
        """Whether getrusage tells of our parent's size and not of our own peak."""

    def serve(self) -> None:
        """Answer calls until the other end of the socket is closed."""
        self._control.sendall(READY)
        while (received := self._receive()) is not None:
            body, files = received
            if files:
                self._take_over(files)
            self._control.sendall(framed(encode_answer(self._carry_all(unframed(body)))))

    def _receive(self) -> tuple[bytes, list[int]] | None:
        data, files, _, _ = socket.recv_fds(self._control, READ_BYTES, MOST_FILES)
        while data:
            if len(data) >= HEAD.size:
                end = HEAD.size + HEAD.unpack_from(data)[0]
                if len(data) >= end:
                    return data[HEAD.size : end], files
            more = self._control.recv(READ_BYTES)
            if not more:
                return None
            data += more
        return None

    def _take_over(self, files: list[int]) -> None:
        for file in (*self._ends, *(() if self._tally is None else (self._tally, self._turn))):
            os.close(file)
        self._tally = None
        self._ends = [_high(file) for file in files[:STREAMS]]
        if len(files) > STREAMS:
            self._tally, self._turn = (_high(file) for file in files[STREAMS:])

    def _carry_all(self, calls: list[bytes]) -> Answer:
        """Carry calls until somebody must look at one; give the answer for that, or for the last."""
        for call in calls[:-1]:
            answer = self._carry(decode_call(call))
            if not self._note(answer):
                return answer
        return self._carry(decode_call(calls[-1]))

    def _note(self, answer: Answer) -> bool:
        """Write down a call that left nothing to look at; tell whether the next one may begin.

        Who looks at a call has taken the turn, and reads the streams from then on.
        """
        quiet = Quiet.of(answer) if answer.keep else None
        if self._tally is None or quiet is None or any(map(_unread, self._ends)):
            return False
        try:
            os.eventfd_read(self._turn)
        except BlockingIOError:
            return False
        os.write(self._tally, quiet.encode())
        os.eventfd_write(self._turn, 1)
        return True

    def _carry(self, call: Call) -> Answer:
        # What the kernel holds for the peak falls to the present.
        os.pwrite(self._high_water, b"5", 0)
        began = time.time()
        self._dress(call)
        answer = self._caller.call(call)
        self._undress()
        alone = _reap()
        spent, children_peak, peak = _used()
        if self._larger_parent:
            peak = _peak_bytes()
        answer.cpu, answer.spent = round(spent - self._spent, 6), round(spent, 6)
        answer.peak = max(peak, children_peak if children_peak > self._children_peak else 0)
        self._spent, self._children_peak = spent, children_peak
        self._calls += 1
        answer.began, answer.ended = began, time.time()
        answer.keep = alone and answer.outcome != REJECTED and self._is_fit(answer.peak)
        answer.modules = self._new_modules()
        return answer

    def _dress(self, call: Call) -> None:
        """Give the call its streams and its environment."""
        for target, end in enumerate(self._ends, 1):
            os.dup2(end, target)
        if _signal.getsignal(signal.SIGTERM) is not self._on_term:
            signal.signal(signal.SIGTERM, self._on_term)
        before, after = self._environment(), call.env
        for name in before.keys() - after.keys():
            del os.environ[name]
        for name, value in after.items():
            if before.get(name) != value:
                os.environ[name] = value
        if after.get("TZ") != before.get("TZ"):
            time.tzset()
        self._dressed = after, dict(_encoded())

    def _environment(self) -> dict[str, str]:
        """Give what is set now; read as a whole only when the last call has changed it."""
        env, encoded = self._dressed
        return env if _encoded() == encoded else dict(os.environ)

    def _undress(self) -> None:
        """Send what was printed on its way, and let go of the streams."""
        for stream in (sys.stdout, sys.stderr, *self._streams[1:]):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):  # the function has closed or replaced it
                continue
        sys.stdin, sys.stdout, sys.stderr = self._streams
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm would end a later call
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.umask(self._umask)
        _libc.fflush(None)
        for target in (1, 2, REPORT_FD):
            os.dup2(self._null, target)

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        self._caller.ask_to_end()

    def _is_fit(self, peak: int) -> bool:
        """Tell whether this process can carry another call."""
        return (
            self._calls < MOST_CALLS
            and threading.active_count() == 1
            and (peak < MOST_BYTES or _resident_bytes() < MOST_BYTES)
            and not any(stream.closed for stream in self._streams)
        )

    def _new_modules(self) -> dict[str, int]:
        """Give the user's files that were loaded since the last call, with when they were changed."""
        if len(sys.modules) == self._loaded:
            return {}
        self._loaded = len(sys.modules)
        found: dict[str, int] = {}
        for module in [sys.modules[name] for name in sys.modules.keys() - self._ours]:
            name = getattr(module, "__file__", None)
            if isinstance(name, str) and name not in self._told and self._is_users(name):
                self._told.add(name)
                try:
                    found[name] = os.stat(name).st_mtime_ns
                except OSError:
                    continue
                _forget_fresh_bytecode(module, found[name])
        return found

    def _is_users(self, name: str) -> bool:
        """Tell whether a file is the user's own code, and not installed."""
        return name.startswith(self._path) and not name.startswith(_INSTALLED)


class _ToStandardError(logging.Handler):
    """Writes to standard error, whatever that is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)


def main() -> None:
    """Serve the socket that our parent has left open for us."""
    _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=_high(CONTROL_FD))
    path = sys.argv[1:]
    sys.path[:0] = path
    sys.argv = ["perdure"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # they are text files
    faulthandler.enable(2)
    handler = _ToStandardError()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    worker = Worker(control, path)
    gc.collect()
    gc.freeze()
    worker.serve()


def _encoded() -> dict[bytes, bytes]:
    """Give the dictionary beneath `os.environ`, as decoding it would cost more than most calls."""
    return os.environ._data  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001


def _high(file: int) -> int:
    """Move a descriptor out of the way of the single digits; closed in programs that are started."""
    moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
    os.close(file)
    return moved


def _unread(pipe: int) -> int:
    """Give how many bytes lie in a pipe, which its writing end tells too."""
    count = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def _used() -> tuple[float, int, int]:
    """Give seconds of CPU, children included, and the peaks of a child's and of our memory in bytes."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return seconds, children.ru_maxrss * 1024, own.ru_maxrss * 1024


def _reap() -> bool:
    """Take what is left of children that have ended; tell whether there are no others.

    Orphans come to us as children, so then no process of the call is left.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _peak_bytes() -> int:
    """Give our own peak; to read it costs as much as the rest of a call that does nothing."""
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def _forget_fresh_bytecode(module: ModuleType, changed_at: int) -> None:
    """Delete the bytecode of a file that was changed just now.

    Python compares whole seconds and sizes, and would take it for that of the next change.
    """
    cached = getattr(module, "__cached__", None)
    if isinstance(cached, str) and time.time() - changed_at / 1e9 < FRESH_SECONDS:
        try:
            os.unlink(cached)
        except OSError:
            return


if __name__ == "__main__":
    main()
