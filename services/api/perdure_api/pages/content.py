"""Content that is kept apart from the log: scripts and input, which may have been deleted."""

from typing import Final

import asyncpg

from perdure_contract.specs import BlobRef

_READ: Final = "SELECT data FROM perdure.blobs WHERE run_id = $1::text::uuid AND sha256 = $2"


async def text_of(pool: asyncpg.Pool, run: str, given: str | BlobRef | None) -> str | None:
    """Give a text of a run's request; None when there is none, or it was deleted."""
    if not isinstance(given, BlobRef):
        return given
    data = await pool.fetchval(_READ, run, bytes.fromhex(given.sha256))
    return None if data is None else bytes(data).decode("utf-8", "replace")
