"""Plays the api's part towards one executor, on real NATS: opens sessions, grants, confirms."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import nats
import zstandard
from nats.aio.client import Client
from nats.aio.msg import Msg

from perdure_contract import subjects, wire
from perdure_contract.specs import CommandSpec, Limits, RunRequest, Spec
from perdure_contract.wire import Attempt, Ended, LogLine, Report
from perdure_runtime import clock
from tests.support.programs import clean_environment
from tests.support.stack import NatsUrls
from tests.support.waiting import becomes, eventually


class PlayedApi:
    """Remembers all it hears; answers as told."""

    def __init__(self, url: str, executor: str, *, lease_seconds: float = 60.0) -> None:
        self.executor = executor
        self.lease_seconds = lease_seconds
        self.sessions: list[wire.OpenSession] = []
        self.beats: list[wire.Heartbeat] = []
        self.reports: list[Report] = []
        self.batches: list[wire.Reports] = []
        self.blobs: dict[str, bytes] = {}
        self.items: dict[Attempt, list[wire.ItemToDo]] = {}
        self.page_items = 1000
        self.hold_items = False
        """While true nobody gets items."""
        self.items_asked = 0
        self.live: list[tuple[str, bytes]] = []
        self.refuse_session: str | None = None
        self.session_over = False
        self.deaf = False
        """While true nothing is answered."""
        self.forget_next_answers = 0
        """So many batches of reports are heard, and their answers get lost."""
        self.fenced: set[str] = set()
        self.cancelling: tuple[wire.Cancel, ...] = ()
        self.heard: Callable[[wire.Reports], None] = lambda _: None
        self._url = url
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    @property
    def session(self) -> str:
        return self.sessions[-1].session

    async def start(self) -> None:
        self._client = await nats.connect(self._url)
        await self.client.subscribe(subjects.SESSION, cb=self._open)
        await self.client.subscribe(subjects.HEARTBEAT, cb=self._beat)
        await self.client.subscribe(subjects.REPORT, cb=self._report)
        await self.client.subscribe(subjects.BLOB, cb=self._blob)
        await self.client.subscribe(subjects.ITEMS, cb=self._items)
        await self.client.subscribe("perdure.progress.>", cb=self._lively)
        await self.client.subscribe("perdure.log.>", cb=self._lively)
        await self.client.flush()

    async def stop(self) -> None:
        await self.client.close()

    async def opened(self, number: int = 1) -> None:
        """Wait until so many sessions were opened."""

        async def enough() -> bool:
            return len(self.sessions) >= number

        await becomes(enough, what=f"session {number}")

    async def say(self, *messages: wire.Control) -> None:
        batch = wire.ControlBatch(messages=messages)
        await self.client.publish(subjects.control(self.executor), wire.encode(batch))
        await self.client.flush()

    def grant(
        self,
        *argv: str,
        script: str | None = None,
        limits: Limits | None = None,
        run: str | None = None,
        number: int = 1,
        from_checkpoint: wire.Checkpoint | None = None,
        first_checkpoint_number: int = 1,
        spec: Spec | None = None,
        items_done: int = 0,
    ) -> wire.Grant:
        """Make a grant of a command or script for the session that is open."""
        given = spec or (
            CommandSpec(argv=argv) if argv else CommandSpec(script=script, shell="bash")
        )
        return wire.Grant(
            attempt=Attempt(run=run or clock.new_id(), number=number, fence=number + 1),
            session=self.session,
            tenant="default",
            request=RunRequest(name="test", spec=given, limits=limits or Limits()),
            from_checkpoint=from_checkpoint,
            first_checkpoint_number=first_checkpoint_number,
            items_done=items_done,
        )

    async def run(self, grant: wire.Grant) -> Ended:
        """Grant it and give its outcome."""
        await self.say(grant)
        return await self.ended(grant.attempt)

    async def ended(self, attempt: Attempt, seconds: float = 30) -> Ended:
        """Wait for the outcome of an attempt."""

        async def found() -> Ended:
            outcome = self.outcome(attempt)
            if outcome is None:
                raise LookupError(attempt)
            return outcome

        return await becomes(found, seconds, what=f"the end of {attempt}")

    def outcome(self, attempt: Attempt) -> Ended | None:
        for report in self.reports:
            if report.attempt == attempt and isinstance(report.finding, Ended):
                return report.finding
        return None

    def of(self, attempt: Attempt, kind: type) -> list:  # type: ignore[type-arg]
        """Give what of one kind an attempt has reported, each once."""
        return [
            report.finding
            for report in self.reports
            if report.attempt == attempt and isinstance(report.finding, kind)
        ]

    def lines(self, attempt: Attempt) -> list[LogLine]:
        """Give the log of an attempt as it is stored: chunks by their first line."""
        chunks = {chunk.first: chunk for chunk in self.of(attempt, wire.LogChunk)}
        rows: list[LogLine] = []
        for first in sorted(chunks):
            data = zstandard.ZstdDecompressor().decompress(chunks[first].lines)
            rows.extend(msgspec.msgpack.decode(data, type=list[LogLine]))
        return rows

    def outcomes(self, attempt: Attempt) -> list[wire.ItemDone]:
        """Give the outcomes of items in the order in which they were reported, repetitions left out."""
        reports = {report.number: report for report in self.of(attempt, wire.ItemsRecorded)}
        found: list[wire.ItemDone] = []
        for report in reports.values():
            data = zstandard.ZstdDecompressor().decompress(report.outcomes)
            found.extend(msgspec.msgpack.decode(data, type=list[wire.ItemDone]))
        return found

    def text(self, attempt: Attempt, stream: str | None = None) -> str:
        return "\n".join(row.text for row in self.lines(attempt) if stream in (None, row.stream))

    # --- answers ---------------------------------------------------------------------------------

    async def _answer(self, message: Msg, **fields: object) -> None:
        if not self.deaf:
            await message.respond(wire.encode(wire.Answer(**fields)))  # type: ignore[arg-type]

    async def _open(self, message: Msg) -> None:
        asked = wire.decode(message.data, wire.OpenSession)
        if self.deaf or asked.executor != self.executor:
            return
        if self.refuse_session is not None:
            await self._answer(message, refused=wire.SessionRefused(why=self.refuse_session))
            return
        self.session_over = False
        self.sessions.append(asked)
        now = clock.epoch_seconds()
        await self._answer(
            message, opened=wire.SessionOpened(now=now, lease_seconds=self.lease_seconds)
        )

    async def _beat(self, message: Msg) -> None:
        beat = wire.decode(message.data, wire.Heartbeat)
        if self.deaf:
            return
        self.beats.append(beat)
        live = not self.session_over and bool(self.sessions) and beat.session == self.session
        answer = wire.Beat(
            now=clock.epoch_seconds(),
            live=live,
            lease_seconds=self.lease_seconds,
            cancelling=self.cancelling,
        )
        await self._answer(message, beat=answer)

    async def _report(self, message: Msg) -> None:
        if self.deaf:
            return
        batch = wire.decode(message.data, wire.Reports)
        self.batches.append(batch)
        self.reports.extend(batch.reports)
        verdicts = tuple(
            "refused" if report.attempt.run in self.fenced else "accepted"
            for report in batch.reports
        )
        self.heard(batch)
        if self.forget_next_answers > 0:
            self.forget_next_answers -= 1
            return
        await self._answer(message, confirmed=wire.Confirmed(verdicts=verdicts))  # type: ignore[arg-type]

    async def _blob(self, message: Msg) -> None:
        asked = wire.decode(message.data, wire.FetchBlob)
        content = self.blobs.get(asked.sha256)
        if content is None:
            await self._answer(message, blob=wire.BlobPage(gone=True))
            return
        page = content[asked.offset : asked.offset + wire.BLOB_PAGE_BYTES]
        await self._answer(message, blob=wire.BlobPage(data=page, total=len(content)))

    async def _items(self, message: Msg) -> None:
        asked = wire.decode(message.data, wire.FetchItems)
        self.items_asked += 1
        if self.hold_items:
            await self._answer(message, unavailable=wire.Unavailable(why="held"))
            return
        items = self.items.get(asked.attempt)
        if items is None:
            await self._answer(message, items=wire.ItemsPage(gone=True))
            return
        left = [item for item in items if item.ordinal > asked.after]
        page = left[: self.page_items]
        data = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(page))
        more = page[-1].ordinal if len(left) > len(page) else None
        await self._answer(message, items=wire.ItemsPage(items=data, next=more))

    async def _lively(self, message: Msg) -> None:
        self.live.append((message.subject, message.data))


class ExecutorProcess:
    """A real executor: its agent as a child of the test, its warden wherever it is."""

    def __init__(self, folder: Path, url: str, name: str, **variables: str) -> None:
        self.folder = folder
        self.name = name
        self.spool = folder / f"executor-{name}"
        self._variables = {
            "PERDURE_DATA_DIR": str(folder),
            "PERDURE_NATS_URL": url,
            "PERDURE_EXECUTOR_NAME": name,
            "PERDURE_EXECUTOR_SLOTS": "4",
            **variables,
        }
        self.agent: subprocess.Popen[bytes] | None = None

    @property
    def warden_pid(self) -> int:
        return int(json.loads((self.spool / "warden.json").read_text())["pid"])

    def start(self) -> None:
        with (self.folder / "agent.log").open("ab") as output:
            self.agent = subprocess.Popen(
                [sys.executable, "-c", "from perdure_executor.bootstrap import main; main()"],
                env=clean_environment(**self._variables),
                stdout=output,
                stderr=output,
            )

    def kill_agent(self) -> None:
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait(10)

    def kill_warden(self) -> None:
        os.kill(self.warden_pid, signal.SIGKILL)

    def stop(self) -> int:
        """Stop cleanly; give the exit code."""
        assert self.agent is not None
        self.agent.terminate()
        return self.agent.wait(15)

    def said(self) -> str:
        return (self.folder / "agent.log").read_text()

    def end(self) -> None:
        """Leave nothing behind, whatever happened; what it said is shown when the test failed."""
        print(self.said())
        with suppress(FileNotFoundError):
            print((self.spool / "warden.log").read_text())
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait(10)
        with suppress(OSError, ValueError):
            pid = self.warden_pid
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not _alive(pid), 10)


@asynccontextmanager
async def joined(api: PlayedApi, executor: ExecutorProcess) -> AsyncIterator[None]:
    """Have an executor at work under a played api for as long as the block lasts."""
    await api.start()
    executor.start()
    try:
        await api.opened()
        yield
    finally:
        executor.end()
        await api.stop()


@asynccontextmanager
async def playing(
    nats: NatsUrls, folder: Path, *, lease_seconds: float = 60, **variables: str
) -> AsyncIterator[tuple[PlayedApi, ExecutorProcess]]:
    """A played api with an executor of its own settings, ended afterwards."""
    api = PlayedApi(nats.api, "player", lease_seconds=lease_seconds)
    executor = ExecutorProcess(folder, nats.executor, "player", **variables)
    async with joined(api, executor):
        yield api, executor


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def keepers_of(warden: int) -> list[int]:
    """Give the keepers of a warden."""
    return [int(pid) for pid in Path(f"/proc/{warden}/task/{warden}/children").read_text().split()]


def processes_with(mark: str) -> list[int]:
    """Give the living processes whose environment holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes() and _alive(int(folder.name)):
                    found.append(int(folder.name))
    return found
