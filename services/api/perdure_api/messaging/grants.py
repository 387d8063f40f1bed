"""Grants as they are sent: the request with its small content put back, the checkpoint to go on from."""

from collections.abc import Mapping, Sequence

import asyncpg
from msgspec.structs import replace

from perdure_api.backups import granted
from perdure_api.domain.run import Run
from perdure_api.kinds import kind
from perdure_api.messaging.controls import Controls
from perdure_api.store.codec import decode
from perdure_api.store.database import Database
from perdure_contract import wire
from perdure_contract.facts import RunCheckpointed, type_name
from perdure_contract.identifiers import run_stream
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BlobRef, RunRequest
from perdure_contract.wire import Attempt, Grant

INLINE_IN_GRANT_BYTES = 65536
"""Content up to this goes along with the grant; an executor fetches larger content in pages."""
GRANTS_AT_ONCE = 100
"""So many have their content in memory at a time."""

Content = Mapping[tuple[str, str], str]
"""Text by run and hash."""


class Grants:
    """Sends grants of open attempts to their executor. Sending one twice is harmless."""

    def __init__(self, database: Database, controls: Controls) -> None:
        self._database = database
        self._controls = controls

    async def send(self, session: str, runs: Sequence[Run]) -> None:
        """Grant each run's open attempt to its executor."""
        for first in range(0, len(runs), GRANTS_AT_ONCE):
            await self._send(session, runs[first : first + GRANTS_AT_ONCE])

    async def _send(self, session: str, runs: Sequence[Run]) -> None:
        content = await self._content(runs)
        messages = [
            (run.attempt.executor, await self._grant(session, run, content))
            for run in runs
            if run.attempt is not None
        ]
        await self._controls.send(messages)

    async def _grant(self, session: str, run: Run, content: Content) -> Grant:
        attempt = run.attempt
        if attempt is None:
            message = f"run {run.id} has no attempt to grant"
            raise ValueError(message)
        request, refused = await self._with_host(run)
        return Grant(
            attempt=Attempt(run=run.id, number=attempt.number, fence=attempt.fence),
            session=session,
            tenant=run.tenant,
            request=_with_content(run, request, content),
            refused=refused,
            from_checkpoint=await self._checkpoint(run, attempt.from_checkpoint),
            first_checkpoint_number=1 if run.checkpoint is None else run.checkpoint.number + 1,
            items_done=0 if run.items is None else run.items.total - run.items.pending,
        )

    async def _content(self, runs: Sequence[Run]) -> Content:
        """Read what goes along with grants, of all these runs at once."""
        wanted = [run.id for run in runs if _small(_references(run.request))]
        if not wanted:
            return {}
        rows = await self._database.pool.fetch(
            "SELECT run_id::text, sha256, data FROM perdure.blobs "
            "WHERE run_id = ANY($1::text[]::uuid[]) AND octet_length(data) <= $2",
            wanted,
            INLINE_IN_GRANT_BYTES,
        )
        return {(row[0], bytes(row[1]).hex()): row[2].decode() for row in rows}

    async def _with_host(self, run: Run) -> tuple[RunRequest, str | None]:
        """Fill in the saved host as it is now: one that was moved is found where it is.

        What deletes was proven for the machine that the host was; the second is why it is refused.
        """
        request, spec = run.request, run.request.spec
        if not isinstance(spec, RsyncSpec):
            return request, None
        found = await granted(self._database.pool, run.tenant, run.id, spec)
        return replace(request, spec=found.spec), found.refused

    async def _checkpoint(self, run: Run, number: int | None) -> wire.Checkpoint | None:
        if number is None or run.checkpoint is None:
            return None
        if number == run.checkpoint.number:
            mark = run.checkpoint
            return wire.Checkpoint(number=number, cursor=mark.cursor, state=mark.state)
        return await _older_checkpoint(self._database.pool, run, number)


def _references(request: RunRequest) -> dict[str, BlobRef]:
    """Give the texts of a request that are kept apart, by name."""
    texts = kind.texts_of(request.spec)
    return {name: text for name, text in texts.items() if isinstance(text, BlobRef)}


def _small(references: dict[str, BlobRef]) -> bool:
    """Tell whether there is content, and all of it goes along with a grant."""
    total = sum(text.bytes for text in references.values())
    return bool(references) and total <= INLINE_IN_GRANT_BYTES


def _with_content(run: Run, request: RunRequest, content: Content) -> RunRequest:
    references = _references(request)
    if not _small(references):
        return request
    put_back = {name: content.get((run.id, ref.sha256), ref) for name, ref in references.items()}
    return replace(request, spec=kind.with_texts(request.spec, put_back))


async def _older_checkpoint(pool: asyncpg.Pool, run: Run, number: int) -> wire.Checkpoint | None:
    rows = await pool.fetch(
        "SELECT data FROM perdure.events WHERE stream = $1 AND type = $2 AND position >= $3 "
        "ORDER BY version",
        run_stream(run.id),
        type_name(RunCheckpointed),
        run.created,
    )
    for row in rows:
        fact = decode(type_name(RunCheckpointed), row[0])
        if isinstance(fact, RunCheckpointed) and fact.number == number:
            return wire.Checkpoint(number=number, cursor=fact.cursor, state=fact.state)
    return None
