"""Carries attempts through: what the api wants and what the warden says, put into one order."""

import asyncio

from perdure_contract.facts import Usage
from perdure_contract.wire import (
    Attempt,
    Cancel,
    Control,
    ControlBatch,
    Drain,
    Ended,
    Grant,
    Revoke,
    Verdict,
)
from perdure_executor.attempt import CANCEL, LEASE, REVOKE, STOP
from perdure_executor.carried import Carried, key_of
from perdure_executor.custody import Custody, Hello
from perdure_executor.ledger import Ledger
from perdure_executor.papers import read_record
from perdure_executor.reader import Reader
from perdure_executor.runners.runner import Fetch
from perdure_executor.settings import Settings
from perdure_executor.spool import Spool, Waiting
from perdure_executor.starter import Starter
from perdure_executor.strays import end_strays
from perdure_executor.voice import Voice
from perdure_executor.warden.frames import BACK, DATA, OVER, Frame
from perdure_executor.warden.lease import Lease, boottime
from perdure_runtime import clock, logs

log = logs.get(__name__)

STOP_GRACE_SECONDS = 3.0
WARDEN_PAUSE_SECONDS = 0.2


class Worker:
    """All attempts of one executor, between the api and the warden."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        lease: Lease,
        voice: Voice,
        fetch: Fetch,
        *,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Prepare; `open` must come before anything else.

        Args:
            settings: who we are.
            spool: what survives us.
            lease: until when anything may run.
            voice: publishes what people watch.
            fetch: asks the api for inputs.
            tasks: where what takes time goes on.
        """
        self.session: str | None = None
        """The session whose grants count; none while there is none."""
        self.draining = False
        self.ledger = Ledger(spool, self._taken)
        self.reader = Reader(self.ledger, voice)
        self.starter = Starter(settings, self.ledger, lease, fetch, tasks)
        self._settings = settings
        self._work = str(settings.spool / "work")
        self._tasks = tasks
        self._custody: Custody | None = None
        self._stopping = False

    # --- start, take-over, the warden's end ------------------------------------------------------

    async def open(self) -> None:
        """Take up what the last agent left, and what its warden still holds.

        Raises:
            CannotStart: when there is no warden and none can be started.
        """
        spool = self.ledger.spool
        for key in spool.unconfirmed_ends():
            self.ledger.settled(key)
        for kept in spool.kept():
            carried = Carried(
                kept.grant,
                self._work,
                kept.next_line,
                kept.reported,
                started=kept.started,
            )
            carried.kept = True
            self.ledger.take_up(carried)
            if not kept.started:
                self.starter.prepare(carried)
        await self._open_custody()

    async def _open_custody(self) -> None:
        custody = self._custody = Custody(self._heard, self._warden_gone)
        hello = await custody.open(self._settings)
        unknown = self._compare(hello)
        spool = self.ledger.spool
        lost = [] if spool.note("warden") == hello.warden else unknown
        await end_strays([carried.grant.attempt for carried in lost])
        with self.ledger.round():
            spool.set_note("warden", hello.warden)
            if not lost:
                self._begin_again(unknown)
            for carried in lost:
                attempt = carried.grant.attempt
                log.warning("attempt lost", run=attempt.run, attempt=attempt.number)
                while (chunk := carried.log.take()) is not None:
                    self.ledger.report_chunk(carried, chunk)
                while (items := carried.take_items(boottime(), ending=True)) is not None:
                    self.ledger.report(carried, items)
            self.ledger.lose(lost)
        self.starter.custody = custody
        self.starter.fill()

    def _compare(self, hello: Hello) -> list[Carried]:
        """Match what the warden holds with what we carry; give what we started and it doesn't know.

        A warden forgets nothing before we have it. So what the one that we were to start it with does
        not know was never begun: the agent before us was killed just before it could say so.
        """
        self.starter.slots.found(hello.carried)
        for key in hello.carried:
            carried = self.ledger.carried.get(key)
            if carried is None:
                self._end(key, REVOKE, 0)
            else:
                carried.started = True
                self.reader.note(key)
        known = {*hello.carried, *hello.ended}
        return [
            carried
            for key, carried in self.ledger.carried.items()
            if carried.started and key not in known and carried.record is None
        ]

    def _warden_gone(self) -> None:
        """The warden was killed, so its keepers end everything: begin anew with another."""
        log.warning("the warden is gone and its attempts are lost")
        self._custody = self.starter.custody = None
        self._tasks.create_task(self._replace_warden())

    async def _replace_warden(self) -> None:
        await clock.pause(WARDEN_PAUSE_SECONDS)
        await self._open_custody()

    # --- what the api says -----------------------------------------------------------------------

    def holding(self) -> tuple[Attempt, ...]:
        """Give every attempt granted whose outcome is not confirmed."""
        return tuple(self.ledger.holding.values())

    def lost(self) -> tuple[Attempt, ...]:
        """Give the attempts that were lost here, of which the api was not told yet."""
        return tuple(self.ledger.spool.lost())

    def told_lost(self, told: tuple[Attempt, ...]) -> None:
        """The api knows of these."""
        spool = self.ledger.spool
        spool.set_lost(attempt for attempt in spool.lost() if attempt not in told)

    def control(self, batch: ControlBatch) -> None:
        """Do what the api says; what it repeats changes nothing."""
        with self.ledger.round():
            for message in batch.messages:
                self._obey(message)

    def _obey(self, message: Control) -> None:
        match message:
            case Grant():
                self._granted(message)
            case Cancel():
                self.cancel(message)
            case Revoke():
                self.revoke(message.attempt)
            case Drain():
                self.draining = True

    def _granted(self, grant: Grant) -> None:
        key = key_of(grant.attempt)
        if grant.session != self.session or self.ledger.knows(key):
            return
        carried = Carried(grant, self._work)
        self.ledger.take_up(carried)
        if self._stopping:
            self.ledger.close(carried, Ended(outcome="released", usage=Usage()))
            return
        self.starter.prepare(carried)
        self.starter.fill()
        if key in self.ledger.carried:
            self.ledger.spool.keep(key, grant, started=carried.started)
            carried.kept = True

    def cancel(self, message: Cancel) -> None:
        """End an attempt as cancelled; one that waits for a slot never starts."""
        carried = self.ledger.carried.get(key_of(message.attempt))
        if carried is None or carried.record is not None:
            return
        if carried.started:
            grace = 0.0 if message.force else carried.grant.request.limits.grace_seconds
            self._end(carried.key, CANCEL, grace)
        else:
            with self.ledger.round():
                self.ledger.close(carried, Ended(outcome="cancelled", usage=Usage()))

    def revoke(self, attempt: Attempt) -> None:
        """The attempt is fenced: KILL it, and report nothing more of it."""
        key = key_of(attempt)
        with self.ledger.round():
            carried = self.ledger.carried.get(key)
            if carried is not None:
                self._end(key, REVOKE, 0)
                self.ledger.forget(carried)
            self.ledger.spool.drop_reports(key)
            self.ledger.settled(key)

    def settle(self, batch: list[Waiting], verdicts: tuple[Verdict, ...]) -> None:
        """Forget what the api has confirmed; what it refused is fenced."""
        self.ledger.spool.confirmed(batch)
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if waiting.last:
                self.ledger.settled(waiting.key)
            elif verdict == "refused" and waiting.key in self.ledger.holding:
                self.revoke(self.ledger.holding[waiting.key])

    async def cut_off(self) -> None:
        """The session is over: end what may not outlive it, and wait until it is gone."""
        self.session = None
        with self.ledger.round():
            for carried in list(self.ledger.carried.values()):
                if not carried.started:
                    self.ledger.unlearn(carried)
                elif carried.until_lease:
                    self._end(carried.key, LEASE, 0)
        while any(carried.until_lease for carried in self.ledger.carried.values()):
            self.ledger.let_go.clear()
            await self.ledger.let_go.wait()

    async def stop(self) -> None:
        """Take nothing new, end everything that runs, and give it back to the api."""
        self._stopping = True
        with self.ledger.round():
            for carried in list(self.ledger.carried.values()):
                if carried.started:
                    grace = min(carried.grant.request.limits.grace_seconds, STOP_GRACE_SECONDS)
                    self._end(carried.key, STOP, grace)
                else:
                    self.ledger.close(carried, Ended(outcome="released", usage=Usage()))
        while self.ledger.carried:
            self.ledger.let_go.clear()
            await self.ledger.let_go.wait()

    def dismiss_warden(self) -> None:
        """Let the warden exit once it holds nothing."""
        if self._custody is not None:
            self._custody.leave()

    # --- what the warden says --------------------------------------------------------------------

    def _heard(self, frames: list[Frame]) -> None:
        back: list[Carried] = []
        with self.ledger.round():
            for kind, key, body in frames:
                if kind == DATA:
                    self.reader.note(key)
                elif kind == OVER:
                    self._over(key, body)
                elif kind == BACK:
                    self._taken(key)
                    self.starter.slots.leave(key)
                    carried = self.ledger.carried.get(key)
                    if carried is not None and carried.started and carried.record is None:
                        back.append(carried)  # else an agent before us knew it already
            self._begin_again(back)
            self.starter.fill()

    def _begin_again(self, back: list[Carried]) -> None:
        """The warden did not begin them: what was asked of them meanwhile never reached a process."""
        again: list[Carried] = []
        for carried in back:
            if carried.end_asked is None:
                again.append(carried)
            elif carried.end_asked == LEASE:
                self.ledger.unlearn(carried)
            elif carried.end_asked == STOP:
                self.ledger.close(carried, Ended(outcome="released", usage=Usage()))
            else:
                self.ledger.close(carried, Ended(outcome="cancelled", usage=Usage()))
        self.starter.given_back(again)

    def _over(self, key: str, body: bytes) -> None:
        record = read_record(body)
        self.starter.ended(key, record.ended - record.started)
        carried = self.ledger.carried.get(key)
        if carried is None:
            self._taken(key)
            return
        carried.record = record
        if record.log is None or record.reported is None or carried.reported.items is not None:
            self.reader.note(key)  # it left files: read in pieces, so that beats go on
            return
        while not self.reader.take(carried):
            pass

    def _taken(self, key: str) -> None:
        if self._custody is not None:
            self._custody.taken(key)

    def _end(self, key: str, why: str, grace: float) -> None:
        """Have it ended, after its start: that may still be put off in this round."""
        carried = self.ledger.carried.get(key)
        if carried is not None and carried.end_asked is None:
            carried.end_asked = why
        with self.ledger.round():
            self.ledger.later(lambda: self._say_end(key, why, grace))

    def _say_end(self, key: str, why: str, grace: float) -> None:
        if self._custody is not None:
            self._custody.end(key, why, grace)
