"""Batches: what may be wrong with one, apart from what it does for each item."""

from collections.abc import Iterator

from perdure_api.domain.rejections import FieldError
from perdure_contract.specs import BatchSpec


def faults(spec: BatchSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    del spec
    yield FieldError(f"{at}/kind", "not-available", "Batches cannot be run yet.")
