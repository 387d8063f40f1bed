"""The keepers of the warden: who carries out the next order, who is let go, what a dead one left."""

import os
import select
import time

from perdure_executor.warden import tree
from perdure_executor.warden.frames import CALL, WARM, Frame, pack
from perdure_executor.warden.hold import Hold, fork
from perdure_executor.warden.lease import Lease
from perdure_executor.workers.calls import Quiet

SWEEP_SECONDS = 0.05
DYING_SECONDS = 0.2
"""The end of what a dead keeper held is told once its processes are gone, or so much later."""
IDLE_SECONDS = 10.0
WARM_SECONDS = 60.0
SPARE_KEEPERS = 1
"""Kept however long nothing comes, so that the next attempt starts without a fork of ours.

Once a function was called, so many with a warm worker too."""


class Staff:
    """All keepers, those at work and those that wait for it."""

    __slots__ = ("_holds", "_idle", "_lease", "_poll", "_warm", "orphans")

    def __init__(self, lease: Lease, poll: select.epoll) -> None:
        """Have none yet; all that will be are given the lease, and are polled."""
        self._lease = lease
        self._poll = poll
        self._holds: dict[int, Hold] = {}
        self._idle: list[Hold] = []
        self._warm: list[Hold] = []
        """The idle ones that have workers."""
        self.orphans = False
        """Whether processes may live that nobody but us watches over: see `sweep`."""

    def at(self, file: int) -> Hold | None:
        """Give the keeper whose socket has this descriptor."""
        return self._holds.get(file)

    def start(self, orders: list[Frame]) -> Hold:
        """Have one keeper carry out orders, one after the other; give which."""
        kind, _, body = orders[0]
        hold = self._for_calls() if kind == CALL else self._any()
        for _, key, _ in orders:
            hold.keys[key] = None
        hold.order(b"".join(pack(*frame) for frame in orders))
        if kind == CALL and not self._warm:
            spare = self._warmed()
            self._warm.append(spare)
            spare.order(pack(WARM, "", body))
        return hold

    def _for_calls(self) -> Hold:
        """Give a keeper that has a worker, or the next best."""
        return self._warm.pop() if self._warm else self._warmed()

    def _warmed(self) -> Hold:
        """Give a keeper that carries calls from now on."""
        hold = self._any()
        hold.is_warm = True
        hold.idle_since = time.monotonic()
        return hold

    def _any(self) -> Hold:
        """Give a keeper that has carried no calls, forked when none is idle."""
        if self._idle:
            return self._idle.pop()
        hold = fork(self._lease)
        self._holds[hold.channel.fileno()] = hold
        self._poll.register(hold.channel, select.EPOLLIN)
        return hold

    def ended(self, hold: Hold, key: str) -> None:
        """Take an attempt off what a keeper carries; with the last it becomes idle."""
        hold.keys.pop(key, None)
        if not hold.keys:
            hold.idle_since = time.monotonic()
            (self._warm if hold.is_warm else self._idle).append(hold)

    def patience(self) -> float | None:
        """Give the seconds after which `sweep` or `dismiss` is due, or none."""
        if self.orphans:
            return SWEEP_SECONDS
        if len(self._idle) > SPARE_KEEPERS:
            return IDLE_SECONDS
        if len(self._warm) > SPARE_KEEPERS:
            return WARM_SECONDS
        return None

    def dismiss(self) -> None:
        """Let keepers go that had nothing to do for a while; the longest idle come first."""
        now = time.monotonic()
        for idle, seconds in ((self._idle, IDLE_SECONDS), (self._warm, WARM_SECONDS)):
            while len(idle) > SPARE_KEEPERS and now - idle[0].idle_since > seconds:
                self.part_with(idle[0])

    def part_with(self, hold: Hold) -> list[tuple[str, Quiet]]:
        """Dismiss a keeper, or bury it when somebody killed it: its tree is ours then, and is ended.

        Returns:
            The calls that have ended by its tally; it may have told of them, or not.
        """
        self._poll.unregister(hold.channel)
        del self._holds[hold.channel.fileno()]
        hold.channel.socket.close()
        for idle in (self._idle, self._warm):
            if hold in idle:
                idle.remove(hold)
        os.waitpid(hold.pid, 0)
        if hold.is_warm or hold.keys:
            self.orphans = True
            until = time.monotonic() + DYING_SECONDS
            while self.orphans and time.monotonic() < until:
                self.sweep()
                time.sleep(DYING_SECONDS / 200)
        ended = hold.tally.read()
        hold.tally.close()
        return ended

    def sweep(self) -> None:
        """End what dead keepers left: every child of ours that is no keeper, with all below it."""
        keepers = frozenset(hold.pid for hold in self._holds.values())
        left = tree.descendants(os.getpid(), keepers)
        tree.kill(left)
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        self.orphans = bool(tree.descendants(os.getpid(), keepers))
