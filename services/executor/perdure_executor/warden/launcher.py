"""The warden: outlives the agent, and carries frames between it and the keepers. One thread."""

import gc
import json
import os
import select
import signal
import socket
import time

from perdure_executor.warden import tree
from perdure_executor.warden.frames import (
    BACK,
    DATA,
    END,
    HELLO,
    LEAVE,
    OVER,
    START,
    TAKEN,
    TRIP,
    Channel,
    Frame,
    Unpacker,
    pack,
)
from perdure_executor.warden.hold import Hold
from perdure_executor.warden.lease import Lease
from perdure_executor.warden.order import Record, encode
from perdure_executor.warden.staff import Staff
from perdure_executor.warden.trip import record_of
from perdure_executor.warden.untaken import JOURNAL, Untaken

SOCKET = "warden.sock"
PID_FILE = "warden.json"
ALONE_SECONDS = 60.0
WRITE_AGAIN_SECONDS = 1.0


def main(directory: str) -> None:
    """Serve the spool directory until there is nothing to hold any more."""
    os.chdir("/")
    spool = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Warden(spool).run()


class Warden:
    """Hands the orders of one agent to many keepers, and what they say back to it."""

    def __init__(self, spool: int) -> None:
        """Listen in the open spool directory and say who we are.

        Args:
            spool: descriptor of the directory; names in it stay short whatever its path is.
        """
        self._spool = spool
        self._name = os.urandom(8).hex()
        self._poll = select.epoll()
        self._staff = Staff(Lease(f"/proc/self/fd/{spool}"), self._poll)
        self._carried: dict[str, Hold] = {}
        self._agent: Channel | None = None
        self._leaving = False
        self._alone_since = time.monotonic()
        tree.become_subreaper()
        self._untaken = Untaken(spool)
        self._listen()
        gc.collect()
        gc.freeze()
        gc.disable()

    def run(self) -> None:
        """Serve until told to leave, or alone with nothing to hold for a minute."""
        while not self._may_leave():
            for file, events in self._poll.poll(self._patience()):
                if file == self._listener.fileno():
                    self._accept()
                elif self._agent is not None and file == self._agent.fileno():
                    self._hear_agent(events)
                elif (hold := self._staff.at(file)) is not None:
                    self._hear_keeper(hold)
            self._say(self._untaken.write())
            if self._staff.orphans:
                self._staff.sweep()
            self._flush()
            self._staff.dismiss()
        for name in (SOCKET, PID_FILE, *(() if self._untaken.records else (JOURNAL,))):
            self._unlink(name)

    # --- life ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._unlink(SOCKET)
        umask = os.umask(0o077)
        self._listener.bind(f"/proc/self/fd/{self._spool}/{SOCKET}")
        os.umask(umask)
        self._listener.listen(4)
        self._listener.settimeout(0)
        self._poll.register(self._listener, select.EPOLLIN)
        fresh = os.open(
            "warden.json.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=self._spool
        )
        os.write(fresh, json.dumps({"pid": os.getpid()}).encode())
        os.close(fresh)
        os.rename("warden.json.new", PID_FILE, src_dir_fd=self._spool, dst_dir_fd=self._spool)

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._spool)
        except FileNotFoundError:
            return

    def _may_leave(self) -> bool:
        if (
            self._carried
            or self._staff.orphans
            or self._untaken.unwritten
            or (self._agent is not None and not self._leaving)
        ):
            return False
        return self._leaving or time.monotonic() - self._alone_since > ALONE_SECONDS

    def _patience(self) -> float:
        """Give the seconds until something is due by itself; -1 when nothing is."""
        patience = self._staff.patience()
        if self._untaken.unwritten:
            return WRITE_AGAIN_SECONDS if patience is None else min(patience, WRITE_AGAIN_SECONDS)
        if patience is None and self._agent is None and not self._carried:
            return max(0.05, ALONE_SECONDS - (time.monotonic() - self._alone_since) + 0.01)
        return -1 if patience is None else patience

    # --- the agent -------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError:
            return
        self._drop_agent()  # there is one agent at a time: it holds the lock of the spool
        self._agent = Channel(connected)
        self._leaving = False
        self._poll.register(connected, select.EPOLLIN)
        hello = {
            "pid": os.getpid(),
            "warden": self._name,
            "carried": list(self._carried),
            "ended": self._untaken.keys(),
        }
        self._agent.say(pack(HELLO, "", json.dumps(hello).encode()))
        self._agent.say(self._untaken.frames())

    def _drop_agent(self) -> None:
        if self._agent is not None:
            self._poll.unregister(self._agent)
            self._agent.socket.close()
            self._agent = None
            self._alone_since = time.monotonic()

    def _hear_agent(self, events: int) -> None:
        if self._agent is None:
            return
        frames = self._agent.hear() if events & ~select.EPOLLOUT else []
        if frames is None:
            self._drop_agent()
            return
        for kind, key, body in frames:
            if kind == START:
                self._start([(kind, key, body)])
            elif kind == TRIP:
                self._start(Unpacker().feed(body))
            elif kind == END:
                hold = self._carried.get(key)
                if hold is not None:
                    hold.channel.say(pack(END, key, body))
                    hold.channel.flush()
            elif kind == TAKEN:
                self._untaken.taken(key)
            elif kind == LEAVE:
                self._leaving = True

    def _start(self, orders: list[Frame]) -> None:
        """Have one keeper carry out orders that are new to us."""
        ended = self._untaken.records
        orders = [
            frame for frame in orders if frame[1] not in self._carried and frame[1] not in ended
        ]
        if orders:
            hold = self._staff.start(orders)
            for _, key, _ in orders:
                self._carried[key] = hold
                self._untaken.started(key)

    def _say(self, frames: bytes) -> None:
        if self._agent is not None:
            self._agent.say(frames)

    def _flush(self) -> None:
        if self._agent is not None:
            done = self._agent.flush()
            self._poll.modify(
                self._agent, select.EPOLLIN if done else select.EPOLLIN | select.EPOLLOUT
            )

    # --- keepers ---------------------------------------------------------------------------------

    def _hear_keeper(self, hold: Hold) -> None:
        frames = hold.channel.hear()
        if frames is None:
            self._lose(hold)
            return
        for kind, key, body in frames:
            if kind == OVER:
                self._over(key, body)
                self._staff.ended(hold, key)
            elif kind == BACK:
                self._give_back(key)
                self._staff.ended(hold, key)
            elif kind == DATA and self._agent is not None and not self._agent.is_full:
                self._agent.say(pack(DATA, key))

    def _lose(self, hold: Hold) -> None:
        """Tell what came of all that a keeper carried which somebody killed."""
        for key, quiet in self._staff.part_with(hold):
            if key in hold.keys:
                del hold.keys[key]
                self._over(key, record_of(quiet))
        for key in hold.keys:
            if key != next(iter(hold.keys)):
                self._give_back(key)
                continue
            words = (
                "The process that watched over the program was killed, so the program was ended."
            )
            self._over(key, encode(Record(broken=words)))

    def _give_back(self, key: str) -> None:
        self._carried.pop(key, None)
        self._untaken.give_back(key)
        self._say(pack(BACK, key))

    def _over(self, key: str, record: bytes) -> None:
        self._carried.pop(key, None)
        self._untaken.over(key, record)
