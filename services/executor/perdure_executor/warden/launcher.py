"""The warden: holds the keepers, outlives the agent, forwards between the two. One thread."""

import gc
import json
import os
import select
import signal
import socket
import sys
import time

from perdure_executor.warden import serving, tree
from perdure_executor.warden.frames import (
    BACK,
    CALL,
    DATA,
    END,
    HELLO,
    LEAVE,
    OVER,
    START,
    TAKEN,
    TRIP,
    WARM,
    Channel,
    Frame,
    Unpacker,
    pack,
)
from perdure_executor.warden.lease import Lease
from perdure_executor.warden.order import Record, encode
from perdure_executor.warden.tally import Tally
from perdure_executor.warden.trip import record_of

SOCKET = "warden.sock"
PID_FILE = "warden.json"
JOURNAL = "ended.journal"
JOURNAL_BYTES = 1 << 20
ALONE_SECONDS = 60.0
SWEEP_SECONDS = 0.05
DYING_SECONDS = 0.2
"""The end of what a dead keeper held is told once its processes are gone, or so much later."""
IDLE_SECONDS = 10.0
WARM_SECONDS = 60.0
SPARE_KEEPERS = 1
"""Kept however long nothing comes, so that the next attempt starts without a fork of ours.

Once a function was called, so many with a warm worker too."""
WRITE_AGAIN_SECONDS = 1.0
CONTROL_FD = 3
TALLY_FD = 4
MOST_FDS = 1 << 20


def main(directory: str) -> None:
    """Serve the spool directory until there is nothing to hold any more."""
    os.chdir("/")
    spool = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Warden(spool).run()


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


class Warden:
    """Carries frames between one agent and many keepers, and keeps the records nobody took yet."""

    def __init__(self, spool: int) -> None:
        """Listen in the open spool directory and say who we are.

        Args:
            spool: descriptor of the directory; names in it stay short whatever its path is.
        """
        self._spool = spool
        self._name = os.urandom(8).hex()
        self._lease = Lease(f"/proc/self/fd/{spool}")
        self._poll = select.epoll()
        self._keepers: dict[int, Hold] = {}
        self._idle: list[Hold] = []
        self._warm: list[Hold] = []
        """The idle ones that have workers."""
        self._carried: dict[str, Hold] = {}
        self._agent: Channel | None = None
        self._records: dict[str, bytes] = {}
        self._back: dict[str, None] = {}
        """Calls that were not begun; the agent may not know it yet."""
        self._news = bytearray()
        self._unwritten = False
        """Whether the journal lacks a record, because the disk is full."""
        self._orphans = False
        self._leaving = False
        self._alone_since = time.monotonic()
        tree.become_subreaper()
        self._open_journal()
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
                elif file in self._keepers:
                    self._hear_keeper(self._keepers[file])
            self._write_journal()
            if self._orphans:
                self._sweep()
            self._flush()
            self._dismiss()
        for name in (SOCKET, PID_FILE, *(() if self._records else (JOURNAL,))):
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
            or self._orphans
            or self._unwritten
            or (self._agent is not None and not self._leaving)
        ):
            return False
        return self._leaving or time.monotonic() - self._alone_since > ALONE_SECONDS

    def _patience(self) -> float:
        if self._orphans:
            return SWEEP_SECONDS
        if self._unwritten:
            return WRITE_AGAIN_SECONDS
        if len(self._idle) > SPARE_KEEPERS:
            return IDLE_SECONDS
        if len(self._warm) > SPARE_KEEPERS:
            return WARM_SECONDS
        if self._agent is None and not self._carried:
            return max(0.05, ALONE_SECONDS - (time.monotonic() - self._alone_since) + 0.01)
        return -1

    # --- the agent ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError:
            return
        self._drop_agent()  # there is one agent at a time: it holds the lock of the spool
        self._agent = Channel(connected)
        self._leaving = False
        self._poll.register(connected, select.EPOLLIN)
        ended = [*self._records, *self._back]
        hello = {
            "pid": os.getpid(),
            "warden": self._name,
            "carried": list(self._carried),
            "ended": ended,
        }
        self._agent.say(pack(HELLO, "", json.dumps(hello).encode()))
        for key in self._back:
            self._agent.say(pack(BACK, key))
        for key, record in self._records.items():
            self._agent.say(pack(OVER, key, record))

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
                self._records.pop(key, None)
                self._back.pop(key, None)
            elif kind == LEAVE:
                self._leaving = True

    def _flush(self) -> None:
        if self._agent is not None:
            done = self._agent.flush()
            self._poll.modify(
                self._agent, select.EPOLLIN if done else select.EPOLLIN | select.EPOLLOUT
            )

    # --- keepers ---------------------------------------------------------------------------------

    def _start(self, orders: list[Frame]) -> None:
        """Have one keeper carry out orders that are new to us."""
        orders = [
            frame
            for frame in orders
            if frame[1] not in self._carried and frame[1] not in self._records
        ]
        if not orders:
            return
        kind, _, body = orders[0]
        if kind == CALL:
            hold = self._warm.pop() if self._warm else self._warmed()
        else:
            hold = self._idle.pop() if self._idle else self._fork()
        for _, key, _ in orders:
            hold.keys[key] = None
            self._carried[key] = hold
            self._back.pop(key, None)
        self._order(hold, b"".join(pack(*frame) for frame in orders))
        if kind == CALL and not self._warm:
            spare = self._warmed()
            self._warm.append(spare)
            self._order(spare, pack(WARM, "", body))

    def _warmed(self) -> Hold:
        """Give a keeper that carries calls from now on."""
        hold = self._idle.pop() if self._idle else self._fork()
        hold.is_warm = True
        hold.idle_since = time.monotonic()
        return hold

    def _order(self, hold: Hold, frame: bytes) -> None:
        hold.channel.socket.settimeout(None)  # an idle keeper reads at once, however much it is
        try:
            hold.channel.socket.sendall(frame)
        except OSError:
            return  # it is gone: its socket says so in the next round
        finally:
            hold.channel.socket.settimeout(0)

    def _fork(self) -> Hold:
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
                serving.serve(socket.socket(fileno=CONTROL_FD), Tally(TALLY_FD), self._lease)
                code = 0
            except BaseException:  # noqa: BLE001 - whatever it is, it is said, and the keeper ends
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            finally:
                os._exit(code)
        theirs.close()
        hold = Hold(pid, Channel(ours), tally)
        self._keepers[ours.fileno()] = hold
        self._poll.register(ours, select.EPOLLIN)
        return hold

    def _dismiss(self) -> None:
        """Let keepers go that had nothing to do for a while; the longest idle come first."""
        now = time.monotonic()
        for idle, seconds in ((self._idle, IDLE_SECONDS), (self._warm, WARM_SECONDS)):
            while len(idle) > SPARE_KEEPERS and now - idle[0].idle_since > seconds:
                self._lose(idle[0])

    def _hear_keeper(self, hold: Hold) -> None:
        frames = hold.channel.hear()
        if frames is None:
            self._lose(hold)
            return
        for kind, key, body in frames:
            if kind in (OVER, BACK):
                if kind == OVER:
                    self._over(key, body)
                else:
                    self._give_back(key)
                hold.keys.pop(key, None)
                if not hold.keys:
                    hold.idle_since = time.monotonic()
                    (self._warm if hold.is_warm else self._idle).append(hold)
            elif kind == DATA and self._agent is not None and not self._agent.is_full:
                self._agent.say(pack(DATA, key))

    def _lose(self, hold: Hold) -> None:
        """Part with a keeper: it is dismissed, or somebody killed it and its tree is now ours."""
        self._poll.unregister(hold.channel)
        del self._keepers[hold.channel.fileno()]
        hold.channel.socket.close()
        for idle in (self._idle, self._warm):
            if hold in idle:
                idle.remove(hold)
        os.waitpid(hold.pid, 0)
        if hold.is_warm or hold.keys:
            self._orphans = True
            until = time.monotonic() + DYING_SECONDS
            while self._orphans and time.monotonic() < until:
                self._sweep()
                time.sleep(DYING_SECONDS / 200)
        for key, quiet in hold.tally.read():
            if key in hold.keys:
                del hold.keys[key]
                self._over(key, record_of(quiet))
        hold.tally.close()
        for key in hold.keys:
            if key != next(iter(hold.keys)):
                self._give_back(key)
                continue
            words = (
                "The process that watched over the program was killed, so the program was ended."
            )
            self._over(key, encode(Record(broken=words)))

    def _sweep(self) -> None:
        """End what dead keepers left: every child of ours that is no keeper, with all below it."""
        keepers = frozenset(hold.pid for hold in self._keepers.values())
        left = tree.descendants(os.getpid(), keepers)
        tree.kill(left)
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        self._orphans = bool(tree.descendants(os.getpid(), keepers))

    def _give_back(self, key: str) -> None:
        self._carried.pop(key, None)
        self._back[key] = None
        if self._agent is not None:
            self._agent.say(pack(BACK, key))

    def _over(self, key: str, record: bytes) -> None:
        self._carried.pop(key, None)
        self._records[key] = record
        self._news += pack(OVER, key, record)

    # --- the journal of ended attempts -----------------------------------------------------------

    def _open_journal(self) -> None:
        self._journal = os.open(
            JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600, dir_fd=self._spool
        )
        data = bytearray()
        while piece := os.read(self._journal, 1 << 20):
            data += piece
        for _, key, record in Unpacker().feed(bytes(data)):
            self._records[key] = record

    def _write_journal(self) -> None:
        """Write what ended in this round, in one go, before the agent hears of it."""
        if not self._news and not self._unwritten:
            return
        size = os.fstat(self._journal).st_size
        try:
            if self._unwritten or size > JOURNAL_BYTES:
                self._rewrite_journal()
            elif os.write(self._journal, self._news) < len(self._news):
                os.ftruncate(self._journal, size)
                self._unwritten = True
        except OSError:
            self._unwritten = True
        if self._agent is not None:
            self._agent.say(bytes(self._news))
        self._news.clear()

    def _rewrite_journal(self) -> None:
        fresh = f"{JOURNAL}.new"
        file = os.open(
            fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600, dir_fd=self._spool
        )
        records = b"".join(pack(OVER, key, record) for key, record in self._records.items())
        if os.write(file, records) < len(records):
            os.close(file)
            return
        self._unwritten = False
        os.rename(fresh, JOURNAL, src_dir_fd=self._spool, dst_dir_fd=self._spool)
        os.close(self._journal)
        self._journal = file
