"""What must hold of every run's history, judged from its facts alone.

This is a second, independent reading of the log: it shares no code with the domain, so a mistake
there does not hide here.
"""

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    ReportRefused,
    RetryScheduled,
    RunCancelled,
    RunCheckpointed,
    RunCompleted,
    RunDeleted,
    RunFact,
    RunFailed,
    RunHeld,
    RunItemsPlanned,
    RunItemsRecorded,
    RunItemsRetried,
    RunPartiallyCompleted,
    RunProgressed,
    RunQueued,
    RunReleased,
    RunReprioritised,
    RunRequested,
    RunRestarted,
    RunResumed,
)
from perdure_contract.items import ItemCounts, Outcome


def broken_rules(history: Sequence[RunFact]) -> list[str]:
    """Give every rule that a run's history breaks, in words; none for a sound one."""
    reading = _Reading()
    previous: RunFact | None = None
    for version, fact in enumerate(history, 1):
        before = len(reading.broken)
        reading.read(fact, previous)
        for index in range(before, len(reading.broken)):
            reading.broken[index] = f"version {version}, {fact.event}: {reading.broken[index]}"
        previous = fact
    return reading.broken


def items_told(history: Sequence[RunFact]) -> dict[int, Outcome]:
    """Give what became of each item of a batch; none of those that are open."""
    reading = _Reading()
    for fact in history:
        reading.read_items(fact)
    return {ordinal: outcome for ordinal, (outcome, _) in reading.items.items()}


class _Reading:
    def __init__(self) -> None:
        self.total: int | None = None
        """Of a batch: how many items it has."""
        self.items: dict[int, tuple[Outcome, int]] = {}
        """Items that have an outcome, with the checkpoint that it came with."""
        self.broken: list[str] = []
        self.open: int | None = None
        self.last = 0
        self.final = False
        self.checkpoint = 0
        self.refused: set[tuple[int, str]] = set()
        self.works_on = False
        self.lost: int | None = None
        """The latest attempt while it is lost, may work on, and has no successor."""

    def demand(self, holds: bool, rule: str) -> None:  # noqa: FBT001 - the sentence follows it
        if not holds:
            self.broken.append(rule)

    def is_of_the_open_attempt(self, attempt: int) -> None:
        counts = attempt in (self.open, self.lost) and not self.final
        self.demand(counts, f"attempt {attempt} is not the open one ({self.open})")

    def goes_on(self) -> None:
        self.demand(not self.final, "nothing goes on after the end")

    def ends(self) -> None:
        self.demand(not self.final, "a run ends once")
        self.final, self.open = True, None

    def read(self, fact: RunFact, previous: RunFact | None) -> None:  # noqa: C901, PLR0912, PLR0915
        self.demand(
            isinstance(fact, RunRequested) == (previous is None), "a history begins with a request"
        )
        self.read_items(fact)
        match fact:
            case RunRequested():
                self.works_on = fact.limits.when_cut_off == "continue"
            case AttemptStarted():
                self.goes_on()
                self.demand(self.open is None, f"attempt {self.open} is open")
                self.demand(fact.attempt == self.last + 1, f"the last attempt was {self.last}")
                self.open = self.last = fact.attempt
                self.lost = None
            case RunProgressed():
                self.is_of_the_open_attempt(fact.attempt)
            case RunCheckpointed():
                self.is_of_the_open_attempt(fact.attempt)
                self.demand(fact.number > self.checkpoint, "numbers of checkpoints go up")
                self.checkpoint = fact.number
            case AttemptFailed() | AttemptLost() | AttemptReleased():
                self.demand(fact.attempt == self.open, f"attempt {self.open} is the open one")
                self.open = None
                if isinstance(fact, AttemptLost) and self.works_on:
                    self.lost = fact.attempt
            case RetryScheduled():
                self.goes_on()
                self.follows(previous, AttemptFailed, AttemptLost)
            case RunQueued():
                self.goes_on()
                self.demand(self.open is None, "a run with an open attempt is not queued")
            case CancelRequested():
                self.demand(self.open is not None, "without an open attempt it ends at once")
            case RunHeld() | RunReleased():
                self.goes_on()
                self.demand(self.open is None, "a run with an open attempt cannot be held")
            case RunReprioritised():
                self.goes_on()
            case RunCompleted():
                self.is_of_the_open_attempt(fact.attempt)
                self.ends()
            case RunCancelled():
                told = self.last if isinstance(previous, AttemptFailed | AttemptLost) else 0
                self.demand(fact.attempt == (self.open or told), "it names the attempt it ended")
                self.ends()
            case RunFailed():
                if fact.failure.reason != "declared":
                    self.follows(previous, AttemptFailed, AttemptLost)
                self.ends()
            case RunRestarted():
                self.demand(self.final or self.open is not None, "it must have ended or be running")
                self.demand(fact.fenced_attempt == self.open, f"attempt {self.open} is fenced")
                self.final, self.open = False, None
            case RunResumed():
                self.demand(self.final, "only an ended run is resumed")
                self.demand(fact.checkpoint <= self.checkpoint, "there is no such checkpoint")
                self.final = False
            case ReportRefused():
                self.demand(fact.attempt <= self.last, "there never was such an attempt")
                key = (fact.attempt, fact.kind)
                self.demand(key not in self.refused, "refusals are told once an attempt and kind")
                self.refused.add(key)
            case RunDeleted():
                self.demand(self.final, "only an ended run is deleted")
            case RunItemsPlanned():
                self.demand(
                    isinstance(previous, RunRequested), "items are planned with the request"
                )
            case RunItemsRecorded():
                self.is_of_the_open_attempt(fact.attempt)
                self.demand(fact.number > self.checkpoint, "numbers of checkpoints go up")
            case RunItemsRetried():
                self.demand(self.final, "items of an ended run are tried again")
                self.final = False
            case RunPartiallyCompleted():
                self.is_of_the_open_attempt(fact.attempt)
                self.ends()
            case _:
                assert_never(fact)

    def read_items(self, fact: RunFact) -> None:
        """Fold what a fact tells of the items of a batch."""
        match fact:
            case RunItemsPlanned():
                self.total = fact.total
            case RunItemsRecorded():
                self.record(fact)
            case RunCheckpointed() if self.total is not None:
                self.demand(fact.cursor == self.leading(), f"the first {self.leading()} are final")
            case RunItemsRetried():
                self.choose(fact)
            case RunResumed() if isinstance(fact.items, ItemCounts):
                self.items = {o: had for o, had in self.items.items() if had[1] <= fact.checkpoint}
                self.demand(fact.items == self.counts(), f"{self.counts()} are left")
                self.demand(fact.cursor == self.leading(), f"the first {self.leading()} are final")
            case RunResumed() if self.total is not None:
                self.demand(fact.checkpoint == self.checkpoint, "an older one forgets outcomes")
            case RunRestarted(from_checkpoint=None):
                self.items = {}
            case RunCompleted() | RunPartiallyCompleted() | RunCancelled() | AttemptFailed():
                if self.total is not None and isinstance(fact.items, ItemCounts):
                    self.demand(fact.items == self.counts(), f"there are {self.counts()}")
                    ended_well = fact.items.failed + fact.items.pending == 0
                    if isinstance(fact, RunCompleted | RunPartiallyCompleted):
                        told = isinstance(fact, RunCompleted)
                        self.demand(told == ended_well, "only what did everything is complete")
            case _:
                pass

    def record(self, fact: RunItemsRecorded) -> None:
        for span in fact.spans:
            for ordinal in range(span.first, span.last + 1):
                self.demand(ordinal not in self.items, f"item {ordinal} has an outcome already")
                self.demand(1 <= ordinal <= (self.total or 0), f"there is no item {ordinal}")
                self.items[ordinal] = (span.outcome, fact.number)
        failed = [i.ordinal for i in fact.failures]
        self.demand(
            all(self.items.get(o, ("",))[0] == "failed" for o in failed), "what is named failed"
        )
        self.demand(fact.cursor == self.leading(), f"the first {self.leading()} are final")

    def choose(self, fact: RunItemsRetried) -> None:
        named = {o for span in fact.items for o in range(span.first, span.last + 1)}
        failed = {o for o, (outcome, _) in self.items.items() if outcome == "failed"}
        chosen = named or failed
        self.demand(bool(chosen) and chosen <= failed, "only failed items are tried again")
        self.demand(fact.count == len(chosen), f"these are {len(chosen)}")
        self.items = {o: had for o, had in self.items.items() if o not in chosen}
        self.demand(fact.cursor == self.leading(), f"the first {self.leading()} are final")

    def leading(self) -> int:
        """Give how many items, from the first on, have an outcome without a gap."""
        leading = 0
        while leading + 1 in self.items:
            leading += 1
        return leading

    def counts(self) -> ItemCounts:
        outcomes = Counter(outcome for outcome, _ in self.items.values())
        return ItemCounts(
            total=self.total or 0,
            done=outcomes["done"],
            failed=outcomes["failed"],
            skipped=outcomes["skipped"],
            filtered=outcomes["filtered"],
        )

    def follows(self, previous: RunFact | None, *kinds: type[RunFact]) -> None:
        self.demand(isinstance(previous, kinds), "it follows the end of an attempt")
