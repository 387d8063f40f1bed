"""Batches: what may be wrong with one, apart from what it does for each item."""

from collections.abc import Iterator

from perdure_api.domain.rejections import FieldError
from perdure_api.kinds.items import BadItemError, fields_of, key_of, repeated
from perdure_contract import binding
from perdure_contract.specs import BatchSpec

SOURCES = ("items", "file", "upload")


def faults(spec: BatchSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    given = [name for name in SOURCES if getattr(spec, name) is not None]
    if len(given) > 1:
        yield FieldError(
            f"{at}/{given[1]}", "not-both", "Give one of `items`, `file` and `upload`."
        )
    elif spec.input is not None and spec.items is not None:
        yield FieldError(f"{at}/items", "not-both", "Give `items` or `input`, not both.")
    elif not given and spec.input is None:
        yield FieldError(f"{at}/items", "missing", "Give `items`, a `file` or an `upload`.")
    elif spec.items is not None:
        yield from _item_faults(spec, at)
    elif spec.input is not None:
        yield from field_faults(spec, spec.input.fields, at)


def field_faults(spec: BatchSpec, fields: tuple[str, ...], at: str) -> Iterator[FieldError]:
    """Find placeholders for fields that not every item has."""
    for place, name in binding.unknown_fields(spec.each, fields):
        known = ", ".join((*fields[:20], *binding.ALWAYS))
        words = f"Not every item has a field `{name[:64]}`. There are: {known}."
        yield FieldError(f"{at}/each{place}", "unknown-field", words)


def _item_faults(spec: BatchSpec, at: str) -> Iterator[FieldError]:
    items = spec.items or ()
    bad = False
    for index, value in enumerate(items):
        try:
            key_of(value)
        except BadItemError as error:
            bad = True
            yield FieldError(f"{at}/items/{index}", "bad-item", str(error))
    if bad:
        return
    for ordinal, before, _key in repeated(items):
        words = f"Item {before} has the same key; a key names one item."
        yield FieldError(f"{at}/items/{ordinal - 1}", "duplicate-item", words)
    yield from field_faults(spec, fields_of(items), at)
