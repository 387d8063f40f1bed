"""One function a command: load → decide → append. Every way in comes through here.

Pages, routes, the command line and files reach the same functions, so they meet the same validation
and the same words. Each gives its result once it is committed and raises `errors.Rejected` when it is
not legal. After the commit the executor concerned is told at once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg

from perdure_api.batches import ItemOrder
from perdure_api.domain import queue as queues
from perdure_api.domain import run_commands, run_decisions
from perdure_api.domain.bulk import Bulk, BulkAction
from perdure_api.domain.callers import Caller
from perdure_api.domain.executor import Executor
from perdure_api.domain.queue import Queue
from perdure_api.domain.rejections import Rejection, version_conflict
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import Command
from perdure_api.errors import NotFoundError, Rejected
from perdure_api.messaging.controls import Controls
from perdure_api.once import Idempotency, StoredAnswer, once
from perdure_api.requesting import request_work
from perdure_api.store.batch import Batch
from perdure_api.store.work import Done, Work
from perdure_api.store.writer import Writer
from perdure_contract import facts
from perdure_contract.facts import ExecutorDraining, Json, QueueFact
from perdure_contract.identifiers import bulk_stream, executor_stream, queue_stream, token_stream
from perdure_contract.specs import RunRequest
from perdure_contract.wire import Attempt, Cancel, Control, Drain, Revoke
from perdure_runtime.clock import new_id

T = TypeVar("T")


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
        work = request_work(by, [request], "", self.backup_roots)
        run_id = work.run_ids[0]

        def perform(batch: Batch) -> Callable[[], Run]:
            work.perform(batch)
            requested = batch.runs[run_id]  # it may start in the same commit; that comes after
            return lambda: batch.placed(requested)

        return await self.submit(
            by, Work(perform=perform, prepare=work.prepare, weight=1, is_new=True), idempotency
        )

    async def request_runs(
        self, by: Caller, requests: Sequence[RunRequest], *, idempotency: Idempotency | None = None
    ) -> Done[list[Run] | StoredAnswer]:
        """Request many runs in one transaction, all or nothing; the result is in their order."""
        work = request_work(by, requests, "/runs", self.backup_roots)

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
            decided = run_decisions.decide(before, whole, batch.now)
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
        return await self._writer.submit(once(by, work, idempotency))


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
