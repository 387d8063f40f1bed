"""What became of the jobs file."""

import asyncpg

from perdure_api.domain.jobs_file import JobsFile
from perdure_api.store.state import decode_stream_state
from perdure_contract.identifiers import jobs_file_stream


async def jobs_file(pool: asyncpg.Pool, tenant: str) -> JobsFile | None:
    """Give the jobs file as it was last looked at; none when there never was one."""
    stream = jobs_file_stream(tenant)
    data = await pool.fetchval("SELECT state FROM perdure.streams WHERE stream = $1", stream)
    state = None if data is None else decode_stream_state(stream, data)
    return state if isinstance(state, JobsFile) else None
