"""The life of a keeper process: one attempt after the other, as the warden orders."""

import os
import signal
import socket
import time

from perdure_executor.warden import tree
from perdure_executor.warden.call_keeper import CallKeeper
from perdure_executor.warden.frames import BACK, CALL, OVER, START, WARM, Inbox, pack
from perdure_executor.warden.keeper import IGNORED, UNKILLABLE_SECONDS, Keeper, WardenGone
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import decode_order, encode
from perdure_executor.warden.tally import Tally
from perdure_executor.warden.trip import Trip
from perdure_executor.warden.warm import Warm


def serve(control: socket.socket, tally: Tally, lease: Lease) -> None:
    """Carry one attempt after the other until the warden closes the socket, or is gone."""
    tree.become_subreaper()
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    warm = Warm(tally)
    try:
        _serve(control, warm, lease)
    except WardenGone:
        end_all()
    else:
        warm.end()


def _serve(control: socket.socket, warm: Warm, lease: Lease) -> None:
    inbox = Inbox(control)
    while (frame := inbox.next()) or inbox.read():
        if frame is None:
            continue
        kind, key, body = frame
        if kind == WARM:
            keep_warm(warm, decode_order(body).python_path)
        elif inbox.ends.pop(key, None) is not None or _is_late(body, lease):
            control.sendall(pack(BACK, key))
        elif kind == START:
            record = Keeper(key, decode_order(body), control, inbox, lease).carry()
            control.sendall(pack(OVER, key, encode(record)))
        elif kind == CALL:
            trip = Trip(frame, inbox, warm)
            trip.go(control, lease)
            record = CallKeeper(trip, control, inbox, lease, warm).carry()
            control.sendall(pack(OVER, trip.key, encode(record)))
            trip.over(record)
            keep_warm(warm, trip.order.python_path)


def _is_late(body: bytes, lease: Lease) -> bool:
    """Tell whether an order came to its turn after the lease within which it was to run."""
    return boottime() >= lease.until and decode_order(body).until_lease


def keep_warm(warm: Warm, path: list[str]) -> None:
    """Start a worker where there is none, before somebody waits for it."""
    if warm.worker is None:
        try:
            warm.fresh(path)
        except OSError:  # it is tried again, and said, with the next call
            return


def end_all() -> None:
    """KILL every process below us, and wait until they are gone."""
    since = boottime()
    while boottime() - since < UNKILLABLE_SECONDS:
        tree.kill(tree.descendants(os.getpid()))
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)
