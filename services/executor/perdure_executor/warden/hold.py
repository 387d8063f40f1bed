"""A keeper as the warden sees it, and how one is forked."""

import os
import socket
import sys

from perdure_executor.warden import serving
from perdure_executor.warden.frames import Channel
from perdure_executor.warden.lease import Lease
from perdure_executor.warden.tally import Tally

CONTROL_FD = 3
TALLY_FD = 4
MOST_FDS = 1 << 20


class Hold:
    """A keeper as the warden sees it."""

    __slots__ = ("channel", "idle_since", "is_warm", "keys", "pid", "tally")

    def __init__(self, pid: int, channel: Channel, tally: Tally) -> None:
        """Nothing is carried yet."""
        self.pid = pid
        self.channel = channel
        self.tally = tally
        self.keys: dict[str, None] = {}
        """What it carries: one attempt, or calls one after the other; the first here has begun, unless
        the tally says that it has ended."""
        self.idle_since = 0.0
        self.is_warm = False
        """Whether it carries calls, and so has a worker; it carries nothing else then."""

    def order(self, frames: bytes) -> None:
        """Send what it is to do; it is idle, and so reads at once, however much it is."""
        connected = self.channel.socket
        connected.settimeout(None)
        try:
            connected.sendall(frames)
        except OSError:
            return  # it is gone: its socket says so in the next round
        finally:
            connected.settimeout(0)


def fork(lease: Lease) -> Hold:
    """Fork a keeper: it serves from here on, with nothing open of ours but its ends of what we share."""
    ours, theirs = socket.socketpair()
    tally = Tally()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            control, kept = os.dup(theirs.fileno()), os.dup(tally.file)
            for file in (ours, theirs):
                file.detach()
            os.dup2(control, CONTROL_FD, inheritable=False)
            os.dup2(kept, TALLY_FD, inheritable=False)
            os.closerange(TALLY_FD + 1, MOST_FDS)
            serving.serve(socket.socket(fileno=CONTROL_FD), Tally(TALLY_FD), lease)
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, it is said, and the keeper ends
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        finally:
            os._exit(code)
    theirs.close()
    return Hold(pid, Channel(ours), tally)
