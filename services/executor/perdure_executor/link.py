"""The conversation with the api over NATS: sessions, beats, control, reports, blobs."""

import asyncio
import hashlib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from nats.aio.msg import Msg

from perdure_contract import subjects, wire
from perdure_contract.specs import BlobRef
from perdure_executor.errors import CannotStart, InputGone, NoAnswer
from perdure_executor.rsync.program import programs_here
from perdure_executor.settings import Settings
from perdure_executor.spool import Spool
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.worker import Worker
from perdure_runtime import clock, logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

ANSWER_SECONDS = 5.0
SYNC_AFTER_SECONDS = 0.25
FIRST_BEAT_SECONDS = 1.0
BEAT_AGAIN_SECONDS = 0.5
SHORTEST_PATIENCE_SECONDS = 1.0
LEASE_SHARE = 5 / 6
"""Of the lease: attempts are ended here before the api gives them to others."""
BEATS = 6
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MAX_BACKOFF_SECONDS = 2.0


class _Reports(msgspec.Struct, frozen=True):
    """`wire.Reports`, with reports that are encoded already."""

    executor: str
    session: str
    reports: list[msgspec.Raw]


class Link:
    """Speaks for one executor; everything it asks it asks again until it is answered."""

    def __init__(
        self, nats: NatsConnection, settings: Settings, spool: Spool, lease: Lease
    ) -> None:
        """Prepare; `serve` takes the worker."""
        self._nats = nats
        self._settings = settings
        self._spool = spool
        self._lease = lease
        self._session = spool.note("session")
        # A host that crashed may have kept less than what had arrived.
        boot = BOOT_ID.read_text().strip()
        self._remembers = self._session is not None and spool.note("boot") == boot
        spool.set_note("boot", boot)
        self._delivered = asyncio.Event()
        self._lease_seconds = FIRST_BEAT_SECONDS * BEATS

    async def serve(self, worker: Worker) -> None:
        """Open a session and hold it, and again when it is over, for ever.

        Raises:
            CannotStart: when another executor of the name is live.
        """

        async def hear(message: Msg) -> None:
            self._control(worker, message)

        subject = subjects.control(self._settings.name)
        subscription = await self._nats.client.subscribe(subject, cb=hear)
        try:
            while True:
                await self.everything_delivered()
                worker.ledger.lost_some = False
                await self._open(worker)
                if await self._hold(worker):
                    await worker.cut_off()
        finally:
            if self._nats.connected:
                await subscription.unsubscribe()

    async def deliver(self, worker: Worker) -> None:
        """Deliver reports for ever: one batch in flight, the same again until it is answered."""
        while True:
            batch = self._spool.batch() if self._session is not None else []
            if not batch:
                self._delivered.set()
                worker.ledger.reported.clear()
                await worker.ledger.reported.wait()
                continue
            message = _Reports(
                executor=self._settings.name,
                session=self._session or "",
                reports=[msgspec.Raw(waiting.body) for waiting in batch],
            )
            confirmed = await self._confirmed(wire.encode(message), len(batch))
            worker.settle(batch, confirmed.verdicts)
            self._delivered.set()

    async def take_no_more(self, worker: Worker) -> None:
        """Say that nothing new is taken; grants on their way still come.

        Raises:
            NoAnswer: when nobody answers at once.
        """
        if self._session is not None:
            worker.draining = True
            beat = wire.Heartbeat(
                executor=self._settings.name,
                session=self._session,
                holding=worker.holding(),
                draining=True,
            )
            await self._ask(subjects.HEARTBEAT, wire.encode(beat), 1.0)

    async def leave(self, worker: Worker) -> None:
        """Say goodbye: everything was released or has ended."""
        if self._session is not None:
            beat = wire.Heartbeat(
                executor=self._settings.name,
                session=self._session,
                holding=worker.holding(),
                leaving=True,
            )
            await self._ask(subjects.HEARTBEAT, wire.encode(beat), 1.0)

    async def fetch_blob(self, run: str, reference: BlobRef) -> bytes:
        """Get a blob, checked against its hash.

        Raises:
            InputGone: when it was deleted or is damaged.
            NoAnswer: when nobody answers now.
        """
        content = bytearray()
        while True:
            request = wire.FetchBlob(sha256=reference.sha256, run=run, offset=len(content))
            answer = await self._ask(subjects.BLOB, wire.encode(request))
            page = answer.blob
            if page is None:
                raise NoAnswer("no page in the answer")
            if page.gone:
                message = f"The input {reference.sha256[:12]}… of this run was deleted."
                raise InputGone(message)
            content += page.data
            if len(content) >= page.total or not page.data:
                break
        if hashlib.sha256(content).hexdigest() != reference.sha256:
            message = (
                f"The input {reference.sha256[:12]}… of this run is damaged: its hash differs."
            )
            raise InputGone(message)
        return bytes(content)

    async def fetch_items(self, attempt: wire.Attempt, after: int) -> wire.ItemsPage:
        """Get the next items that an attempt has to do.

        Raises:
            NoAnswer: when nobody answers now.
        """
        request = wire.FetchItems(attempt=attempt, after=after)
        answer = await self._ask(subjects.ITEMS, wire.encode(request))
        if answer.items is None:
            raise NoAnswer("no items in the answer")
        return answer.items

    async def everything_delivered(self) -> None:
        """Wait until everything that waits now is confirmed: it belongs to the session before."""
        newest = self._spool.newest()
        while (oldest := self._spool.oldest()) is not None and oldest <= newest:
            self._delivered.clear()
            await self._delivered.wait()

    async def _open(self, worker: Worker) -> None:
        # One that was asked for and never answered may have been opened: it is asked for again.
        session = self._spool.note("asked") or clock.new_id()
        self._spool.set_note("asked", session)
        previous = self._session
        programs = await asyncio.to_thread(programs_here, self._settings)
        worker.session = session  # grants may come before the answer does
        backoff = 0.1
        while True:
            asked_at = boottime()
            lost = worker.lost()
            request = wire.OpenSession(
                executor=self._settings.name,
                session=session,
                slots=self._settings.slots,
                labels=self._settings.labels,
                queues=self._settings.queues,
                program=program_version(),
                programs=programs,
                holding=worker.holding(),
                lost=lost,
                remembers=self._remembers,
                previous=previous,
            )
            try:
                answer = await self._ask(subjects.SESSION, wire.encode(request))
            except NoAnswer as error:
                await clock.pause(max(backoff, error.retry_after_seconds))
                backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
                continue
            if answer.refused is not None:
                raise CannotStart(answer.refused.why)
            if answer.opened is not None:
                break
            await clock.pause(backoff)
        opened = answer.opened
        with self._spool.together():
            self._spool.set_note("session", session)
            self._spool.set_note("asked", "")
            worker.told_lost(lost)
        self._session = session
        self._remembers = True
        self._extend(asked_at, opened.lease_seconds)
        worker.ledger.reported.set()
        log.info("session opened", session=session, lease_seconds=opened.lease_seconds)
        for attempt in opened.revoked:
            worker.revoke(attempt)
        for cancel in opened.cancelling:
            worker.cancel(cancel)
        worker.starter.fill()  # not before: what is fenced by now must not begin

    async def _hold(self, worker: Worker) -> bool:
        """Beat until a new session is needed; give whether this one is over by the api's word.

        Otherwise attempts were lost here: the api is told by opening a new session, and what waits
        or runs meanwhile goes on.
        """
        session = self._session or ""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / BEATS):
                    await worker.ledger.call_api.wait()
            worker.ledger.call_api.clear()
            if worker.ledger.lost_some:
                return False
            asked_at = boottime()
            try:
                beat = await self._beat(worker, session)
            except NoAnswer:
                await clock.pause(min(self._lease_seconds / BEATS, BEAT_AGAIN_SECONDS))
                worker.ledger.call_api.set()
                continue
            if not beat.live:
                log.warning("session is over", session=session)
                return True
            self._extend(asked_at, beat.lease_seconds)
            worker.draining = worker.draining or beat.drain
            for attempt in beat.revoked:
                worker.revoke(attempt)
            for cancel in beat.cancelling:
                worker.cancel(cancel)

    async def _beat(self, worker: Worker, session: str) -> wire.Beat:
        request = wire.Heartbeat(
            executor=self._settings.name,
            session=session,
            holding=worker.holding(),
            ahead=worker.starter.ahead,
            draining=worker.draining,
        )
        patience = max(self._lease_seconds / BEATS, SHORTEST_PATIENCE_SECONDS)
        answer = await self._ask(subjects.HEARTBEAT, wire.encode(request), patience)
        if answer.beat is None:
            raise NoAnswer("no beat in the answer")
        return answer.beat

    def _extend(self, asked_at: float, lease_seconds: float) -> None:
        """Count from when it was asked: the answer may have been long on its way."""
        self._lease_seconds = lease_seconds
        self._lease.extend(asked_at + lease_seconds * LEASE_SHARE)

    async def _confirmed(self, message: bytes, reports: int) -> wire.Confirmed:
        backoff = 0.05
        waited = 0.0
        while True:
            asked_at = boottime()
            try:
                answer = await self._ask(subjects.REPORT, message)
                if answer.confirmed is not None and len(answer.confirmed.verdicts) == reports:
                    return answer.confirmed
                log.warning("reports were answered with something else")
                pause = backoff
            except NoAnswer as error:
                pause = max(backoff, error.retry_after_seconds)
            waited += boottime() - asked_at
            if waited >= SYNC_AFTER_SECONDS:
                await asyncio.to_thread(self._spool.sync)
            await clock.pause(pause)
            waited += pause
            backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)

    async def _ask(
        self, subject: str, message: bytes, patience: float = ANSWER_SECONDS
    ) -> wire.Answer:
        if not self._nats.connected:
            raise NoAnswer("NATS is away", 0.1)
        try:
            reply = await self._nats.client.request(subject, message, timeout=patience)
            answer = wire.decode(reply.data, wire.Answer)
        except (msgspec.DecodeError, OSError, TimeoutError) as error:
            raise NoAnswer(str(error) or type(error).__name__, 0.05) from error
        except Exception as error:  # nats-py raises many kinds, all of which mean: not now
            raise NoAnswer(str(error) or type(error).__name__, 0.1) from error
        if answer.unavailable is not None:
            raise NoAnswer(answer.unavailable.why, answer.unavailable.retry_after_seconds)
        return answer

    def _control(self, worker: Worker, message: Msg) -> None:
        try:
            batch = wire.decode(message.data, wire.ControlBatch)
        except msgspec.DecodeError as error:
            log.warning("control message makes no sense", error=str(error))
            return
        worker.control(batch)


def program_version() -> str:
    """Give the version of this program, for people who look at executors."""
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "unknown"
