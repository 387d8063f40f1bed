"""Does bulk operations: chunk by chunk, each chunk one transaction with its outcomes.

Each run is decided as if someone had asked for it alone. A crash between two chunks loses nothing: the
outcomes say what is left. Two workers at once do no harm either: a chunk's rows are locked.
"""

from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from perdure_api.commands import messages_after
from perdure_api.domain.bulk import Bulk, Options, command_for
from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run_commands import Command, Delete
from perdure_api.domain.run_decisions import decide
from perdure_api.messaging.controls import Controls
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run, decode_stream_state
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.facts import BulkFinished
from perdure_contract.identifiers import bulk_stream
from perdure_contract.wire import Control
from perdure_runtime import logs

log = logs.get(__name__)

CHUNK = 200
"""Runs a transaction: small enough that what people ask for meanwhile hardly waits."""
PAUSE_SECONDS = 1.0
CANARY_SECONDS = 0.25

UNFINISHED = """
SELECT s.stream, s.tenant, s.state, e.actor FROM perdure.streams s
JOIN perdure.events e ON e.position = s.first_position
WHERE s.stream LIKE 'bulk-%' AND s.state ->> 'state' IS DISTINCT FROM 'finished'
ORDER BY s.first_position"""

TAKE = """
SELECT ordinal, run_id::text FROM perdure.bulk_runs
WHERE bulk_id = $1::text::uuid AND outcome IS NULL ORDER BY ordinal LIMIT $2"""

NOTE = """
UPDATE perdure.bulk_runs b SET outcome = u.outcome, why = u.why
FROM unnest($2::int[], $3::text[], $4::text[]) AS u(ordinal, outcome, why)
WHERE b.bulk_id = $1::text::uuid AND b.ordinal = u.ordinal"""


class BulkWorker:
    """The worker of one replica; one leads."""

    def __init__(self, database: Database, writer: Writer, controls: Controls) -> None:
        self._database = database
        self._writer = writer
        self._controls = controls

    async def tick(self) -> float:
        """Take each unfinished operation one chunk further; give the seconds until the next look."""
        rows = await self._database.pool.fetch(UNFINISHED)
        pause = PAUSE_SECONDS
        for stream, tenant, data, actor in rows:
            bulk = decode_stream_state(stream, data)
            if isinstance(bulk, Bulk):
                pause = min(pause, await self._further(bulk, Caller(actor=actor, tenant=tenant)))
        return pause

    async def _further(self, bulk: Bulk, by: Caller) -> float:
        if bulk.state == "stopping":
            await self._finish(bulk, by, "stopped")
            return 0
        if bulk.canary:
            verdict = await self._canary(bulk)
            if verdict == "waits":
                return CANARY_SECONDS
            if verdict == "failed":
                await self._finish(bulk, by, "canary-failed")
                return 0
        chunk = 1 if bulk.canary and await self._untouched(bulk) else CHUNK
        rows = await self._database.pool.fetch(TAKE, bulk.id, chunk)
        if not rows:
            await self._finish(bulk, by, "all-done")
            return 0
        await self._do(bulk, by, [(row[0], row[1]) for row in rows])
        return 0

    async def _untouched(self, bulk: Bulk) -> bool:
        return not await self._database.pool.fetchval(
            "SELECT EXISTS (SELECT FROM perdure.bulk_runs "
            "WHERE bulk_id = $1::text::uuid AND outcome IS NOT NULL)",
            bulk.id,
        )

    async def _canary(self, bulk: Bulk) -> str:
        """Tell whether the first run that was touched `waits` for its end, `failed` or `passed`."""
        row = await self._database.pool.fetchrow(
            "SELECT r.state FROM perdure.bulk_runs b JOIN perdure.runs r USING (run_id) "
            "WHERE b.bulk_id = $1::text::uuid AND b.outcome = 'done' ORDER BY b.ordinal LIMIT 1",
            bulk.id,
        )
        if row is None:
            return "passed"
        run = decode_run(row[0])
        if not run.is_final:
            return "waits"
        return "passed" if run.phase == "completed" else "failed"

    async def _do(self, bulk: Bulk, by: Caller, targets: Sequence[tuple[int, str]]) -> None:
        command = command_for(bulk.action, msgspec.convert(bulk.options, Options))
        told: list[tuple[str, Control]] = []
        waiting: set[int] = set()

        async def lock(connection: asyncpg.Connection, _batch: Batch) -> None:
            rows = await connection.fetch(
                "SELECT ordinal FROM perdure.bulk_runs WHERE bulk_id = $1::text::uuid "
                "AND ordinal = ANY($2::int[]) AND outcome IS NULL FOR UPDATE",
                bulk.id,
                [ordinal for ordinal, _ in targets],
            )
            waiting.clear()
            waiting.update(row[0] for row in rows)

        def perform(batch: Batch) -> Callable[[], None]:
            told.clear()
            noted: list[tuple[int, str, str | None]] = []
            for ordinal, run_id in targets:
                if ordinal in waiting:
                    why, messages = _decide_one(batch, bulk, command, run_id, by)
                    told.extend(messages)
                    noted.append((ordinal, "done" if why is None else "refused", why))
            ordinals, outcomes, reasons = zip(*noted, strict=True) if noted else ((), (), ())
            batch.execute(NOTE, bulk.id, list(ordinals), list(outcomes), list(reasons))
            return lambda: None

        work = Work(
            perform=perform,
            prepare=lock,
            runs=tuple(run_id for _, run_id in targets),
            weight=len(targets),
        )
        await self._writer.submit(work)
        await self._controls.send(told)

    async def _finish(self, bulk: Bulk, by: Caller, why: str) -> None:
        rows = await self._database.pool.fetch(
            "SELECT coalesce(outcome, 'left'), count(*) FROM perdure.bulk_runs "
            "WHERE bulk_id = $1::text::uuid GROUP BY 1",
            bulk.id,
        )
        counts = dict(rows)
        fact = BulkFinished(
            bulk=bulk.id,
            done=counts.get("done", 0),
            refused=counts.get("refused", 0),
            left=counts.get("left", 0),
            why=why,  # type: ignore[arg-type]  # one of the fact's three words
        )
        stream = bulk_stream(bulk.id)

        def perform(batch: Batch) -> Callable[[], None]:
            state = batch.state(stream)
            if isinstance(state, Bulk) and state.state != "finished":
                batch.append(stream, (fact,), by, correlation=bulk.id)
            return lambda: None

        await self._writer.submit(Work(perform=perform, streams=(stream,)))
        log.info("bulk operation finished", bulk_id=bulk.id, why=why)


def _decide_one(
    batch: Batch,
    bulk: Bulk,
    command: Command,
    run_id: str,
    by: Caller,
) -> tuple[str | None, list[tuple[str, Control]]]:
    """Decide on one run; give why it was refused, or None, and what its executor must be told."""
    run = batch.run(run_id)
    if run is None or run.tenant != by.tenant:
        return "There is no such run.", []
    decided = decide(run, command, batch.now)
    if isinstance(decided, Rejection):
        return decided.message, []
    after = batch.append_run(run, decided, by, correlation=bulk.id)
    if isinstance(command, Delete):
        batch.execute("SELECT perdure.remove_content($1::text::uuid)", run_id)
    return None, messages_after(run, after)
