"""A worker as the process that started it sees it. Imports next to nothing: keepers use it."""

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

from perdure_executor.workers.calls import HEAD, READY, Answer, decode_answer, framed

CONTROL_FD = 4
"""Where a worker finds its socket; 3 is PERDURE_FD."""
READ_BYTES = 65536
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serve.py")
_RESET = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGCHLD,
)


class WorkerGone(Exception):
    """The worker has ended or was killed, and answers no more."""


class WorkerProcess:
    """A Python process that carries one call after the other, in a session of its own.

    It is a child of this process; it is killed when the thread that started it ends. Whoever has it
    polls `fileno` for the answer and `pidfd` for its death.
    """

    __slots__ = ("_modules", "_rest", "_socket", "path", "pid", "pidfd", "ready", "spent")

    def __init__(
        self, path: Sequence[str], environment: Mapping[str, str], python: str = sys.executable
    ) -> None:
        """Start it; it takes a call at once, while it is still getting ready.

        Args:
            path: directories where the user's modules are found.
            environment: what it starts with; each call brings its own.
            python: interpreter, one that has Perdure installed.

        Raises:
            OSError: when no process can be started.
        """
        self.path = tuple(path)
        self.ready = False
        """Whether it has ever said something."""
        self.spent = 0.0
        """Seconds of CPU it had used at its last answer."""
        self._rest = b""
        self._modules: dict[str, int] = {}
        self._socket, theirs = socket.socketpair()
        try:
            self.pid = os.posix_spawn(
                python,
                [python, "-I", "-X", "utf8", _PROGRAM, *self.path],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 2, 1),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL_FD),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=_RESET,
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self.pidfd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        """Give the descriptor to poll for the answer; it also says when the worker is gone."""
        return self._socket.fileno()

    def call(self, calls: Sequence[bytes], files: Sequence[int] = ()) -> None:
        """Have functions called, when the last message is answered; does not wait for it.

        Args:
            calls: some `calls.Call`, encoded.
            files: where standard output (with all that its children print), standard error and what
                is written to PERDURE_FD go, from the first call on; where there is a tally (opened
                to append) it follows, and then the turn, an eventfd that holds 1. May be closed
                after. Without a tally only one call may be given at a time.

        Raises:
            WorkerGone: it never began.
        """
        frame = framed(b"".join(map(framed, calls)))
        try:
            sent = socket.send_fds(self._socket, [frame], files) if files else 0
            if sent < len(frame):
                self._socket.sendall(frame[sent:])
        except OSError as error:
            raise WorkerGone from error

    def answer(self) -> Answer | None:
        """Read what has come; none while the answer is not whole.

        Raises:
            WorkerGone: it ended without an answer; `pidfd` says how.
        """
        try:
            data = self._socket.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            raise WorkerGone from error
        if not data:
            raise WorkerGone
        self._rest += data
        if not self.ready and self._rest.startswith(READY):
            self.ready = True
            self._rest = self._rest[len(READY) :]
        if len(self._rest) < HEAD.size:
            return None
        end = HEAD.size + HEAD.unpack_from(self._rest)[0]
        if len(self._rest) < end:
            return None
        answer = decode_answer(self._rest[HEAD.size : end])
        self._rest = self._rest[end:]
        self._modules.update(answer.modules)
        self.spent = answer.spent
        return answer

    def is_outdated(self) -> bool:
        """Tell whether a file of the user that it has loaded was changed since, or is gone."""
        for name, changed_at in self._modules.items():
            try:
                if os.stat(name).st_mtime_ns != changed_at:
                    return True
            except OSError:
                return True
        return False

    def kill(self) -> None:
        """KILL it, if it is there and not yet waited for; what it started goes on."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """Let go of it: an idle one ends by itself. Waiting for the process is the caller's."""
        self._socket.close()
        os.close(self.pidfd)

    def end(self) -> None:
        """KILL it, wait until it is gone, and let go of it."""
        self.kill()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # somebody has waited for it
            self.close()
            return
        self.close()
