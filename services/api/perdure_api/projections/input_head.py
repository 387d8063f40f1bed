"""The first items of a stored input, for a look at what a batch would do with them."""

from typing import Final

import asyncpg

from perdure_api.kinds.items import unpacked
from perdure_api.store.inputs import known
from perdure_contract.specs import InputRef, Json

_FIRST: Final = """
SELECT data FROM perdure.input_chunks WHERE input = $1::text::uuid ORDER BY first_ordinal LIMIT 1"""


async def input_head(
    pool: asyncpg.Pool, tenant: str, input_id: str, *, count: int
) -> tuple[InputRef, tuple[Json, ...]] | None:
    """Give what is known of a tenant's stored input, and its first items; none when it is not there."""
    ref = (await known(pool, tenant, [input_id])).get(input_id)
    if ref is None:
        return None
    data = await pool.fetchval(_FIRST, ref.input)
    return ref, tuple(unpacked(data)[:count]) if data is not None else ()
