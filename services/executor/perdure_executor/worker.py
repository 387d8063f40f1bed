"""Carries attempts through: grant → order → warden → output and outcome → spool."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from perdure_contract.facts import Failure, Usage
from perdure_contract.wire import (
    Attempt,
    Cancel,
    ControlBatch,
    Drain,
    Ended,
    Finding,
    Grant,
    Report,
    Revoke,
    Verdict,
)
from perdure_executor.attempt import CANCEL, LEASE, REVOKE, STOP
from perdure_executor.carried import Carried, key_of
from perdure_executor.custody import Custody, Hello
from perdure_executor.errors import InputGone, NoAnswer, Rejected
from perdure_executor.runners.command import CommandRunner
from perdure_executor.runners.runner import Fetch, Runner
from perdure_executor.segments import Chunk, delete_files
from perdure_executor.settings import Settings
from perdure_executor.spool import MAX_WAITING_BYTES, Spool, Waiting
from perdure_executor.strays import end_strays
from perdure_executor.voice import Voice
from perdure_executor.warden.frames import DATA, OVER, Frame
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import decode_record
from perdure_runtime import logs

log = logs.get(__name__)

STOP_GRACE_SECONDS = 3.0
REMEMBERED = 20_000
"""Confirmed attempts that a late grant does not start again."""
WARDEN_BACKOFF_SECONDS = 0.2


class Worker:
    """All attempts of one executor."""

    def __init__(self, settings: Settings, spool: Spool, lease: Lease, voice: Voice, fetch: Fetch) -> None:
        """Prepare.

        Args:
            settings: who we are.
            spool: what survives us.
            lease: until when anything may run.
            voice: publishes what people watch.
            fetch: gets blobs.
        """
        self.session: str | None = None
        """The live session; none while there is none, and then nothing new is taken."""
        self.draining = False
        self.reported = asyncio.Event()
        """Set when the spool has something to deliver."""
        self.lost_some = asyncio.Event()
        """Set when attempts were lost here: only a new session tells the api."""
        self._settings = settings
        self._spool = spool
        self._lease = lease
        self._voice = voice
        self._fetch = fetch
        self._runner: Runner = CommandRunner()
        self._work = settings.spool / "work"
        self._carried: dict[str, Carried] = {}
        self._holding: dict[str, Attempt] = {}
        self._done: OrderedDict[str, None] = OrderedDict()
        self._queue: deque[Carried] = deque()
        self._living: set[str] = set()
        self._news: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._custody: Custody | None = None
        self._later: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._let_go_one = asyncio.Event()

    # --- start, take-over, the warden's end --------------------------------------------------------

    async def open(self) -> None:
        """Take up what the last agent left, and what its warden still holds."""
        for kept in self._spool.kept():
            carried = Carried(kept.grant, self._work, kept.next_line, kept.reported, started=kept.started)
            carried.kept = True
            self._carried[kept.key] = carried
            self._holding[kept.key] = kept.grant.attempt
            if not kept.started:
                self._prepare(carried)
        await self._open_custody()
        for key in self._spool.unconfirmed_ends():
            self._done[key] = None

    async def _open_custody(self) -> None:
        custody = Custody(self._heard, self._warden_gone)
        hello = await custody.open(self._settings)
        self._custody = custody
        lost = self._compare(hello)
        await end_strays([carried.grant.attempt for carried in lost])
        with self._round():
            for carried in lost:
                log.warning("attempt lost", run=carried.grant.attempt.run, attempt=carried.grant.attempt.number)
                while (chunk := carried.log.take()) is not None:
                    self._report_chunk(carried, chunk)
                self._forget(carried)
        self.fill()

    def _compare(self, hello: Hello) -> list[Carried]:
        """Match what the warden holds with what we carry; give what nobody holds any more."""
        known = {*hello.carried, *hello.ended}
        self._living = set(hello.carried)
        for key in hello.carried:
            carried = self._carried.get(key)
            if carried is None:
                self._end(key, REVOKE, 0)
            else:
                carried.started = True
                self._note_news(key)
        return [
            carried
            for key, carried in self._carried.items()
            if carried.started and key not in known and carried.record is None
        ]

    def _warden_gone(self) -> None:
        """The warden was killed, so its keepers end everything: begin anew."""
        log.warning("the warden is gone; its attempts are lost")
        self._custody = None
        self._spawn(self._replace_warden())

    async def _replace_warden(self) -> None:
        await asyncio.sleep(WARDEN_BACKOFF_SECONDS)
        await self._open_custody()
        self.lost_some.set()

    # --- what the api says -----------------------------------------------------------------------

    def holding(self) -> tuple[Attempt, ...]:
        """Give every attempt granted whose outcome is not confirmed."""
        return tuple(self._holding.values())

    def control(self, batch: ControlBatch) -> None:
        """Do what the api says; what it repeats changes nothing."""
        with self._round():
            for message in batch.messages:
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
        if grant.session != self.session or key in self._holding or key in self._done:
            return
        carried = Carried(grant, self._work)
        self._carried[key] = carried
        self._holding[key] = grant.attempt
        if self._stopping:
            self._close(carried, Ended(outcome="released", usage=Usage()))
            return
        self._prepare(carried)
        self.fill()
        if key in self._carried:
            self._spool.keep(key, grant, started=carried.started)
            carried.kept = True

    def cancel(self, message: Cancel) -> None:
        """End an attempt as cancelled; one that waits for a slot never starts."""
        carried = self._carried.get(key_of(message.attempt))
        if carried is None or carried.record is not None:
            return
        if carried.started:
            grace = 0.0 if message.force else carried.grant.request.limits.grace_seconds
            self._end(carried.key, CANCEL, grace)
        else:
            with self._round():
                self._close(carried, Ended(outcome="cancelled", usage=Usage()))

    def revoke(self, attempt: Attempt) -> None:
        """The attempt is fenced: KILL it, and report nothing more of it."""
        key = key_of(attempt)
        carried = self._carried.get(key)
        with self._round():
            if carried is not None:
                self._end(key, REVOKE, 0)
                self._forget(carried)
            self._spool.drop_reports(key)
            self._settled(key)

    def settle(self, batch: list[Waiting], verdicts: tuple[Verdict, ...]) -> None:
        """Forget what the api has confirmed; what it refused is fenced."""
        self._spool.confirmed(batch)
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if waiting.last:
                self._settled(waiting.key)
            elif verdict == "refused" and waiting.key in self._holding:
                self.revoke(self._holding[waiting.key])

    def _settled(self, key: str) -> None:
        self._holding.pop(key, None)
        self._done[key] = None
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)

    async def cut_off(self) -> None:
        """The session is over: end what may not outlive it, and wait until it is gone."""
        self.session = None
        with self._round():
            for carried in list(self._carried.values()):
                if not carried.started:
                    self._forget(carried)
                elif carried.until_lease:
                    self._end(carried.key, LEASE, 0)
        while any(carried.until_lease for carried in self._carried.values()):
            self._let_go_one.clear()
            await self._let_go_one.wait()

    async def stop(self) -> None:
        """Take nothing new, end everything that runs, and give it back to the api."""
        self._stopping = True
        with self._round():
            for carried in list(self._carried.values()):
                if carried.started:
                    grace = min(carried.grant.request.limits.grace_seconds, STOP_GRACE_SECONDS)
                    self._end(carried.key, STOP, grace)
                else:
                    self._close(carried, Ended(outcome="released", usage=Usage()))
        while self._carried:
            self._let_go_one.clear()
            await self._let_go_one.wait()

    def dismiss_warden(self) -> None:
        """Let the warden exit once it holds nothing."""
        if self._custody is not None:
            self._custody.leave()

    # --- starting ----------------------------------------------------------------------------------

    def _prepare(self, carried: Carried) -> None:
        """Put it in the queue for a slot, after its inputs were fetched."""
        if self._runner.needs(carried.grant):
            self._spawn(self._fetch_inputs(carried))
        else:
            self._queue.append(carried)

    async def _fetch_inputs(self, carried: Carried) -> None:
        attempt = carried.grant.attempt
        for reference in self._runner.needs(carried.grant):
            while carried.key in self._carried and reference.sha256 not in carried.inputs:
                try:
                    carried.inputs[reference.sha256] = await self._fetch(attempt.run, reference)
                except NoAnswer as error:
                    await asyncio.sleep(error.retry_after_seconds)
                except InputGone as error:
                    self._reject(carried, str(error))
        if carried.key in self._carried:
            self._queue.append(carried)
            self.fill()

    def fill(self) -> None:
        """Start what waits, as far as there are slots."""
        if not self._queue or self._custody is None or boottime() >= self._lease.until:
            return
        with self._round():
            while self._queue and len(self._living) < self._settings.slots:
                carried = self._queue.popleft()
                if self._carried.get(carried.key) is not carried:
                    continue
                self._start(carried)

    def _start(self, carried: Carried) -> None:
        try:
            order = self._runner.order(carried.grant, carried.path, carried.inputs, self._settings)
        except Rejected as error:
            self._reject(carried, str(error))
            return
        except OSError as error:
            words = f"The executor could not prepare it: {error.strerror or error}."
            failure = Failure(reason="error", message=words)
            self._close(carried, Ended(outcome="failed", usage=Usage(), failure=failure))
            return
        carried.started = True
        carried.inputs.clear()
        self._living.add(carried.key)
        if carried.kept:
            self._spool.mark_started(carried.key)
        custody = self._custody
        if custody is not None:
            self._later.append(lambda: custody.start(carried.key, order))

    def _reject(self, carried: Carried, words: str) -> None:
        failure = Failure(reason="rejected", message=words)
        with self._round():
            self._close(carried, Ended(outcome="failed", usage=Usage(), failure=failure))

    # --- what the warden says -----------------------------------------------------------------------

    def _heard(self, frames: list[Frame]) -> None:
        with self._round():
            for kind, key, body in frames:
                if kind == DATA:
                    self._note_news(key)
                elif kind == OVER:
                    self._over(key, body)
            self.fill()

    def _over(self, key: str, body: bytes) -> None:
        self._living.discard(key)
        carried = self._carried.get(key)
        if carried is None:
            self._take_record(key)
            return
        carried.record = decode_record(body)
        if carried.record.log is None or carried.record.reported is None:
            self._note_news(key)  # it left files: read in pieces, so that beats go on
            return
        while not self._read(carried):
            pass

    def _take_record(self, key: str) -> None:
        custody = self._custody
        if custody is not None:
            self._later.append(lambda: custody.taken(key))

    def _note_news(self, key: str) -> None:
        self._news[key] = None
        self._woken.set()

    async def read(self) -> None:
        """Take output off the disk while it grows, for ever."""
        while True:
            patience = self._patience()
            if patience != 0:
                try:
                    await asyncio.wait_for(self._woken.wait(), patience)
                except TimeoutError:
                    pass
            self._woken.clear()
            now = boottime()
            keys = {*self._news, *(key for key, carried in self._carried.items() if carried.due(now))}
            for key in keys:
                carried = self._carried.get(key)
                with self._round():
                    if carried is None or self._read(carried):
                        self._news.pop(key, None)
                await asyncio.sleep(0)

    def _patience(self) -> float | None:
        if self._news:
            return 0
        moments = [moment for carried in self._carried.values() if (moment := carried.reported.wake_at())]
        return max(0.001, min(moments) - boottime()) if moments else None

    def _read(self, carried: Carried) -> bool:
        """Take the next piece of output; tell whether there is nothing more for now."""
        now = boottime()
        heard, chunk = carried.take()
        for finding in carried.reported.due(now, ending=carried.record is not None):
            self._report(carried, finding)
        if chunk is not None:
            self._report_chunk(carried, chunk)
            if carried.shown:
                self._voice.lines(carried.grant, chunk.rows)
        progress = carried.reported.live(now)
        if progress is not None:
            self._voice.progress(carried.grant, progress)
        if chunk is None and not heard and carried.record is not None:
            self._finish(carried)
            return True
        if heard or chunk is not None:
            self._spool.save(carried.key, carried.log.next_line, carried.reported)
            return False
        return True

    # --- ends --------------------------------------------------------------------------------------

    def _finish(self, carried: Carried) -> None:
        """Everything is taken: report the outcome and let go."""
        ended = carried.ended()
        if ended is None:
            log.info("attempt ended with the lease", run=carried.grant.attempt.run)
            self.lost_some.set()
            self._forget(carried)
        else:
            self._close(carried, ended)

    def _close(self, carried: Carried, ended: Ended) -> None:
        self._report(carried, ended)
        self._let_go(carried)

    def _forget(self, carried: Carried) -> None:
        """Carry it no more, and never report its end."""
        self._holding.pop(carried.key, None)
        self._let_go(carried)

    def _let_go(self, carried: Carried) -> None:
        del self._carried[carried.key]
        self._done[carried.key] = None
        self._spool.drop(carried.key)
        if carried.record is not None:
            self._take_record(carried.key)
        if carried.has_files:
            self._later.append(lambda: delete_files(carried.path))
        self._let_go_one.set()

    def _end(self, key: str, why: str, grace: float) -> None:
        if self._custody is not None:
            self._custody.end(key, why, grace)

    def _report(self, carried: Carried, finding: Finding) -> None:
        self._spool.add(carried.key, Report(attempt=carried.grant.attempt, finding=finding))
        self._later.append(self.reported.set)

    def _report_chunk(self, carried: Carried, chunk: Chunk) -> None:
        full = self._spool.waiting_bytes > MAX_WAITING_BYTES
        self._report(carried, chunk.cut_out() if full else chunk.report)

    # --- together --------------------------------------------------------------------------------

    @contextmanager
    def _round(self) -> Iterator[None]:
        """Commit to the spool what is done inside, then say to the warden what follows from it."""
        with self._spool.together():
            yield
        if not self._spool.busy:
            later, self._later = self._later, []
            for act in later:
                act()
            if later and self._custody is not None:
                self._custody.flush()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
