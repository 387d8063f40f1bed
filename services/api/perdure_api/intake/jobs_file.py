"""The jobs file as a way in: watched, read whole, and taken over in one transaction or not at all.

What it names is made or changed; what it names no more is paused, never deleted; what was made by hand
is left alone. Every replica may watch: the one that is second finds that nothing has changed.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from watchfiles import awatch

from perdure_api.backups import DRY_RUN_NEEDED, Backup, BackupChecks, backups_of
from perdure_api.commands import Commands
from perdure_api.domain import job as jobs
from perdure_api.domain import schedule as schedules
from perdure_api.domain.callers import Caller
from perdure_api.domain.job import Job
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.schedule import Schedule
from perdure_api.errors import Refused
from perdure_api.intake.file_entries import Checked, Entry, read_entries
from perdure_api.job_inputs import with_stored_items
from perdure_api.planning import begin_schedule, change_schedule
from perdure_api.store import inputs
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.rows import stream_row
from perdure_api.store.work import Work
from perdure_contract.facts import FileFault, JobsFileLoaded, JobsFileRefused
from perdure_contract.identifiers import (
    DEFAULT_TENANT,
    job_stream,
    jobs_file_stream,
    schedule_stream,
    stream_key,
)
from perdure_contract.specs import BatchSpec
from perdure_runtime import clock, logs
from perdure_runtime.loop import Loop

log = logs.get(__name__)

WATCH_AGAIN_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 1.0
"""Some file systems tell nothing of changes, so it is also looked at this often."""
REMOVED: Final = "Removed from the jobs file."
BY_HAND: Final = (
    "A job of this name was made by hand: rename one of them, or write `replace_existing: true`."
)

STATE = """
SELECT stream, tenant, version, first_position, last_position, state FROM perdure.streams
WHERE stream = $1"""

FROM_FILE = """
SELECT stream FROM perdure.streams
WHERE stream LIKE 'job-%' AND tenant = $1 AND state ->> 'source' = 'file'"""

SCHEDULES = """
SELECT schedule_id::text FROM perdure.schedules
WHERE tenant = $1 AND job = ANY($2::text[]) AND NOT deleted"""


class JobsFileWatch:
    """Keeps the jobs of one file as the file says."""

    def __init__(
        self, database: Database, commands: Commands, path: Path, *, tenant: str = DEFAULT_TENANT
    ) -> None:
        self._database = database
        self._commands = commands
        self._path = path
        self._tenant = tenant
        self._seen: tuple[int, int, int] | None = None

    async def run(self) -> None:
        """Look now, and whenever the file changes, until cancelled."""
        loop = Loop("jobs file", self._look)
        async with asyncio.TaskGroup() as group:
            group.create_task(loop.run())
            group.create_task(self._watch(loop))

    async def _watch(self, loop: Loop) -> None:
        while True:
            with contextlib.suppress(OSError, RuntimeError):
                # Of the directory, because editors put a new file in the place of the old.
                async for _ in awatch(
                    self._path.parent,
                    watch_filter=lambda _change, path: Path(path).name == self._path.name,
                    recursive=False,
                ):
                    loop.wake()
            # Nothing can be watched there; it is looked at all the same.
            await clock.pause(WATCH_AGAIN_SECONDS)

    async def _look(self) -> float:
        try:
            found = self._path.stat()
            signature = (found.st_mtime_ns, found.st_size, found.st_ino)
            if signature != self._seen:
                await self.load(self._path.read_bytes())
                self._seen = signature
        except FileNotFoundError:
            self._seen = None
        return LOOK_SECONDS

    async def load(self, data: bytes) -> None:
        """Take over what a file says, or record its faults; the same content again changes nothing."""
        sha256 = hashlib.sha256(data).hexdigest()
        record = await self._database.pool.fetchrow(STATE, jobs_file_stream(self._tenant))
        known = None if record is None else stream_row(record).state
        if isinstance(known, JobsFile) and known.sha256 == sha256 and not known.faults:
            return
        checked = await asyncio.to_thread(read_entries, data, self._tenant)
        checked = await self._with_stored_items(checked)
        loading = _Loading(self._tenant, self._path.name, sha256, checked.entries, checked.faults)
        work = await self._work(loading)
        done = await self._commands.submit(Caller(actor="file"), work)
        if isinstance(done.result, JobsFile):
            self._tell(done.result)

    async def _with_stored_items(self, checked: Checked) -> Checked:
        """Read the files that batches among the jobs name; a fault stands where its job is written."""
        entries, faults = [], list(checked.faults)
        pool, roots = self._database.pool, self._commands.backup_roots
        for entry in checked.entries:
            try:
                definition = await with_stored_items(
                    pool, self._tenant, roots, entry.name, entry.definition
                )
                entries.append(replace(entry, definition=definition))
            except Refused as refused:
                line, column = entry.place
                faults += [
                    FileFault(line=line, column=column, message=f"{fault.pointer}: {fault.message}")
                    for fault in refused.errors
                ]
        return Checked(() if faults else tuple(entries), tuple(faults))

    async def _work(self, loading: "_Loading") -> Work[JobsFile | None]:
        pool, tenant = self._database.pool, self._tenant
        before = [stream_key(row[0]) for row in await pool.fetch(FROM_FILE, tenant)]
        names = sorted({*before, *(entry.name for entry in loading.entries)})
        ids = {row[0] for row in await pool.fetch(SCHEDULES, tenant, names)}
        ids |= {plan.id for entry in loading.entries for plan in entry.plans}
        loading.names, loading.schedule_ids = names, sorted(ids)
        streams = (
            jobs_file_stream(tenant),
            *map(job_stream, names),
            *map(schedule_stream, loading.schedule_ids),
        )
        loading.checks = BackupChecks(tenant, self._commands.backup_roots, loading.backups())
        return Work(
            perform=loading.perform,
            prepare=loading.checks.prepare,
            streams=streams,
            weight=len(streams),
        )

    def _tell(self, state: JobsFile) -> None:
        if state.faults:
            log.warning("jobs file refused", file=str(self._path), faults=len(state.faults))
        else:
            log.info(
                "jobs file loaded",
                added=len(state.added),
                changed=len(state.changed),
                paused=len(state.paused),
            )


class _Loading:
    """One loading of the file, as the writer performs it."""

    def __init__(
        self,
        tenant: str,
        file: str,
        sha256: str,
        entries: tuple[Entry, ...],
        faults: tuple[FileFault, ...],
    ) -> None:
        self.entries = entries
        self.names: list[str] = []
        self.schedule_ids: list[str] = []
        self.checks = BackupChecks(tenant, (), ())
        self._by = Caller(actor=f"file:{file}", tenant=tenant)
        self._file = file
        self._sha256 = sha256
        self._faults = faults

    def perform(self, batch: Batch) -> Callable[[], JobsFile | None]:
        """Make the jobs what the file says; nothing when another replica has done it."""
        stream = jobs_file_stream(self._by.tenant)
        known = batch.state(stream)
        same = isinstance(known, JobsFile) and known.sha256 == self._sha256
        before = known.faults if isinstance(known, JobsFile) and same else None
        if before == ():
            return lambda: None
        faults = self._faults or tuple(self._conflicts(batch))
        if before == faults:
            return lambda: None
        if faults:
            fact = JobsFileRefused(file=self._file, sha256=self._sha256, faults=faults)
            batch.append(stream, (fact,), self._by)
        else:
            batch.append(stream, (self._take_over(batch),), self._by)
        after = batch.state(stream)
        return lambda: after if isinstance(after, JobsFile) else None

    def backups(self) -> list[Backup]:
        """Give the backups among the jobs; each stands where its job is written."""
        return [
            backup
            for entry in self.entries
            for backup in backups_of(entry.name, entry.definition.spec)
        ]

    def _conflicts(self, batch: Batch) -> list[FileFault]:
        return [*self._taken(batch), *self._unsafe(batch)]

    def _unsafe(self, batch: Batch) -> Iterator[FileFault]:
        """Find backups in wrong places, and new ones that delete without a dry run."""
        places = {entry.name: entry for entry in self.entries}
        for backup in self.backups():
            entry = places[backup.at]
            words = [fault.message for fault in self.checks.faults(backup)]
            known = _job(batch, entry.name)
            is_new = known is None or known.definition.spec != backup.spec
            if not words and is_new and self.checks.lacks_proof(backup):
                words = [f"{DRY_RUN_NEEDED} Then save this file once more."]
            for message in words:
                line, column = entry.place
                yield FileFault(line=line, column=column, message=message)

    def _taken(self, batch: Batch) -> list[FileFault]:
        return [
            FileFault(line=entry.place[0], column=entry.place[1], message=BY_HAND)
            for entry in self.entries
            if (job := _job(batch, entry.name)) is not None
            and job.source != "file"
            and not entry.takes_over
        ]

    def _take_over(self, batch: Batch) -> JobsFileLoaded:
        added, changed, unchanged = [], [], 0
        for entry in self.entries:
            is_new = _job(batch, entry.name) is None
            before = len(batch.events)
            self._apply(batch, entry)
            if is_new:
                added.append(entry.name)
            elif len(batch.events) > before:
                changed.append(entry.name)
            else:
                unchanged += 1
        return JobsFileLoaded(
            file=self._file,
            sha256=self._sha256,
            added=tuple(added),
            changed=tuple(changed),
            paused=tuple(self._pause_removed(batch)),
            unchanged=unchanged,
            names=tuple(entry.name for entry in self.entries),
        )

    def _apply(self, batch: Batch, entry: Entry) -> None:
        job = _job(batch, entry.name)
        stream, enabled = job_stream(entry.name), entry.definition.enabled
        if job is None:
            known = batch.state(stream)
            old = known if isinstance(known, Job) else None
            decided = jobs.create(old, entry.name, entry.definition, "file")
            if not isinstance(decided, Rejection):
                batch.append(stream, decided, self._by)
        else:
            batch.append(stream, jobs.revise(job, entry.definition, "file"), self._by)
        spec = entry.definition.spec
        if isinstance(spec, BatchSpec) and spec.input is not None:
            inputs.keep(batch, entry.name, spec.input)
        for plan in entry.plans:
            schedule = _schedule(batch, plan.id)
            if schedule is None:
                begin_schedule(batch, self._by, plan.id, plan.plan, enabled=enabled, source="file")
                continue
            change_schedule(batch, self._by, schedules.revise(schedule, plan.plan))
            switched = job is None or job.definition.enabled != enabled
            if switched or schedule.paused_reason == REMOVED:
                switch = schedules.resume if enabled else schedules.pause
                change_schedule(batch, self._by, switch(schedule, None))
        self._pause_all(batch, entry.name, but={plan.id for plan in entry.plans})

    def _pause_removed(self, batch: Batch) -> list[str]:
        named = {entry.name for entry in self.entries}
        return [
            name
            for name in self.names
            if name not in named
            and _job(batch, name) is not None
            and self._pause_all(batch, name, but=set())
        ]

    def _pause_all(self, batch: Batch, name: str, *, but: set[str]) -> bool:
        """Pause the file's schedules of a job but for some; tell whether any fired until now."""
        found = [_schedule(batch, i) for i in self.schedule_ids if i not in but]
        fired = [s for s in found if s and s.plan.job == name and s.source == "file" and s.enabled]
        for schedule in fired:
            change_schedule(batch, self._by, schedules.pause(schedule, REMOVED))
        return bool(fired)


def _job(batch: Batch, name: str) -> Job | None:
    state = batch.state(job_stream(name))
    return state if isinstance(state, Job) and not state.deleted else None


def _schedule(batch: Batch, schedule_id: str) -> Schedule | None:
    state = batch.state(schedule_stream(schedule_id))
    return state if isinstance(state, Schedule) and not state.deleted else None
