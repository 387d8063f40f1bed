"""The driver of one attempt of a batch: so many items at a time, each with an outcome on disk."""

import os
import selectors
import signal
import socket
from io import BufferedReader

import msgspec

from perdure_contract.items import Outcome
from perdure_executor.batch.functions import FunctionLane
from perdure_executor.batch.journal import Journal
from perdure_executor.batch.lane import Lane, Surroundings
from perdure_executor.batch.plan import JOURNAL_SUFFIX, Functions, Plan
from perdure_executor.batch.programs import ProgramLane
from perdure_executor.batch.supply import Ending, Supply, Task
from perdure_executor.warden.lease import boottime

TELL_SECONDS = 0.25
AT_ONCE = 100
"""So many items may end without having begun before the others are looked after again."""


class Stopped(Exception):
    """Too many items have failed; the text is for people."""


class Terminated(Exception):
    """Somebody ended us; what ran has ended, and what is journalled stays."""


class Driver:
    """Works through the items of an attempt, once."""

    def __init__(self, plan: Plan, items: BufferedReader, report: int) -> None:
        """Prepare; `run` does it.

        Args:
            plan: what to do.
            items: to what, lines of `ItemToDo`.
            report: descriptor on which progress is told.
        """
        now = boottime()
        self._plan = plan
        self._report = report
        self._selector = selectors.DefaultSelector()
        self._journal = Journal(f"{plan.path}{JOURNAL_SUFFIX}", plan.checkpoint_every, now)
        self._supply = Supply(items, plan.retry)
        around = Surroundings(plan, self._selector, self._pass_on)
        self._idle = [_lane(plan, around) for _ in range(plan.concurrency)]
        self._busy: dict[Lane, Task] = {}
        self._done = plan.done
        self._failures = 0
        self._last_failure = ""
        self._told: int | None = None
        self._told_at = now
        self._hurried = False
        """Whether there is more to begin right now."""
        self._terminated = False

    def run(self) -> None:
        """Carry every item to its outcome.

        Raises:
            Stopped: too many have failed.
            Terminated: by SIGTERM.
            NothingCanRun: no item can be carried.
            OSError: the journal cannot be written.
        """
        self._listen_for_term()
        while True:
            now = boottime()
            self._fill(now)
            self._tell(now)
            if not self._busy and (self._stopping or self._supply.empty):
                break
            for key, _ in self._selector.select(self._patience()):
                lane: Lane | None = key.data
                if lane is None:
                    os.read(key.fd, AT_ONCE)
                elif (ending := lane.hear(key.fd)) is not None:
                    self._idle.append(lane)
                    self._ended(self._busy.pop(lane), ending)
        self._journal.sync(boottime(), ending=True)
        self._tell(self._told_at + TELL_SECONDS)
        if self._terminated:
            raise Terminated
        if not self._supply.empty:
            raise Stopped(
                f"It was stopped after {self._failures} failed items, as stop_after_failures says. "
                f"The last was {self._last_failure}."
            )

    @property
    def _stopping(self) -> bool:
        limit = self._plan.stop_after_failures
        return self._terminated or (limit is not None and self._failures >= limit)

    def _fill(self, now: float) -> None:
        """Begin items in all lanes that are idle."""
        at_once = 0
        while self._idle and not self._stopping and at_once < AT_ONCE:
            task = self._supply.take(now)
            if task is None:
                break
            if not self._begin(task):
                at_once += 1
            self._journal.sync(now)  # after the next item is begun, which runs meanwhile
        self._journal.sync(now)
        self._hurried = at_once == AT_ONCE

    def _begin(self, task: Task) -> bool:
        """Begin an item; tell whether it is under way now."""
        item = task.item
        if item.begun >= self._plan.park_after:
            words = f"begun in {item.begun} attempts that were lost or timed out"
            self._record(task, "failed", words)
            return False
        self._journal.begin(item.ordinal)
        task.tries += 1
        ending = self._idle[-1].begin(item)
        if ending is None:
            self._busy[self._idle.pop()] = task
            return True
        self._ended(task, ending)
        return False

    def _ended(self, task: Task, ending: Ending) -> None:
        if ending.outcome == "failed":
            if self._terminated:
                return  # it was probably the end of us that ended it: it stays to be done
            if self._supply.try_again(task, ending, boottime()):
                return
        self._record(task, ending.outcome, ending.error)

    def _record(self, task: Task, outcome: Outcome, error: str | None) -> None:
        item = task.item
        self._journal.end(item.ordinal, item.key, outcome, task.tries, error)
        self._done += 1
        if outcome == "failed":
            self._failures += 1
            named = "" if item.key == str(item.ordinal) else f" ({item.key})"
            self._last_failure = f"item {item.ordinal}{named}: {error}"

    # --- time and words --------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """Give the seconds until something is due by itself."""
        if self._hurried:
            return 0
        due = [self._journal.sync_at()]
        if self._idle and not self._stopping:
            due.append(self._supply.wake_at())
        if self._told != self._done:
            due.append(self._told_at + TELL_SECONDS)
        known = [moment for moment in due if moment is not None]
        return max(0.0, min(known) - boottime()) if known else None

    def _tell(self, now: float) -> None:
        """Say how many items are done, soon after it changed; the agent then looks at the journal."""
        if self._told == self._done or (
            self._told is not None and now - self._told_at < TELL_SECONDS
        ):
            return
        self._told, self._told_at = self._done, now
        progress = {"done": self._done, "total": self._plan.total, "unit": "items"}
        self._pass_on(msgspec.json.encode({"progress": progress}) + b"\n")

    def _pass_on(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._report, line) :]

    def _listen_for_term(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.settimeout(0)
        signal.set_wakeup_fd(theirs.detach())
        signal.signal(signal.SIGTERM, self._terminate)
        self._selector.register(ours.detach(), selectors.EVENT_READ, None)

    def _terminate(self, *_: object) -> None:
        self._terminated = True


def _lane(plan: Plan, around: Surroundings) -> Lane:
    if isinstance(plan.each, Functions):
        return FunctionLane(plan.each, around)
    return ProgramLane(plan.each, around)
