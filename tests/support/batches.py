"""Batches as tests ask for them, and what an executor says of their items."""

import msgspec
import zstandard

from perdure_api.duties import Core
from perdure_contract import subjects, wire
from perdure_contract.specs import BatchSpec, CommandSpec, Json
from tests.support.api_core import PlayedExecutor

EACH = CommandSpec(argv=("true", "{item}"))


def batch_of(items: int | list[Json], **fields: object) -> BatchSpec:
    """A batch over numbers, or over these items."""
    values = list(range(1, items + 1)) if isinstance(items, int) else items
    return msgspec.convert(
        {"kind": "batch", "items": values, "each": msgspec.to_builtins(EACH), **fields}, BatchSpec
    )


def done(*ordinals: int, **fields: object) -> list[wire.ItemDone]:
    """Outcomes of items; `done` unless said otherwise."""
    values = {"outcome": "done", "tries": 1, "error": None, **fields}
    return [wire.ItemDone(ordinal, str(ordinal), **values) for ordinal in ordinals]  # type: ignore[arg-type]


def failed(*ordinals: int) -> list[wire.ItemDone]:
    """Items that failed."""
    return done(*ordinals, outcome="failed", error="exit code 1")


def recorded(
    number: int, outcomes: list[wire.ItemDone], begun: tuple[int, ...] = ()
) -> wire.ItemsRecorded:
    """A report on items."""
    packed = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(outcomes))
    return wire.ItemsRecorded(number=number, outcomes=packed, begun=begun)


async def to_do(executor: PlayedExecutor, attempt: wire.Attempt) -> list[wire.ItemToDo]:
    """Fetch all items that an attempt has to do."""
    found: list[wire.ItemToDo] = []
    after: int | None = 0
    while after is not None:
        asked = wire.FetchItems(attempt=attempt, after=after)
        page = (await executor.ask(subjects.ITEMS, asked)).items
        assert page is not None
        assert not page.gone, "the items are gone"
        data = zstandard.ZstdDecompressor().decompress(page.items, max_output_size=1 << 26)
        found += msgspec.msgpack.decode(data, type=list[wire.ItemToDo])
        after = page.next
    return found


async def rows_of(core: Core, run_id: str) -> dict[int, tuple[str | None, int, int]]:
    """Give outcome, tries and begun of the items that have a row."""
    rows = await core.database.pool.fetch(
        "SELECT ordinal, outcome, tries, begun FROM perdure.items WHERE run_id = $1::text::uuid",
        run_id,
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
