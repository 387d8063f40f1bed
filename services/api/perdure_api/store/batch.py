"""What one transaction of the writer sees and changes, in memory: pure, until it is stored.

Works read the folded states that were locked and loaded, and record facts; the states evolve at once,
so that a later work of the same batch sees them. Positions are counted from 0 within the batch and
shifted when the log's head is known.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.admission import Seat
from perdure_api.domain.callers import Caller
from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run, Stamp
from perdure_api.domain.run_folding import evolve
from perdure_api.store import items
from perdure_api.store.state import StreamRow, StreamState, evolve_stream
from perdure_contract import facts
from perdure_contract.facts import AnyFact, RunFact
from perdure_contract.identifiers import run_stream
from perdure_contract.wire import Attempt, LogChunk

K = TypeVar("K")
V = TypeVar("V")


class FactTooLargeError(ValueError):
    """An event would be larger than 64 KiB."""


class NewEvent(Struct, frozen=True):
    """An event that will be appended."""

    stream: str
    version: int
    type: str
    tenant: str
    actor: str
    correlation: str | None
    cause: int | None
    """Index within the batch of the event that brought it about."""
    data: bytes


class Statement(Struct, frozen=True):
    """SQL beside the log, executed in the same transaction before the head is locked."""

    sql: str
    arguments: tuple[Any, ...]


class Lookout(Struct, frozen=True, kw_only=True):
    """Who was free and who waited when the transaction began."""

    seats: Sequence[Seat] = ()
    """Of live sessions that take runs, counted before the batch."""
    queues: Mapping[str, Queue] = {}
    """Those that are paused or have limits."""
    waiting: Mapping[str, bytes] = {}
    """States of as many runs of each lane as there were free seats; locked."""


class Batch:
    """The unit of commit."""

    def __init__(
        self,
        now: datetime,
        runs: dict[str, Run],
        streams: dict[str, StreamRow],
        lookout: Lookout | None = None,
        *,
        base: int = 0,
        chain: bytes = b"",
    ) -> None:
        self.lookout = lookout or Lookout()
        self.now = now
        """The database's clock when it was loaded: the time of its events."""
        self.runs = runs
        self.streams = streams
        self.new_runs: set[str] = set()
        self.changed_runs: set[str] = set()
        self.changed_streams: set[str] = set()
        self.events: list[NewEvent] = []
        self.logs: dict[tuple[str, int, int], tuple[Attempt, LogChunk]] = {}
        self.blobs: dict[tuple[str, bytes], bytes] = {}
        self.statements: list[Statement] = []
        self.late: list[Callable[[], Statement]] = []
        """Statements made once positions are known, executed after events and rows are stored."""
        self.unique_keys: dict[tuple[str, str], str] = {}
        """Who holds which unique key, as far as works looked it up."""
        self.base = base
        """The log's position before the first event of the batch, and `chain` the chain there."""
        self.chain = chain
        self.committed: list[Callable[[], None]] = []
        """Called after the commit, in order."""
        self._loaded = {run.id: run.version for run in runs.values()}
        self._were_open = {
            run.id: (run.attempt.executor, run.request.queue)
            for run in runs.values()
            if run.is_open and run.attempt is not None
        }
        self._undo: list[Callable[[], None]] = []

    def once_committed(self, act: Callable[[], None]) -> None:
        """Have something done after the commit; it must not block or raise."""
        self.committed.append(act)

    def freed(self) -> list[tuple[str, str]]:
        """Give executor and queue of each attempt that was open before and is not any more."""
        return [place for run_id, place in self._were_open.items() if not self.runs[run_id].is_open]

    @property
    def is_one_statement(self) -> bool:
        """Whether events and rows of runs are all there is to store."""
        return not (self.statements or self.blobs or self.logs or self.late or self.changed_streams)

    def settle(self) -> None:
        """Put positions in the log into everything that was stored."""
        for run_id in self.new_runs | self.changed_runs:
            self.runs[run_id] = self.placed(self.runs[run_id])

    def placed(self, run: Run) -> Run:
        """Give a run as it was at some point of this batch, with positions in the log, once stored."""
        if self._loaded.get(run.id) == run.version:
            return run
        first = self.base + 1
        created = run.created + first if run.id in self.new_runs else run.created
        return replace(run, position=run.position + first, created=created)

    def mark(self) -> tuple[int, int, int]:
        """Remember this point, to come back to when a work is refused."""
        self._undo.clear()
        return len(self.events), len(self.statements), len(self.late)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Forget everything since `mark`."""
        del self.events[mark[0] :]
        del self.statements[mark[1] :]
        del self.late[mark[2] :]
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def _put(self, table: dict[K, V], key: K, value: V) -> None:
        if key in table:
            self._undo.append(partial(table.__setitem__, key, table[key]))
        else:
            self._undo.append(partial(table.__delitem__, key))
        table[key] = value

    def _add_to(self, names: set[str], name: str) -> None:
        if name not in names:
            names.add(name)
            self._undo.append(partial(names.discard, name))

    def run(self, run_id: str) -> Run | None:
        """Give a run that was loaded or begun here."""
        return self.runs.get(run_id)

    def adopt(self, run: Run) -> Run:
        """Take in a run that was locked and loaded after the others; give it as it is known here."""
        if run.id not in self.runs:
            self.runs[run.id] = run
            self._loaded[run.id] = run.version
        return self.runs[run.id]

    def begin_run(self, fact: facts.RunRequested, by: Caller) -> Run:
        """Begin a run's stream."""
        stamp = Stamp(len(self.events), 1, self.now, by.tenant)
        run = evolve(None, fact, stamp)
        self._add(fact, run_stream(run.id), 1, by.tenant, by, correlation=run.id, cause=None)
        self._put(self.runs, run.id, run)
        self._add_to(self.new_runs, run.id)
        if fact.unique_key is not None:
            self._put(self.unique_keys, (by.tenant, fact.unique_key), run.id)
        return run

    def holder(self, tenant: str, unique_key: str) -> str | None:
        """Give the run that holds a unique key, as far as the work's `prepare` looked it up."""
        run_id = self.unique_keys.get((tenant, unique_key))
        run = None if run_id is None else self.runs.get(run_id)
        return None if run is not None and run.is_final else run_id

    def append_run(
        self, run: Run, decided: Sequence[RunFact], by: Caller, *, correlation: str | None = None
    ) -> Run:
        """Append facts to a run's stream; the first is the cause of those after it.

        They belong to the run's own correlation unless they are part of something larger.
        """
        if not decided:
            return run
        first = len(self.events)
        for index, fact in enumerate(decided):
            version = run.version + 1
            position = len(self.events)
            self._add(
                fact,
                run_stream(run.id),
                version,
                run.tenant,
                by,
                correlation=correlation or run.id,
                cause=None if index == 0 else first,
            )
            for sql, arguments in items.statements_after(run, fact):
                self.execute(sql, *arguments)
            run = evolve(run, fact, Stamp(position, version, self.now, run.tenant))
        self._put(self.runs, run.id, run)
        self._add_to(self.changed_runs, run.id)
        return run

    def state(self, stream: str) -> StreamState | None:
        """Give the state of a stream that is not a run's."""
        row = self.streams.get(stream)
        return None if row is None else row.state

    def append(
        self, stream: str, decided: Sequence[AnyFact], by: Caller, *, correlation: str | None = None
    ) -> None:
        """Append facts to a stream that is not a run's; begin it when it is new."""
        for fact in decided:
            row = self.streams.get(stream)
            position = len(self.events)
            version = 1 if row is None else row.version + 1
            self._add(fact, stream, version, by.tenant, by, correlation=correlation, cause=None)
            changed = StreamRow(
                stream=stream,
                tenant=by.tenant,
                version=version,
                # Negative: begun in this batch, so shifted with it.
                first_position=-1 - position if row is None else row.first_position,
                last_position=position,
                state=evolve_stream(None if row is None else row.state, fact),
            )
            self._put(self.streams, stream, changed)
            self._add_to(self.changed_streams, stream)

    def add_blob(self, run_id: str, sha256: bytes, data: bytes) -> None:
        """Keep content that an event refers to."""
        self._put(self.blobs, (run_id, sha256), data)

    def add_log(self, attempt: Attempt, chunk: LogChunk) -> None:
        """Keep lines of output; the same chunk twice is one."""
        self._put(self.logs, (attempt.run, attempt.number, chunk.first), (attempt, chunk))

    def execute(self, sql: str, *arguments: Any) -> None:  # noqa: ANN401 -- what asyncpg takes
        """Do something beside the log in the same transaction."""
        self.statements.append(Statement(sql, arguments))

    def _add(
        self,
        fact: AnyFact,
        stream: str,
        version: int,
        tenant: str,
        by: Caller,
        *,
        correlation: str | None,
        cause: int | None,
    ) -> None:
        data = facts.encode(fact)
        if len(data) > facts.MAX_EVENT_BYTES:
            message = (
                f"{facts.type_name(fact)} would have {len(data)} bytes; "
                f"{facts.MAX_EVENT_BYTES} are allowed"
            )
            raise FactTooLargeError(message)
        self.events.append(
            NewEvent(
                stream, version, facts.type_name(fact), tenant, by.actor, correlation, cause, data
            )
        )
