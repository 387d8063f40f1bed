"""What every runner does: turn a grant into an order for a keeper."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from perdure_contract.specs import BlobRef
from perdure_contract.wire import Grant
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order

Fetch = Callable[[str, BlobRef], Awaitable[bytes]]
"""Gets the content of a reference for a run; raises InputGone or NoAnswer."""


S = TypeVar("S")


def spec_of(grant: Grant, kind: type[S]) -> S:
    """Give the spec of a grant that a runner of its kind was chosen for."""
    spec = grant.request.spec
    if not isinstance(spec, kind):
        message = f"a {kind.__name__} was expected, not a {type(spec).__name__}"
        raise TypeError(message)
    return spec


class Runner(Protocol):
    """Knows one kind of run."""

    def needs(self, grant: Grant) -> tuple[BlobRef, ...]:
        """Name what must be fetched before the order can be made."""
        ...

    def writes(self, grant: Grant) -> bool:
        """Tell whether making the order leaves files in the work directory."""
        ...

    def order(
        self, grant: Grant, path: Path, inputs: dict[str, bytes], settings: Settings
    ) -> Order:
        """Make the order; may write files that start with `path`, which go with the attempt.

        Raises:
            Rejected: when it cannot or may not be started here.
        """
        ...
