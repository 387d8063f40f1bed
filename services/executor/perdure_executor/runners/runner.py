"""What every runner does: turn a grant into an order for a keeper."""

from typing import Protocol, TypeVar

from perdure_contract.specs import BlobRef, InputRef
from perdure_contract.wire import Attempt, Grant, ItemsPage
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order

S = TypeVar("S")


def spec_of(grant: Grant, kind: type[S]) -> S:
    """Give the spec of a grant that a runner of its kind was chosen for."""
    spec = grant.request.spec
    if not isinstance(spec, kind):
        message = f"a {kind.__name__} was expected, not a {type(spec).__name__}"
        raise TypeError(message)
    return spec


class Fetch(Protocol):
    """Asks the api for what runs need; a question without an answer raises NoAnswer."""

    async def fetch_blob(self, run: str, reference: BlobRef) -> bytes:
        """Get the content of a reference for a run.

        Raises:
            InputGone: when it was deleted or is damaged.
        """
        ...

    async def fetch_items(self, attempt: Attempt, after: int) -> ItemsPage:
        """Get the next items that an attempt has to do."""
        ...


class Runner(Protocol):
    """Knows one kind of run."""

    def needs(self, grant: Grant) -> tuple[BlobRef | InputRef, ...]:
        """Name what must be fetched before the order can be made; items come into `<path>.items`."""
        ...

    def writes(self, grant: Grant) -> bool:
        """Tell whether making the order leaves files in the work directory."""
        ...

    def order(self, grant: Grant, path: str, inputs: dict[str, bytes], settings: Settings) -> Order:
        """Make the order; may write files whose names begin with `path`, which go with the attempt.

        Raises:
            Rejected: when it cannot or may not be started here.
        """
        ...
