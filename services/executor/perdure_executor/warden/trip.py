"""A trip: calls that go to a worker together, and nobody looks at while they are quiet and short."""

import select
import socket
import time

from perdure_executor.warden.frames import CALL, OVER, Frame, Inbox, pack
from perdure_executor.warden.keeper import WardenGone
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import Order, Record, call_of, decode_order
from perdure_executor.warden.warm import Warm
from perdure_executor.workers.calls import DONE, EXITED, REJECTED, Answer, Quiet
from perdure_executor.workers.process import WorkerGone, WorkerProcess

UNWATCHED_SECONDS = 0.02
TURN_SECONDS = 0.001
"""A worker that has the turn only writes a line: so long until we ask again."""
LONGEST_TURN_SECONDS = 1.0
"""A worker that has the turn for longer was stopped, and is killed."""
MOST_CALLS = 64
_QUIET = b'{"started":%r,"ended":%r,"exit_code":%d,"cpu":%r,"peak":%d,"log":"","reported":""}'
"""A record as `encode` would give it: field by field that costs more than such a call."""


class Trip:
    """One message to a worker, until somebody must look at one of its calls."""

    def __init__(self, first: Frame, inbox: Inbox, warm: Warm) -> None:
        """Take the calls that can go together from what is ordered.

        Args:
            first: the order that is carried out next.
            inbox: has those after it.
            warm: the keeper's worker.
        """
        self.frames = [first]
        self._inbox = inbox
        self._warm = warm
        while len(self.frames) < warm.trust and self._is_next():
            self.frames.append(inbox.orders.popleft())
        self.at = 0
        """Which call somebody must look at."""
        self.started = time.time()
        """When that call may have begun; `spent` is what the worker had used by then."""
        self.spent = 0.0
        self.answer: Answer | None = None
        """What the worker has said of it, if it has."""
        self.error: OSError | None = None
        """Why the worker could not be called."""

    @property
    def key(self) -> str:
        """The key of the call that somebody must look at."""
        return self.frames[self.at][1]

    @property
    def order(self) -> Order:
        """The order of the call that somebody must look at."""
        return decode_order(self.frames[self.at][2])

    def _is_next(self) -> bool:
        """Tell whether the next order goes along."""
        orders = self._inbox.orders
        return bool(orders) and orders[0][0] == CALL and orders[0][1] not in self._inbox.ends

    def go(self, control: socket.socket, lease: Lease) -> None:
        """Have them called, tell the ends of those that were quiet, and put back what was not begun.

        Raises:
            WardenGone: nobody is there to be told.
        """
        path = self.order.python_path
        calls = [call_of(body) for _, _, body in self.frames]
        try:
            worker = self._warm.call(path, [key for _, key, _ in self.frames], calls)
        except OSError as error:
            self.error = error
        else:
            self.spent = worker.spent
            if len(calls) > 1:
                self._wait(worker, control, lease)
                self._tell(control)
        self._inbox.orders.extendleft(reversed(self.frames[self.at + 1 :]))

    def _wait(self, worker: WorkerProcess, control: socket.socket, lease: Lease) -> None:
        """Wait until a call has to be looked at."""
        poll = select.poll()
        for file in (worker.fileno(), worker.pidfd, control.fileno()):
            poll.register(file, select.POLLIN)
        until = min(boottime() + UNWATCHED_SECONDS, lease.until)
        longest = until + LONGEST_TURN_SECONDS
        while True:
            patience = max(0.0, until - boottime())
            news = {file for file, _ in poll.poll(patience * 1000)}
            try:
                self.answer = worker.answer() if worker.fileno() in news else None
            except WorkerGone:  # it may go on, and has let go of us
                poll.unregister(worker.fileno())
                until = boottime()
            if self.answer is not None or worker.pidfd in news:
                return
            if control.fileno() in news and self._is_to_end():
                until = boottime()
            if boottime() >= until:
                if self._warm.take_turn():
                    return
                until = boottime() + TURN_SECONDS
                if until > longest:
                    worker.kill()

    def _is_to_end(self) -> bool:
        """Take in what the warden says; tell whether one of the calls is to end."""
        if not self._inbox.read():
            raise WardenGone
        return any(key in self._inbox.ends for _, key, _ in self.frames)

    def _tell(self, control: socket.socket) -> None:
        ended = self._warm.tally.read()
        said = bytearray()
        for key, quiet in ended:
            said += pack(OVER, key, record_of(quiet))
            self.started, self.spent = quiet.ended, quiet.spent
        self.at = len(ended)
        try:
            control.sendall(said)
        except OSError as error:
            raise WardenGone from error

    def over(self, record: Record) -> None:
        """Learn from the call that somebody looked at: when all were quiet, more go together."""
        if self.at == len(self.frames) - 1 and record.log == record.reported == "":
            self._warm.trust = min(MOST_CALLS, 2 * self._warm.trust)
        else:
            self._warm.trust = max(1, self.at)


def record_of(quiet: Quiet) -> bytes:
    """Give the record of a call that nobody looked at, encoded."""
    return _QUIET % (quiet.began, quiet.ended, quiet.code, quiet.cpu, quiet.peak)


def conclude(record: Record, answer: Answer) -> None:
    """Note how a call ended by itself."""
    if answer.outcome == DONE:
        record.exit_code = 0
    elif answer.outcome == EXITED:
        record.exit_code = answer.code
    elif answer.outcome == REJECTED:
        record.rejected = answer.message
    else:
        record.broken = answer.message
