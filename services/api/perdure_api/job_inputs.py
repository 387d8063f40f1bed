"""The items of batches that are saved as jobs: stored once when the job is, shared by all of its runs.

A file is read when the job is saved and not again: whoever wants what it holds by now saves the job
again. So a schedule fires without a look at any disk, and each revision says exactly what it runs over.
"""

from collections.abc import Sequence

import asyncpg
import msgspec
from msgspec.structs import replace

from perdure_api.batches import UNKNOWN_INPUT
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_api.input_sources import read_source
from perdure_api.kinds.input_lines import ReadItem
from perdure_api.projections.jobs import jobs_by_name
from perdure_api.store.inputs import known, stage
from perdure_contract.jobs import JobDefinition
from perdure_contract.specs import INLINE_BYTES, BatchSpec, InputRef


async def with_stored_items(
    pool: asyncpg.Pool, tenant: str, roots: Sequence[str], name: str, definition: JobDefinition
) -> JobDefinition:
    """Give a definition with its items stored, unless they are few; else as it is.

    Args:
        pool: Where they are stored.
        tenant: Whose they are.
        roots: Directories that files may lie in.
        name: Of the job; items that are as those it has now are not stored twice.
        definition: What was asked for.

    Raises:
        Refused: when the source is not there, not allowed, or not as it must be.
    """
    spec = definition.spec
    if not isinstance(spec, BatchSpec):
        return definition
    if spec.input is not None:
        if (await known(pool, tenant, [spec.input.input])).get(spec.input.input) != spec.input:
            raise invalid((FieldError("/spec/input", "unknown-input", UNKNOWN_INPUT),))
        return definition
    if spec.items is None:
        ref = await read_source(pool, tenant, roots, spec, "/spec")
    elif len(msgspec.json.encode(spec.items)) > INLINE_BYTES:
        items = (ReadItem(value, ordinal) for ordinal, value in enumerate(spec.items, 1))
        ref = (await stage(pool, tenant, items)).ref
    else:
        return definition
    if ref is None:
        return definition
    now = (await jobs_by_name(pool, tenant, [name])).get(name)
    before = (
        now.definition.spec.input if now and isinstance(now.definition.spec, BatchSpec) else None
    )
    return replace(definition, spec=replace(spec, items=None, input=_same(before, ref) or ref))


def _same(before: InputRef | None, ref: InputRef) -> InputRef | None:
    """Give what is stored already when it holds the same, so that saving again changes nothing."""
    return before if before is not None and replace(before, input=ref.input) == ref else None
