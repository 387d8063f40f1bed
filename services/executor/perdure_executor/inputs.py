"""What an attempt needs before it can start: blobs into memory, the items of a batch onto the disk."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import zstandard

from perdure_contract.facts import Failure
from perdure_contract.specs import BlobRef
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.plan import ITEMS_SUFFIX
from perdure_executor.carried import Carried
from perdure_executor.errors import InputGone, NoAnswer
from perdure_executor.ledger import Ledger
from perdure_executor.runners.kinds import runner_of
from perdure_executor.runners.runner import Fetch
from perdure_runtime import clock

_decoder = msgspec.msgpack.Decoder(list[ItemToDo])
_encoder = msgspec.json.Encoder()

T = TypeVar("T")


class Inputs:
    """Fetches for one attempt after the other; asks again until it is answered."""

    def __init__(self, ledger: Ledger, fetch: Fetch) -> None:
        """Prepare.

        Args:
            ledger: where attempts are kept; what is carried no more is fetched no more.
            fetch: asks the api.
        """
        self._ledger = ledger
        self._fetch = fetch

    async def bring(self, carried: Carried) -> Failure | None:
        """Fetch all that an attempt needs; give why it cannot be had, if so."""
        attempt = carried.grant.attempt
        try:
            for need in runner_of(carried.grant).needs(carried.grant):
                if isinstance(need, BlobRef):
                    question = partial(self._fetch.fetch_blob, attempt.run, need)
                    content = await self._ask(carried, question)
                    if content is not None:
                        carried.inputs[need.sha256] = content
                else:
                    await self._bring_items(carried)
        except InputGone as error:
            return Failure(reason="rejected", message=str(error))
        except OSError as error:
            words = f"The executor could not store the items: {error.strerror or error}."
            return Failure(reason="error", message=words)
        return None

    def wanted(self, carried: Carried) -> bool:
        """Tell whether the attempt is still ours to start."""
        return self._ledger.carried.get(carried.key) is carried

    async def _bring_items(self, carried: Carried) -> None:
        """Write the items page by page, so that a million of them need no memory."""
        path = Path(f"{carried.path}{ITEMS_SUFFIX}")
        mode: Literal["wb", "ab"] = "wb"
        after: int | None = 0
        while after is not None:
            question = partial(self._fetch.fetch_items, carried.grant.attempt, after)
            page = await self._ask(carried, question)
            if page is None:
                return  # whoever let go of the attempt has deleted the file
            if page.gone:
                raise InputGone("The items of this run were deleted.")
            _store(path, mode, page.items)
            mode, after = "ab", page.next

    async def _ask(self, carried: Carried, question: Callable[[], Awaitable[T]]) -> T | None:
        """Ask until there is an answer; none when nobody wants it any more."""
        while self.wanted(carried):
            try:
                answer = await question()
            except NoAnswer as error:
                await clock.pause(error.retry_after_seconds)
                continue
            return answer if self.wanted(carried) else None
        return None


def _store(path: Path, mode: Literal["wb", "ab"], items: bytes) -> None:
    """Write a page as lines of JSON."""
    found = _decoder.decode(zstandard.ZstdDecompressor().decompress(items)) if items else []
    with path.open(mode) as file:
        file.write(_encoder.encode_lines(found))
