"""Results of runs: small ones stand with the run, others are kept apart and may have been deleted."""

from typing import Final

import asyncpg
import msgspec

from perdure_api.domain.run import Run
from perdure_contract.specs import Json

_READ: Final = "SELECT data FROM perdure.blobs WHERE run_id = $1::text::uuid AND sha256 = $2"


async def whole_result(pool: asyncpg.Pool, run: Run) -> Json:
    """Give what a run brought, wherever it is kept; None when there is nothing, or nothing any more."""
    if run.result_blob is None:
        return run.result
    data = await pool.fetchval(_READ, run.id, bytes.fromhex(run.result_blob.sha256))
    return None if data is None else msgspec.json.decode(data)
