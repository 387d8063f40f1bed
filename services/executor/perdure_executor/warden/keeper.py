"""A keeper: starts one program, pumps what it says, and ends its whole tree. One attempt at a time.

It is the subreaper of its tree, so "no child left" means "no process left". When the warden is gone
it ends the tree and goes too. It takes the next attempt only when the last tree is empty, which saves
a fork for each: see `serving`.
"""

import errno
import json
import os
import select
import signal
import socket
import time

from perdure_executor.attempt import KILL, KILLING, MEMORY, RUNNING, TERM, Attempt
from perdure_executor.warden import tree
from perdure_executor.warden.frames import DATA, Inbox, pack
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import Order, Record
from perdure_executor.warden.streams import Streams, open_pipes
from perdure_executor.warden.words import signal_name, why_not_started

REPORT_FD = 3
MEMORY_SECONDS = 0.25
REAP_SECONDS = 5.0
"""How often orphans that have ended are reaped while the program runs on."""
SWEEP_SECONDS = 0.02
UNKILLABLE_SECONDS = 10.0
"""A tree that we may not signal (sudo) is waited for so long after its KILL, then left."""

IGNORED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_RESET = (*IGNORED, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
_OUT_OF_RESOURCES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC)


class WardenGone(Exception):
    """The other end of the control socket is closed."""


class Keeper:
    """One attempt, from start to its record."""

    def __init__(
        self, key: str, order: Order, control: socket.socket, inbox: Inbox, lease: Lease
    ) -> None:
        """Prepare.

        Args:
            key: names the attempt in messages.
            order: what to start.
            control: socket to the warden.
            inbox: what comes on it.
            lease: until when the executor may run anything.
        """
        self._key = key
        self._order = order
        self._control = control
        self._inbox = inbox
        self._lease = lease
        self._poll = select.poll()
        self._streams = Streams(order, self._poll)
        self._started = time.time()
        self._pid = 0
        self._pidfd = -1
        self._status: int | None = None
        self._cpu = 0.0
        self._peak = 0
        self._memory_at: float | None = None
        self._reap_at = 0.0
        self._killed_at: float | None = None
        self._returned = False
        """Whether it is over while its process lives on, as warm workers do."""

    def carry(self) -> Record:
        """Run it to its end and give the record. The tree is empty then.

        Raises:
            WardenGone: nobody wants to hear of it; what it has started must be ended.
        """
        try:
            self._start()
        except (OSError, ValueError) as error:
            self._close()
            started = self._started
            record = Record(started=started, ended=started)
            self._excuse(record, error)
            return record
        now = boottime()
        self._attempt = Attempt(
            now,
            timeout=self._order.timeout,
            grace=self._order.grace,
            until_lease=self._order.until_lease,
        )
        self._reap_at = now + REAP_SECONDS
        if self._order.memory_bytes is not None:
            self._memory_at = now
        self._watch()
        return self._record()

    def _start(self) -> None:
        """Start it, with the other ends of its pipes as its output.

        Raises:
            OSError, ValueError: it cannot be started.
        """
        order = self._order
        os.chdir(order.cwd)
        self._streams.pipes, ends = open_pipes()
        out, err, report = ends
        try:
            self._pid = os.posix_spawn(
                order.program,
                order.argv,
                order.env,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, order.stdin, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, out, 1),
                    (os.POSIX_SPAWN_DUP2, err, 2),
                    (os.POSIX_SPAWN_DUP2, report, REPORT_FD),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=_RESET,
            )
        finally:
            for end in ends:
                os.close(end)
            os.chdir("/")
        self._pidfd = os.pidfd_open(self._pid)
        self._listen()

    def _excuse(self, record: Record, error: OSError | ValueError) -> None:
        """Note why it did not start."""
        if isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES:
            record.broken = f"The executor could not start it: {error.strerror}."
        else:
            record.rejected = why_not_started(error, self._order)

    def _listen(self, *others: int) -> None:
        for file in (*self._streams.pipes, self._pidfd, self._control.fileno(), *others):
            self._poll.register(file, select.POLLIN)

    def _watch(self) -> None:
        """Pump until the program has ended and no process of its tree is left."""
        while True:
            for file, _ in self._poll.poll(self._patience()):
                if file in self._streams.pipes:
                    self._streams.pump(file)
                elif file == self._pidfd:
                    self._reap()
                elif file == self._control.fileno():
                    self._hear()
                else:
                    self._answered()
            if self._returned:
                break
            now = boottime()
            self._tick(now)
            due = self._attempt.step(now, self._lease.until)
            if due is None and self._status is None:
                continue
            if due == TERM:
                self._signal_all(signal.SIGTERM)
                self._signal_all(signal.SIGCONT)
            if self._status is not None and self._reap():
                break
            if due == KILL and self._kill(now):
                break
        self._attempt.tree_gone()

    def _tick(self, now: float) -> None:
        """Do what is due by the clock."""
        flush_at = self._streams.flush_at
        if flush_at is not None and now >= flush_at:
            self._flush(now)
        if now >= self._reap_at:
            self._reap_at = now + REAP_SECONDS
            self._reap()
        if self._memory_at is not None and now >= self._memory_at:
            self._weigh(now)

    def _patience(self) -> int:
        """Give the milliseconds until something is due by itself."""
        now = boottime()
        soonest = min(moment for moment in self._due(now) if moment is not None)
        return max(0, int((soonest - now) * 1000) + 1)

    def _due(self, now: float) -> list[float | None]:
        """Give the times at which something is due."""
        wish = self._attempt.wake_at(self._lease.until)
        due = [wish, self._streams.flush_at, self._memory_at, self._reap_at]
        if self._status is not None or self._attempt.phase == KILLING:
            due.append(now + SWEEP_SECONDS)
        return due

    def _flush(self, now: float) -> None:
        if self._streams.flush(now):
            try:  # only a hint: a warden that does not read must not stop the pump
                self._control.send(pack(DATA, self._key), socket.MSG_DONTWAIT)
            except OSError:
                return

    def _hear(self) -> None:
        if not self._inbox.read():
            raise WardenGone
        self._heed()

    def _heed(self) -> None:
        """End it when that was asked for."""
        body = self._inbox.ends.pop(self._key, None)
        if body is not None:
            asked = json.loads(body)
            self._attempt.ask_end(boottime(), asked["why"], asked["grace"])

    def _weigh(self, now: float) -> None:
        limit = self._order.memory_bytes
        pids = tree.descendants(os.getpid())
        weight = tree.resident_bytes(pids)
        if limit is not None and weight > limit:
            weight = tree.shared_out_bytes(pids)  # slow, and fair to processes that share pages
            if weight > limit and self._attempt.phase == RUNNING:
                self._attempt.ask_end(now, MEMORY, 0)
        self._peak = max(self._peak, weight)
        self._memory_at = now + MEMORY_SECONDS

    def _signal_all(self, number: signal.Signals) -> None:
        tree.send([self._pid] if self._status is None else [], number)
        tree.send([pid for pid in tree.descendants(os.getpid()) if pid != self._pid], number)

    def _reap(self) -> bool:
        """Take the status of every child that has ended; tell whether none is left.

        Orphans of the tree come to us as children, so then no process of it is left.
        """
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            self._cpu += usage.ru_utime + usage.ru_stime
            self._peak = max(self._peak, usage.ru_maxrss * 1024)
            if pid == self._pid:
                self._status = status
                self._poll.unregister(self._pidfd)
                self._let_go()
                self._attempt.program_ended()

    def _let_go(self) -> None:
        """The program itself is gone."""
        os.close(self._pidfd)

    def _answered(self) -> None:
        """A program gives no answers."""

    def _kill(self, now: float) -> bool:
        """KILL what is there; tell whether the rest cannot be killed and must be left."""
        forbidden = tree.kill(tree.descendants(os.getpid()))
        if self._killed_at is None:
            self._killed_at = now
        return forbidden and now - self._killed_at > UNKILLABLE_SECONDS

    def _record(self) -> Record:
        self._streams.drain()
        record = Record(
            started=self._started,
            ended=time.time(),
            why=self._attempt.why,
            cpu=round(self._cpu, 6),
            peak=self._peak,
        )
        self._streams.conclude(record)
        self._close()
        self._conclude(record)
        return record

    def _conclude(self, record: Record) -> None:
        """Note how it ended."""
        if self._status is None:
            record.broken = "Its processes belong to another user and could not be ended."
        elif os.WIFSIGNALED(self._status):
            record.signal = signal_name(os.WTERMSIG(self._status))
        else:
            record.exit_code = os.WEXITSTATUS(self._status)

    def _close(self) -> None:
        self._streams.close()
