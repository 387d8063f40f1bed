"""Whatever is asked, reported and lost in whatever order, a run's history keeps the rules.

One machine plays people, time, the dispatcher and executors against the pure core. Executors
repeat, reorder and invent reports of any attempt there ever was.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from perdure_api.domain.item_reports import NewOutcomes
from perdure_api.domain.legal_actions import ACTION_OF, why_not
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run, Stamp, state_at
from perdure_api.domain.run_commands import (
    Cancel,
    CloseForced,
    Command,
    Delete,
    Fail,
    Hold,
    LeftOutcomes,
    Lose,
    Release,
    Reprioritise,
    Restart,
    Resume,
    RetryItems,
    RetryNow,
    Start,
    TakeBack,
)
from perdure_api.domain.run_decisions import decide
from perdure_api.domain.run_folding import evolve
from perdure_api.domain.run_reports import hear
from perdure_api.store import codec
from perdure_api.store.items import Settling, chosen_of
from perdure_api.store.state import encode_run, run_columns
from perdure_contract import facts, wire
from perdure_contract.facts import Evidence, RunFact
from perdure_contract.items import ItemCounts, Range
from perdure_contract.specs import Limits, Retry
from tests.support.given import FIRST_POSITION, NOW, RUN, requested
from tests.support.history_rules import broken_rules, items_told

REASONS = st.one_of(st.none(), st.just("because"))

PEOPLE: st.SearchStrategy[Command] = st.one_of(
    st.builds(Cancel, force=st.booleans(), reason=REASONS),
    st.builds(Resume, checkpoint=st.one_of(st.none(), st.integers(0, 4))),
    st.builds(Restart, origin=st.sampled_from([None, "beginning", "checkpoint"])),
    st.just(RetryNow()),
    st.just(Hold()),
    st.just(Release()),
    st.just(Fail(message="enough")),
    st.builds(Reprioritise, priority=st.integers(-100, 100)),
    st.just(Delete()),
)

POLICIES = st.builds(
    Retry,
    max_attempts=st.integers(1, 6),
    initial_seconds=st.sampled_from([0, 1, 30]),
    jitter=st.sampled_from([0, 0.5]),
    not_exit_codes=st.sampled_from([(), (2,)]),
)

FAILURES = st.builds(
    facts.Failure,
    reason=st.sampled_from(["exit", "signal", "error", "timeout", "rejected"]),
    message=st.just("It failed."),
    exit_code=st.sampled_from([None, 1, 2]),
)

PROGRESS = st.builds(facts.Progress, done=st.integers(0, 10), total=st.just(10))

FINDINGS: st.SearchStrategy[wire.Finding] = st.one_of(
    st.builds(
        wire.Ended,
        outcome=st.sampled_from(["completed", "failed", "cancelled", "released"]),
        usage=st.builds(facts.Usage, lines=st.integers(0, 9)),
        failure=FAILURES,
        progress=st.one_of(st.none(), PROGRESS),
        metrics=st.sampled_from([{}, {"cost": 1.5}]),
        result=st.sampled_from([None, 3, "text", {"a": [1, None, 2.5]}]),
    ),
    st.builds(
        wire.ItemsRecorded,
        number=st.integers(0, 9),
        outcomes=st.just(b""),
        begun=st.sampled_from([(), (2,), (2, 7)]),
    ),
    st.builds(wire.Checkpoint, number=st.integers(0, 6), cursor=st.integers(), state=st.none()),
    st.builds(wire.ProgressMade, progress=PROGRESS, milestone=st.booleans()),
    st.just(wire.LogChunk(first=1, last=2, text_bytes=3, lines=b"")),
)


ITEMS = 8
OUTCOMES = st.lists(
    st.builds(
        wire.ItemDone,
        st.integers(0, ITEMS + 1),
        st.just("k"),
        st.sampled_from(["done", "done", "done", "failed", "skipped", "filtered"]),
        st.just(1),
        st.none(),
    ),
    max_size=ITEMS,
)


class AnyHistory(RuleBasedStateMachine):
    """One run, from its request on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.history: list[tuple[RunFact, datetime]] = []
        self.run: Run
        self.grants: list[wire.Attempt] = []
        self.rows: dict[int, tuple[str, int]] = {}
        """What the store would know of items: outcome, and the checkpoint that it came with."""

    def append(self, happened: tuple[RunFact, ...]) -> None:
        for fact in happened:
            self.history.append((fact, self.now))
            version = len(self.history)
            before = None if version == 1 else self.run
            self.follow(fact)
            self.run = evolve(before, fact, Stamp(FIRST_POSITION + version, version, self.now))

    @initialize(
        retry=POLICIES,
        ahead=st.sampled_from([None, -5, 60]),
        limits=st.sampled_from([Limits(), Limits(when_cut_off="continue")]),
        is_batch=st.booleans(),
    )
    def request(self, retry: Retry, ahead: int | None, limits: Limits, *, is_batch: bool) -> None:
        run_at = None if ahead is None else self.now + timedelta(seconds=ahead)
        self.append((requested(retry=retry, run_at=run_at, limits=limits),))
        if is_batch:
            self.append((facts.RunItemsPlanned(run=RUN, total=ITEMS, sha256="ab" * 32),))

    def follow(self, fact: RunFact) -> None:
        """Do to the rows of items what the statements of the store do."""
        match fact:
            case facts.RunItemsRecorded():
                for span in fact.spans:
                    told = dict.fromkeys(range(span.first, span.last + 1), fact.number)
                    self.rows |= {o: (span.outcome, number) for o, number in told.items()}
            case facts.RunItemsRetried():
                named = {o for span in fact.items for o in range(span.first, span.last + 1)}
                gone = named or {o for o, had in self.rows.items() if had[0] == "failed"}
                self.rows = {o: had for o, had in self.rows.items() if o not in gone}
            case facts.RunResumed() if isinstance(fact.items, ItemCounts):
                kept = {o: had for o, had in self.rows.items() if had[1] <= fact.checkpoint}
                self.rows = kept
            case facts.RunRestarted(from_checkpoint=None):
                self.rows = {}
            case _:
                pass

    def leading(self, rows: Collection[int]) -> int:
        return next(n for n in range(ITEMS + 1) if n + 1 not in rows)

    def left_at(self, checkpoint: int) -> LeftOutcomes:
        kept = {o: had for o, had in self.rows.items() if had[1] <= checkpoint}
        counts = Counter(outcome for outcome, _ in kept.values())
        return LeftOutcomes(
            items=ItemCounts(total=ITEMS, **counts), cursor=self.leading(kept.keys())
        )

    @rule(seconds=st.sampled_from([0.001, 1, 30, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(command=PEOPLE)
    def somebody_asks(self, command: Command) -> None:
        mark = self.run.checkpoint
        if isinstance(command, Resume) and self.run.items is not None and mark is not None:
            number = command.checkpoint
            if number is not None and 1 <= number < mark.number:
                command = replace(command, left=self.left_at(number))
        decided = decide(self.run, command, self.now)
        refused = why_not(self.run, ACTION_OF[type(command)], self.now) is not None
        if isinstance(decided, Rejection):
            assert refused or decided.code == "no-checkpoint"
            assert decided.current_version == self.run.version
        else:
            assert not refused
            self.append(decided)

    @rule(data=st.data())
    def somebody_has_failed_items_done_again(self, data: st.DataObject) -> None:
        failed_ones = sorted(o for o, had in self.rows.items() if had[0] == "failed")
        command = RetryItems(first_failed=min(failed_ones, default=1))
        if failed_ones:
            picked = data.draw(st.sets(st.sampled_from(failed_ones)))
            if picked:
                command = RetryItems(chosen=chosen_of(sorted(picked)))
        self.somebody_asks(command)

    @rule(executor=st.sampled_from(["one", "two"]))
    def the_dispatcher_starts_it(self, executor: str) -> None:
        queued = state_at(self.run, self.now) == "queued"
        decided = decide(self.run, Start(executor=executor), self.now)
        assert isinstance(decided, tuple) == queued
        if isinstance(decided, tuple):
            self.append(decided)
            attempt = self.run.attempt
            assert attempt is not None
            self.grants.append(wire.Attempt(run=RUN, number=attempt.number, fence=attempt.fence))

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), finding=FINDINGS, newest=st.booleans(), right_fence=st.integers(0, 9))
    def an_executor_reports(
        self, data: st.DataObject, finding: wire.Finding, right_fence: int, *, newest: bool
    ) -> None:
        said = data.draw(OUTCOMES) if isinstance(finding, wire.ItemsRecorded) else []
        attempt = self.grants[-1] if newest else data.draw(st.sampled_from(self.grants))
        if right_fence == 0:
            attempt = wire.Attempt(run=RUN, number=attempt.number, fence=attempt.fence - 1)
        current = self.run.attempt
        assert current is not None
        is_open = self.run.is_open and (current.number, current.fence) == (
            attempt.number,
            attempt.fence,
        )
        heard = hear(self.run, attempt, finding, self.now, new=self.new_of(said))
        works_on = current.state == "lost" and self.run.request.limits.when_cut_off == "continue"
        is_newest = current.number == attempt.number
        if not is_open and not (works_on and is_newest and not self.run.is_final):
            assert heard.verdict != "accepted"
            assert all(isinstance(fact, facts.ReportRefused) for fact in heard.facts)
        state = (self.run.phase, self.run.attempt, self.run.result)
        self.append(heard.facts)
        if heard.verdict != "accepted":
            assert (self.run.phase, self.run.attempt, self.run.result) == state
        again = hear(self.run, attempt, finding, self.now, new=self.new_of(said))
        if isinstance(finding, wire.Ended) and heard.verdict == "accepted":
            assert again.verdict == "duplicate"
        assert not again.facts, "what was said once brings about nothing when said again"

    def new_of(self, said: list[wire.ItemDone]) -> NewOutcomes:
        ahead = [Range(o, o) for o in self.rows if o > self.run.settled]
        return Settling(set(self.rows), ahead).new_of(self.run, said)

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), rule_=st.sampled_from(["lease-ended", "executor-returned-without-it"]))
    def an_attempt_is_lost(self, data: st.DataObject, rule_: str) -> None:
        number = data.draw(st.sampled_from(self.grants)).number
        evidence = Evidence(rule=rule_, executor="one")  # type: ignore[arg-type]
        decided = decide(self.run, Lose(evidence=evidence, attempt=number), self.now)
        assert isinstance(decided, tuple)
        current = self.run.attempt
        if not self.run.is_open or current is None or current.number != number:
            assert decided == ()
        self.append(decided)

    @precondition(lambda self: self.grants)
    @rule(data=st.data())
    def a_grant_is_taken_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.grants)).number
        decided = decide(self.run, TakeBack(attempt=number), self.now)
        assert isinstance(decided, tuple)
        self.append(decided)

    @rule()
    def nobody_answers_a_forced_cancel(self) -> None:
        decided = decide(self.run, CloseForced(), self.now)
        assert isinstance(decided, tuple)
        self.append(decided)

    @invariant()
    def the_history_keeps_the_rules(self) -> None:
        assert not broken_rules([fact for fact, _ in self.history])

    @invariant()
    def the_counts_of_a_batch_are_those_of_its_items(self) -> None:
        if self.run.items is not None:
            counts = Counter(outcome for outcome, _ in self.rows.values())
            assert self.run.items == ItemCounts(total=ITEMS, **counts)
            assert self.run.settled == self.leading(self.rows.keys())

    @invariant()
    def versions_are_counted_from_one_without_gaps(self) -> None:
        assert self.run.version == len(self.history)

    @invariant()
    def an_attempt_is_open_exactly_while_the_run_runs(self) -> None:
        attempt = self.run.attempt
        is_open = attempt is not None and attempt.ended_at is None
        assert is_open == self.run.is_open == (run_columns(self.run, self.now).executor is not None)

    @invariant()
    def the_policy_bounds_the_attempts(self) -> None:
        counted = 0
        for fact, _ in self.history:
            if isinstance(fact, facts.RunRestarted | facts.RunResumed | facts.RunItemsRetried):
                counted = 0
            elif isinstance(fact, facts.AttemptStarted):
                counted += 1
            elif isinstance(fact, facts.AttemptReleased):
                counted -= 1
        assert self.run.tries == counted <= self.run.request.retry.max_attempts
        assert self.run.lost_in_a_row <= 3

    @invariant()
    def an_ended_run_says_when_and_a_cancelled_one_has_no_failure(self) -> None:
        assert self.run.is_final == (self.run.ended_at is not None)
        assert (self.run.phase == "failed") <= (self.run.failure is not None)
        assert (self.run.phase in ("completed", "partial", "cancelled")) <= (
            self.run.failure is None
        )

    @invariant()
    def the_stored_state_is_the_state(self) -> None:
        # Not with `decode_run`: it remembers what was just encoded.
        assert msgspec.json.decode(encode_run(self.run), type=Run) == self.run

    def teardown(self) -> None:
        if not self.history:
            return
        folded: Run | None = None
        for version, (fact, time) in enumerate(self.history, 1):
            stored = codec.decode(facts.type_name(fact), facts.encode(fact))
            assert stored == fact
            stamp = Stamp(FIRST_POSITION + version, version, time)
            once = evolve(folded, stored, stamp)
            assert once == evolve(folded, fact, stamp), "evolve gives the same state every time"
            folded = once
        assert folded == self.run, "the fold of what is stored is the state"
        told = items_told([fact for fact, _ in self.history])
        assert told == {ordinal: had[0] for ordinal, had in self.rows.items()}


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
