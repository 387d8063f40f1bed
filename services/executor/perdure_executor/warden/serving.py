"""The life of a keeper process: one attempt after the other, as the warden orders."""

import signal
import socket

from perdure_executor.warden import tree
from perdure_executor.warden.frames import BACK, CALL, OVER, START, WARM, Inbox, pack
from perdure_executor.warden.keeper import IGNORED, Keeper
from perdure_executor.warden.lease import Lease
from perdure_executor.warden.order import decode_order, encode
from perdure_executor.warden.warm import CallKeeper, Warm


def serve(control: socket.socket, lease: Lease) -> None:
    """Carry one attempt after the other until the warden closes the socket, or is gone."""
    tree.become_subreaper()
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    inbox = Inbox(control)
    warm = Warm()
    while (frame := inbox.next()) or inbox.read():
        if frame is None:
            continue
        kind, key, body = frame
        if inbox.ends.pop(key, None) is not None:
            control.sendall(pack(BACK, key))
        elif kind == START:
            keeper = Keeper(key, decode_order(body), control, inbox, lease)
            control.sendall(pack(OVER, key, encode(keeper.carry())))
        elif kind == CALL:
            order = decode_order(body)
            called = CallKeeper(key, order, control, inbox, lease, warm=warm)
            control.sendall(pack(OVER, key, encode(called.carry())))
            keep_warm(warm, order.python_path)
        elif kind == WARM:
            keep_warm(warm, decode_order(body).python_path)
    warm.end()


def keep_warm(warm: Warm, path: list[str]) -> None:
    """Start a worker where there is none, before somebody waits for it."""
    if warm.worker is None:
        try:
            warm.fresh(path)
        except OSError:  # it is tried again, and said, with the next call
            return
