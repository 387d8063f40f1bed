"""The api's writing half with an executor played by the test: real PostgreSQL, real NATS, no HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from nats.aio.msg import Msg

from perdure_api.domain.callers import Caller
from perdure_api.domain.run import Run
from perdure_api.duties import Core
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_contract import facts, subjects, wire
from perdure_contract.specs import CommandSpec, RunRequest
from perdure_runtime.clock import new_id
from perdure_runtime.nats_connection import NatsConnection

BY = Caller(actor="test")


def request(**fields: object) -> RunRequest:
    """A request for `true`, with other fields where given."""
    values: dict[str, object] = {"name": "one", "spec": CommandSpec(argv=("true",)), **fields}
    return msgspec.convert(values, RunRequest)


async def request_one(core: Core, **fields: object) -> Run:
    """Request a run and give it."""
    done = await core.commands.request_run(BY, request(**fields))
    assert isinstance(done.result, Run)
    return done.result


async def request_many(core: Core, requests: list[RunRequest]) -> list[Run]:
    """Request runs in one transaction and give them."""
    done = await core.commands.request_runs(BY, requests)
    assert isinstance(done.result, list)
    return done.result


@asynccontextmanager
async def running_core(
    database_url: str,
    nats_url: str,
    *,
    lease_seconds: float = 60,
    stuck_after_seconds: float = 86400,
    backup_roots: tuple[str, ...] = (),
) -> AsyncIterator[Core]:
    """Run a core's duties for as long as the block lasts."""
    nats = NatsConnection(nats_url, name="api under test")
    await nats.connect(patience_seconds=5)
    database = await Database.connect(database_url)
    core = Core(
        database,
        nats,
        lease_seconds=lease_seconds,
        stuck_after_seconds=stuck_after_seconds,
        backup_roots=backup_roots,
    )
    tasks = [asyncio.ensure_future(duty) for duty in core.duties()]
    try:
        yield core
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await nats.close()
        await database.close()


async def read_run(core: Core, run_id: str) -> Run:
    """Give a run as it is committed."""
    row = await core.database.pool.fetchval(
        "SELECT state FROM perdure.runs WHERE run_id = $1::text::uuid", run_id
    )
    return decode_run(row)


async def run_reaches(core: Core, run_id: str, holds: Callable[[Run], bool]) -> Run:
    """Wait until a run is as wanted; fails after 10 seconds with what it is."""
    run = await read_run(core, run_id)
    for _ in range(500):
        if holds(run):
            return run
        await asyncio.sleep(0.02)
        run = await read_run(core, run_id)
    message = f"the run stays {run}"
    raise AssertionError(message)


async def event_types(core: Core, run_id: str) -> list[str]:
    """Give the short names of a run's events in order."""
    rows = await core.database.pool.fetch(
        "SELECT type FROM perdure.events WHERE stream = $1 ORDER BY version", f"run-{run_id}"
    )
    return [row[0].removeprefix("perdure.run.").removesuffix(".v1") for row in rows]


class PlayedExecutor:
    """An executor that does what the test says."""

    def __init__(self, nats_url: str, name: str) -> None:
        self.name = name
        self.session = new_id()
        self.heard: asyncio.Queue[wire.Control] = asyncio.Queue()
        self._nats = NatsConnection(nats_url, name=name)

    async def connect(self) -> "PlayedExecutor":
        """Connect and listen on the control subject."""
        await self._nats.connect(patience_seconds=5)
        await self._nats.client.subscribe(subjects.control(self.name), cb=self._hear)
        return self

    async def _hear(self, message: Msg) -> None:
        for said in wire.decode(message.data, wire.ControlBatch).messages:
            self.heard.put_nowait(said)

    async def close(self) -> None:
        """Leave without a word."""
        await self._nats.close()

    async def ask(self, subject: str, message: msgspec.Struct) -> wire.Answer:
        """Ask the api something, again while nobody answers."""
        for _ in range(50):
            try:
                reply = await self._nats.client.request(subject, wire.encode(message), timeout=2)
            except Exception:  # noqa: BLE001 -- no responders yet, or none any more
                await asyncio.sleep(0.1)
                continue
            return wire.decode(reply.data, wire.Answer)
        message_ = f"nobody answers on {subject}"
        raise AssertionError(message_)

    async def open(self, *, slots: int = 4, **fields: object) -> wire.Answer:
        """Open a session."""
        asked = {"executor": self.name, "session": self.session, "slots": slots, **fields}
        return await self.ask(subjects.SESSION, msgspec.convert(asked, wire.OpenSession))

    async def beat(self, *holding: wire.Attempt, **fields: object) -> wire.Beat:
        """Send a heartbeat."""
        beat = wire.Heartbeat(executor=self.name, session=self.session, holding=holding)
        answer = await self.ask(subjects.HEARTBEAT, msgspec.structs.replace(beat, **fields))
        assert answer.beat is not None
        return answer.beat

    async def next_grant(self) -> wire.Grant:
        """Wait for the next grant."""
        said = await asyncio.wait_for(self.heard.get(), 10)
        assert isinstance(said, wire.Grant), said
        return said

    async def report(self, attempt: wire.Attempt, *findings: wire.Finding) -> tuple[str, ...]:
        """Report on an attempt; give the verdicts."""
        reports = tuple(wire.Report(attempt=attempt, finding=finding) for finding in findings)
        said = wire.Reports(executor=self.name, session=self.session, reports=reports)
        answer = await self.ask(subjects.REPORT, said)
        assert answer.confirmed is not None, answer
        return answer.confirmed.verdicts


def ended(outcome: str = "completed", **fields: object) -> wire.Ended:
    """The last report of an attempt."""
    return msgspec.convert(
        {"type": "ended", "outcome": outcome, "usage": facts.Usage(), **fields}, wire.Ended
    )
