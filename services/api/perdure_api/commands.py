"""One function a command: load → decide → append. Every way in comes through here.

Pages, routes, the command line and files reach the same functions, so they meet the same validation
and the same words. Each gives its result once it is committed and raises `errors.Rejected` when it is
not legal. After the commit the executor concerned is told at once.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.backups import NOTE_DRY_RUN, BackupChecks, backups_of
from perdure_api.batches import InputChecks, ItemOrder, plan, stored
from perdure_api.domain import queue as queues
from perdure_api.domain import run_commands
from perdure_api.domain.bulk import Bulk, BulkAction
from perdure_api.domain.callers import Caller
from perdure_api.domain.executor import Executor
from perdure_api.domain.queue import Queue
from perdure_api.domain.rejections import FieldError, Rejection, version_conflict
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import Command
from perdure_api.errors import NotFoundError, Rejected
from perdure_api.kinds import kind
from perdure_api.messaging.controls import Controls
from perdure_api.store.batch import Batch, FactTooLargeError, Statement
from perdure_api.store.writer import Done, Work, Writer
from perdure_contract import facts
from perdure_contract.facts import ExecutorDraining, Json, QueueFact, RunRequested
from perdure_contract.identifiers import bulk_stream, executor_stream, queue_stream, token_stream
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BlobRef, RunRequest
from perdure_contract.wire import Attempt, Cancel, Control, Drain, Revoke
from perdure_runtime.clock import new_id

T = TypeVar("T")


class StoredAnswer(Struct, frozen=True, kw_only=True):
    """The first answer to a command that came with an Idempotency-Key, given again."""

    status: int
    body: bytes
    headers: dict[str, str]


class Idempotency(Struct, frozen=True, kw_only=True):
    """A command's key, the hash of its body, and how its answer will be written.

    The answer is stored in the transaction of the command; the key counts within a tenant.
    """

    key: str
    body_sha256: bytes
    render: Callable[[Any], StoredAnswer]


class Commands:
    """Everything that can be asked for."""

    def __init__(
        self, writer: Writer, controls: Controls, *, backup_roots: tuple[str, ...] = ()
    ) -> None:
        self.backup_roots = backup_roots
        """Where the local paths of backups must lie."""
        self._writer = writer
        self._controls = controls

    # --- runs --------------------------------------------------------------------------------

    async def request_run(
        self, by: Caller, request: RunRequest, *, idempotency: Idempotency | None = None
    ) -> Done[Run | StoredAnswer]:
        """Request one run. Raises `Rejected` when its unique key is taken."""
        work = _request_work(by, [request], "", self.backup_roots)
        run_id = work.run_ids[0]

        def perform(batch: Batch) -> Callable[[], Run]:
            work.perform(batch)
            requested = batch.runs[run_id]  # it may start in the same commit; that comes after
            return lambda: batch.placed(requested)

        return await self.submit(
            by, Work(perform=perform, prepare=work.prepare, weight=1), idempotency
        )

    async def request_runs(
        self, by: Caller, requests: Sequence[RunRequest], *, idempotency: Idempotency | None = None
    ) -> Done[list[Run] | StoredAnswer]:
        """Request many runs in one transaction, all or nothing; the result is in their order."""
        work = _request_work(by, requests, "/runs", self.backup_roots)

        def perform(batch: Batch) -> Callable[[], list[Run]]:
            work.perform(batch)
            requested = [batch.runs[run_id] for run_id in work.run_ids]
            return lambda: [batch.placed(run) for run in requested]

        return await self.submit(
            by, Work(perform=perform, prepare=work.prepare, weight=len(requests)), idempotency
        )

    async def act(
        self,
        by: Caller,
        run_id: str,
        command: Command,
        *,
        expected_version: int | None = None,
        idempotency: Idempotency | None = None,
        ordinals: Sequence[int] | None = None,
        at: str = "/ordinals",
    ) -> Done[Run | StoredAnswer]:
        """Do something to a run. An executor that must know is told after the commit.

        `ordinals` are the items that a `RetryItems` is about, `at` where they stand in what was sent.
        """
        told: list[tuple[str, Control]] = []
        order = ItemOrder(command, ordinals, at)

        async def look_up(connection: asyncpg.Connection, batch: Batch) -> None:
            await order.look_up(connection, batch.run(run_id))

        def perform(batch: Batch) -> Callable[[], Run]:
            told.clear()
            before = _own_run(batch, by, run_id)
            _check_version(before, expected_version, batch.now)
            whole = order.command(before)
            decided = run_commands.decide(before, whole, batch.now)
            if isinstance(decided, Rejection):
                raise Rejected(decided)
            order.refuse_items(whole)
            after = batch.append_run(before, decided, by)
            told.extend(messages_after(before, after))
            if isinstance(command, run_commands.Delete):
                batch.execute("SELECT perdure.remove_content($1::text::uuid)", run_id)
            return lambda: batch.placed(after)

        prepare = look_up if order.needs_look_up else None
        work = Work(perform=perform, prepare=prepare, runs=(run_id,))
        done = await self.submit(by, work, idempotency)
        await self._controls.send(told)
        return done

    # --- queues and executors ----------------------------------------------------------------

    async def configure_queue(
        self, by: Caller, name: str, *, concurrency: int | None, rate_per_minute: int | None
    ) -> Done[Queue]:
        """Set a queue's limits; none means without limit. Acts at once."""
        return await self._on_queue(
            by,
            name,
            lambda q: queues.configure(q, concurrency=concurrency, rate_per_minute=rate_per_minute),
        )

    async def pause_queue(self, by: Caller, name: str, reason: str | None) -> Done[Queue]:
        """Start nothing more from a queue; what runs goes on."""
        return await self._on_queue(by, name, lambda q: queues.pause(q, reason))

    async def resume_queue(self, by: Caller, name: str, reason: str | None) -> Done[Queue]:
        """Let a paused queue go on."""
        return await self._on_queue(by, name, lambda q: queues.resume(q, reason))

    async def _on_queue(
        self, by: Caller, name: str, decide: Callable[[Queue], tuple[QueueFact, ...]]
    ) -> Done[Queue]:
        stream = queue_stream(name)

        def perform(batch: Batch) -> Callable[[], Queue]:
            state = batch.state(stream)
            before = state if isinstance(state, Queue) else Queue(name=name)
            batch.append(stream, decide(before), by)
            after = batch.state(stream)
            return lambda: after if isinstance(after, Queue) else before

        return await self._writer.submit(Work(perform=perform, streams=(stream,)))

    async def drain_executor(self, by: Caller, name: str, reason: str | None) -> Done[Executor]:
        """Have an executor take no new attempts; those it has go on to their end."""
        stream = executor_stream(name)

        def perform(batch: Batch) -> Callable[[], Executor]:
            state = batch.state(stream)
            if not isinstance(state, Executor):
                raise NotFoundError(name)
            if state.state == "live":
                batch.append(stream, (ExecutorDraining(executor=name, reason=reason),), by)
                batch.execute(
                    "UPDATE perdure.sessions SET draining = true WHERE executor = $1 AND state = 'live'",
                    name,
                )
            after = batch.state(stream)
            return lambda: after if isinstance(after, Executor) else state

        done = await self._writer.submit(Work(perform=perform, streams=(stream,)))
        await self._controls.send([(name, Drain())])
        return done

    # --- bulk operations ---------------------------------------------------------------------

    async def request_bulk(
        self,
        by: Caller,
        action: BulkAction,
        run_ids: Sequence[str],
        *,
        options: dict[str, Json],
        chosen_by: dict[str, Json] | None,
        canary: bool = False,
        idempotency: Idempotency | None = None,
    ) -> Done[Bulk | StoredAnswer]:
        """Ask for one action on many runs; it is done in the background, run by run."""
        bulk_id = new_id()
        stream = bulk_stream(bulk_id)
        fact = facts.BulkRequested(
            bulk=bulk_id,
            action=action,
            options=options,
            filter=chosen_by,
            matched=len(run_ids),
            canary=canary,
        )

        def perform(batch: Batch) -> Callable[[], Bulk]:
            batch.append(stream, (fact,), by, correlation=bulk_id)
            batch.execute(
                "INSERT INTO perdure.bulk_runs (bulk_id, ordinal, run_id) "
                "SELECT $1::text::uuid, n, r::uuid FROM unnest($2::text[]) WITH ORDINALITY AS u(r, n)",
                bulk_id,
                list(run_ids),
            )
            state = batch.state(stream)
            if not isinstance(state, Bulk):
                raise NotFoundError(bulk_id)
            return lambda: state

        return await self.submit(by, Work(perform=perform, streams=(stream,)), idempotency)

    async def stop_bulk(self, by: Caller, bulk_id: str, reason: str | None) -> Done[Bulk]:
        """Have a bulk operation go no further; what is done stays done."""
        stream = bulk_stream(bulk_id)

        def perform(batch: Batch) -> Callable[[], Bulk]:
            row = batch.streams.get(stream)
            if row is None or row.tenant != by.tenant or not isinstance(row.state, Bulk):
                raise NotFoundError(bulk_id)
            if row.state.state == "running":
                fact = facts.BulkStopRequested(bulk=bulk_id, reason=reason)
                batch.append(stream, (fact,), by, correlation=bulk_id)
            after = batch.state(stream)
            before = row.state
            return lambda: after if isinstance(after, Bulk) else before

        return await self._writer.submit(Work(perform=perform, streams=(stream,)))

    # --- tokens ------------------------------------------------------------------------------

    async def issue_token(
        self,
        by: Caller,
        *,
        token_id: str,
        name: str,
        role: str,
        sha256: bytes,
        expires_at: datetime | None = None,
    ) -> Done[None]:
        """Record a new token; only the hash of its secret part is stored."""
        fact = facts.TokenIssued(token=token_id, name=name, role=role, expires_at=expires_at)

        def perform(batch: Batch) -> Callable[[], None]:
            batch.append(token_stream(token_id), (fact,), by)
            batch.execute(
                "INSERT INTO perdure.tokens (token_id, tenant, name, role, sha256, expires_at) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                token_id,
                by.tenant,
                name,
                role,
                sha256,
                expires_at,
            )
            return lambda: None

        return await self._writer.submit(Work(perform=perform, streams=(token_stream(token_id),)))

    async def revoke_token(
        self, by: Caller, token_id: str, reason: str | None = None
    ) -> Done[None]:
        """Let a token open nothing any more; revoking it again changes nothing."""
        stream = token_stream(token_id)

        def perform(batch: Batch) -> Callable[[], None]:
            row = batch.streams.get(stream)
            if row is None or row.tenant != by.tenant:
                raise NotFoundError(token_id)
            if not getattr(row.state, "revoked", False):
                batch.append(stream, (facts.TokenRevoked(token=token_id, reason=reason),), by)
                batch.execute(
                    "UPDATE perdure.tokens SET revoked_at = clock_timestamp() WHERE token_id = $1",
                    token_id,
                )
            return lambda: None

        return await self._writer.submit(Work(perform=perform, streams=(stream,)))

    async def submit(
        self, by: Caller, work: Work[T], idempotency: Idempotency | None = None
    ) -> Done[T | StoredAnswer]:
        """Have a work done once for an idempotency key, or simply done without one."""
        if idempotency is None:
            done = await self._writer.submit(work)
            return Done(done.result, done.position)
        return await self._writer.submit(_once(by, work, idempotency))


def messages_after(before: Run, after: Run) -> list[tuple[str, Control]]:
    """Give what the executor of an open attempt must be told after a change of its run."""
    if not before.is_open or before.attempt is None:
        return []
    attempt = Attempt(run=before.id, number=before.attempt.number, fence=before.attempt.fence)
    executor = before.attempt.executor
    if after.phase == "cancelling":
        return [(executor, Cancel(attempt=attempt, force=after.cancel_forced))]
    if not after.is_open:
        return [(executor, Revoke(attempt=attempt))]
    return []


def _own_run(batch: Batch, by: Caller, run_id: str) -> Run:
    run = batch.run(run_id)
    if run is None or run.tenant != by.tenant:
        raise NotFoundError(run_id)
    return run


def _check_version(run: Run, expected: int | None, now: datetime) -> None:
    if expected is not None and expected != run.version:
        state = state_at(run, now)
        raise Rejected(version_conflict(state=state, current=run.version, expected=expected))


class _RequestWork(Struct, frozen=True):
    run_ids: list[str]
    perform: Callable[[Batch], None]
    prepare: Callable[[asyncpg.Connection, Batch], Any] | None


def _request_work(
    by: Caller, requests: Sequence[RunRequest], at: str, backup_roots: Sequence[str]
) -> _RequestWork:
    """Prepare requests: ids, content over 16 KiB moved to blobs, what is to be looked up."""
    run_ids = [new_id() for _ in requests]
    split = [_split(request) for request in requests]
    keys = sorted({request.unique_key for request in requests if request.unique_key is not None})

    places = [f"{at}/{index}" if at else "" for index in range(len(requests))]
    backups = [
        backup
        for where, request in zip(places, requests, strict=True)
        for backup in backups_of(f"{where}/spec", request.spec, proven=request.job is not None)
    ]
    inputs = InputChecks(by.tenant, list(zip(places, requests, strict=True)))
    checks = BackupChecks(by.tenant, backup_roots, backups) if backups else None

    async def look_up(connection: asyncpg.Connection, batch: Batch) -> None:
        await inputs.look_up(connection)
        if checks is not None:
            await checks.look_up(connection)
        if not keys:
            return
        rows = await connection.fetch(
            "SELECT unique_key, run_id::text FROM perdure.runs "
            "WHERE tenant = $1 AND unique_key = ANY($2::text[])",
            by.tenant,
            keys,
        )
        for key, run_id in rows:
            batch.unique_keys.setdefault((by.tenant, key), run_id)

    def perform(batch: Batch) -> None:
        inputs.refuse()
        if checks is not None:
            checks.refuse()
        for where, run_id, (request, blobs) in zip(places, run_ids, split, strict=True):
            if request.unique_key is not None:
                _check_unique(batch, by, request.unique_key, where)
            _begin(batch, by, run_id, (request, blobs), where)
            if checks is not None and isinstance(request.spec, RsyncSpec) and request.spec.dry_run:
                of = checks.fingerprint(request.spec)
                batch.execute(NOTE_DRY_RUN, by.tenant, of, run_id)

    return _RequestWork(
        run_ids, perform, look_up if keys or checks is not None or inputs.needed else None
    )


def begin_request(batch: Batch, by: Caller, run_id: str, request: RunRequest) -> None:
    """Begin one run within a work; its unique key, if any, is not looked at."""
    _begin(batch, by, run_id, _split(request))


_Split = tuple[RunRequest, list[tuple[bytes, bytes]]]


def _begin(batch: Batch, by: Caller, run_id: str, split: _Split, where: str = "") -> None:
    request, blobs = split
    request, made = stored(request)
    fact = RunRequested(
        run=run_id,
        **{name: getattr(request, name) for name in RunRequest.__struct_fields__},
    )
    try:
        batch.begin_run(fact, by)
    except FactTooLargeError as error:
        raise Rejected(_too_large(where)) from error
    for sha256, data in blobs:
        batch.add_blob(run_id, sha256, data)
    plan(batch, by, run_id, made)


def _check_unique(batch: Batch, by: Caller, key: str, where: str) -> None:
    holder = batch.holder(by.tenant, key)
    if holder is not None:
        raise Rejected(
            Rejection(
                code="already-running",
                message="A run with this unique key has not ended yet.",
                run=holder,
                errors=(
                    FieldError(f"{where}/unique_key", "already-running", "This key is taken."),
                ),
            )
        )


def _too_large(where: str) -> Rejection:
    words = "The request is larger than 64 KiB without its script and input."
    return Rejection(
        code="validation", message=words, errors=(FieldError(f"{where}/spec", "too-long", words),)
    )


def _split(request: RunRequest) -> _Split:
    """Replace script and stdin by references: they may have to be deleted, an event never is."""
    blobs: list[tuple[bytes, bytes]] = []

    def reference(text: str | BlobRef) -> BlobRef:
        if isinstance(text, BlobRef):
            return text
        data = text.encode()
        digest = hashlib.sha256(data)
        blobs.append((digest.digest(), data))
        return BlobRef(sha256=digest.hexdigest(), bytes=len(data))

    texts = {name: reference(text) for name, text in kind.texts_of(request.spec).items()}
    if not blobs:
        return request, blobs
    return replace(request, spec=kind.with_texts(request.spec, texts)), blobs


def _once(by: Caller, work: Work[T], idempotency: Idempotency) -> Work[T | StoredAnswer]:
    """Make a work that is done once for its key, and whose first answer is kept and given again."""
    known: dict[str, tuple[bytes, StoredAnswer]] = {}

    async def prepare(connection: asyncpg.Connection, batch: Batch) -> None:
        known.clear()
        row = await connection.fetchrow(
            "SELECT body_sha256, status, body, headers FROM perdure.answers "
            "WHERE tenant = $1 AND key = $2",
            by.tenant,
            idempotency.key,
        )
        if row is not None:
            headers = msgspec.json.decode(row[3], type=dict[str, str])
            answer = StoredAnswer(status=row[1], body=row[2], headers=headers)
            known[idempotency.key] = (row[0], answer)
        if work.prepare is not None:
            await work.prepare(connection, batch)

    def perform(batch: Batch) -> Callable[[], T | StoredAnswer]:
        if idempotency.key in known:
            body_sha256, answer = known[idempotency.key]
            if body_sha256 != idempotency.body_sha256:
                raise Rejected(
                    Rejection(
                        code="idempotency-mismatch",
                        message="This Idempotency-Key was used with another body.",
                    )
                )
            return lambda: answer
        read = work.perform(batch)

        def keep() -> Statement:
            answer = idempotency.render(read())
            return Statement(
                "INSERT INTO perdure.answers (tenant, key, body_sha256, status, body, headers) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                (
                    by.tenant,
                    idempotency.key,
                    idempotency.body_sha256,
                    answer.status,
                    answer.body,
                    msgspec.json.encode(answer.headers),
                ),
            )

        batch.late.append(keep)
        return read

    return Work(
        perform=perform, runs=work.runs, streams=work.streams, prepare=prepare, weight=work.weight
    )
