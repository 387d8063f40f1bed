"""Turns itself into another program that ends with its parent, as another user if asked.

Run as a script by `perdure_devstack.processes`, with the standard library only, so that it costs
some ten milliseconds. It keeps its process id: the started program has the id that was returned.

PostgreSQL refuses to run as root. When root starts it, the process becomes the owner of the data
directory. Where that user cannot reach the program or the directory (a parent such as /root is
closed to others), it keeps one capability, to read and search past closed parents; no file or
directory of the machine is opened up for it.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_KEEPCAPS: Final = 8
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_RAISE: Final = 2
CAP_DAC_OVERRIDE: Final = 1
CAP_DAC_READ_SEARCH: Final = 2
CAPABILITY_VERSION_3: Final = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    """Start `argv` of `SIGNAL PARENT UID GID DIRECTORY argv…`; UID -1 keeps the present user."""
    death_signal, parent, uid, gid = (int(text) for text in arguments[:4])
    directory, argv = arguments[4], arguments[5:]
    os.chdir(directory)
    if uid >= 0:
        become(uid, gid, argv[0])
    if sys.platform == "linux":
        # After the change of user: that one clears it.
        _libc().prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # the parent died before the line above could bind us to it
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(argv[0], argv)  # noqa: S606 - no shell is the point


def become(uid: int, gid: int, program: str) -> None:
    """Become this user for good, able to reach `program` and the working directory."""
    os.setgroups([])
    os.setgid(gid)
    os.seteuid(uid)
    reachable = os.access(program, os.R_OK | os.X_OK, effective_ids=True) and os.access(
        os.path.realpath("."), os.W_OK | os.X_OK, effective_ids=True
    )
    os.seteuid(0)
    if reachable or sys.platform != "linux":
        os.setuid(uid)
    else:
        _set_user_keeping_search(uid)


def _set_user_keeping_search(uid: int) -> None:
    libc = _libc()
    header = _Header(CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)()
    libc.capget(ctypes.byref(header), sets)
    # Containers often hold only the wider one of the two.
    held = sets[0].permitted
    wanted = CAP_DAC_READ_SEARCH if held & (1 << CAP_DAC_READ_SEARCH) else CAP_DAC_OVERRIDE
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setuid(uid)
    only = 1 << wanted
    sets[0] = _Sets(only, only, only)
    sets[1] = _Sets(0, 0, 0)
    libc.capset(ctypes.byref(header), sets)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, wanted, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(sys.argv[1:])
