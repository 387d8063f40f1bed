"""Python functions: how a run of one is named, and what may be wrong with it."""

from collections.abc import Iterator

from perdure_api.domain.rejections import FieldError
from perdure_contract.specs import PythonSpec


def words_of(spec: PythonSpec) -> str:
    """Give the function's name."""
    return spec.func


def faults(spec: PythonSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    del spec
    yield FieldError(f"{at}/kind", "not-available", "Python functions cannot be run yet.")
