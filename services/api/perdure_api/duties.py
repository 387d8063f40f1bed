"""What an api process does beside answering: writing, dispatching, listening, carrying the log on."""

import asyncio
from collections.abc import Callable, Coroutine

import nats.errors
from nats.aio.msg import Msg

from perdure_api.commands import Commands
from perdure_api.followers.bulk_worker import BulkWorker
from perdure_api.followers.dispatcher import Dispatcher
from perdure_api.followers.leadership import lead
from perdure_api.host_commands import HostCommands
from perdure_api.intake.reaper import Reaper
from perdure_api.intake.reports import Reports
from perdure_api.intake.requests import Requests
from perdure_api.intake.schedule_care import ScheduleCare
from perdure_api.intake.schedule_clock import ScheduleClock
from perdure_api.intake.sessions import Sessions
from perdure_api.intake.sweep import Sweep
from perdure_api.job_commands import JobCommands
from perdure_api.messaging.controls import Controls
from perdure_api.messaging.grants import Grants
from perdure_api.schedule_commands import ScheduleCommands
from perdure_api.store.database import Database
from perdure_api.store.writer import Commit, Writer
from perdure_contract import subjects
from perdure_runtime import logs
from perdure_runtime.loop import Loop
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

DAY_SECONDS = 86400.0
TELL_SECONDS = 0.01
"""How long after a commit those hear of it who carry it on: a run that it starts is at work by then, and
on an idle machine what it does is told together with its end."""


class Core:
    """The parts that write: made once a process, by `bootstrap`."""

    def __init__(
        self,
        database: Database,
        nats: NatsConnection,
        *,
        lease_seconds: float,
        stuck_after_seconds: float = DAY_SECONDS,
        backup_roots: tuple[str, ...] = (),
    ) -> None:
        self.database = database
        self.nats = nats
        self.writer = Writer(database.url)
        self.controls = Controls(nats)
        self.grants = Grants(database, self.controls)
        self.commands = Commands(self.writer, self.controls, backup_roots=backup_roots)
        self.jobs = JobCommands(self.commands)
        self.schedules = ScheduleCommands(self.commands)
        self.hosts = HostCommands(self.writer)
        self.schedule_clock = ScheduleClock(database, self.writer, self.controls)
        self.sessions = Sessions(database, self.writer, self.grants, lease_seconds=lease_seconds)
        self.requests = Requests(database, nats, self.sessions, Reports(self.writer))
        self._dispatcher = Dispatcher(database, self.writer, self.grants)
        self._reaper = Loop(
            "reaper",
            Reaper(database, self.writer, nats, self.controls, lease_seconds=lease_seconds).tick,
        )
        self._sweep = Loop(
            "sweep",
            Sweep(
                database, self.writer, self.controls, stuck_after_seconds=stuck_after_seconds
            ).tick,
        )
        self._bulk = Loop("bulk", BulkWorker(database, self.writer, self.controls).tick)
        self._news = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._telling: asyncio.TimerHandle | None = None
        self.writer.on_commit(self._committed)

    def duties(self) -> list[Coroutine[None, None, None]]:
        """Give everything that must run for as long as the process serves."""
        return [
            self.writer.run(),
            lead(self.database.url, "dispatcher", self._dispatcher.run),
            self._dispatcher.send(),
            lead(self.database.url, "reaper", self._reaper.run),
            lead(self.database.url, "sweep", self._sweep.run),
            lead(self.database.url, "bulk", self._bulk.run),
            Loop("schedules", self.schedule_clock.tick).run(),
            Loop("schedule care", ScheduleCare(self.database, self.writer).tick).run(),
            self._answer_executors(),
            self._tell_replicas(),
        ]

    def on_news(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each commit here or, as far as heard, on another replica."""
        self._listeners.append(listener)

    def _committed(self, _commit: Commit) -> None:
        """Tell of it a moment later: answers and grants go out first, and commits are told together."""
        if not self._dispatcher.leads:
            self._news.set()  # the replica that starts runs waits for it
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._told)

    def _told(self) -> None:
        self._telling = None
        self._tell()
        self._news.set()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    async def _answer_executors(self) -> None:
        await self.nats.until_connected()

        async def heard(message: Msg) -> None:
            # What was committed here has been told already.
            if int(message.data) > self.writer.position:
                self._dispatcher.wake()
                self._tell()

        await self.nats.client.subscribe(subjects.WAKE, cb=heard)
        await self.requests.serve()

    async def _tell_replicas(self) -> None:
        """Wake the other replicas after commits, at most 200 times a second; may be lost."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self.nats.connected:
                try:
                    await self.nats.client.publish(
                        subjects.WAKE, str(self.writer.position).encode()
                    )
                except (OSError, nats.errors.Error) as error:
                    log.debug("wake not sent", error=type(error).__name__)
            await asyncio.sleep(0.005)
