"""Every process below this one: found, signalled, reaped, measured."""

import ctypes
import os
import signal

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_KERNEL_LISTS_CHILDREN = os.path.exists("/proc/thread-self/children")


def become_subreaper() -> None:
    """Make this process the parent of every orphan below it, so that none can slip away."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def children_of(pid: int) -> list[int]:
    """Give the children of a process, zombies included; none when it is gone."""
    if not _KERNEL_LISTS_CHILDREN:
        return _children_by_scan(pid)
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found.extend(map(int, file.read().split()))
    except OSError:
        return found
    return found


def _children_by_scan(parent: int) -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program stands in parentheses and may hold anything.
                if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                    found.append(int(name))
        except (OSError, IndexError):
            continue
    return found


def descendants(pid: int, passed_over: frozenset[int] = frozenset()) -> list[int]:
    """Give all processes below one, parents before children.

    Args:
        pid: where to start; not in the answer.
        passed_over: children of `pid` that are left out with all below them.
    """
    found = [child for child in children_of(pid) if child not in passed_over]
    for parent in found:  # grows while it is walked: that is the walk
        found.extend(children_of(parent))
    return found


def send(pids: list[int], number: signal.Signals) -> bool:
    """Signal processes; tell whether one of them may not be signalled by us (sudo)."""
    forbidden = False
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            forbidden = True
    return forbidden


def kill(pids: list[int]) -> bool:
    """KILL processes, stopped first so that none forks away meanwhile; see `send`."""
    if len(pids) > 1:
        send(pids, signal.SIGSTOP)
    return send(pids, signal.SIGKILL)


def resident_bytes(pids: list[int]) -> int:
    """Give the resident memory of processes together, shared pages counted once a process."""
    pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                pages += int(file.read().split()[1])
        except (OSError, IndexError):
            continue
    return pages * _PAGE_BYTES


def shared_out_bytes(pids: list[int]) -> int:
    """Give the memory of processes together, shared pages shared out among those that have them."""
    kilobytes = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                found = [line for line in file if line.startswith(b"Pss:")]
            kilobytes += int(found[0].split()[1])
        except (OSError, IndexError):
            kilobytes += resident_bytes([pid]) // 1024
    return kilobytes * 1024
