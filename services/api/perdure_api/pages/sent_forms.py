"""What forms of many pages say: why something is done, and the key by which it is done once."""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.pages.visit import first

MOST_REASON: Final = 500


def reason_of(fields: dict[str, list[str]]) -> str | None:
    """Take the reason that was given, if one was."""
    return first(fields, "reason")[:MOST_REASON] or None


def idempotency_of(
    fields: dict[str, list[str]], path: str, render: Callable[[Any], StoredAnswer]
) -> Idempotency | None:
    """Take the key that was hidden in a form: sent twice, it acts once."""
    key = first(fields, "idempotency_key")
    if not 0 < len(key) <= 64 or not key.isascii() or not key.isprintable():  # noqa: PLR2004 -- ours have 36
        return None
    said = {name: values for name, values in sorted(fields.items()) if name != "_csrf"}
    digest = hashlib.sha256(f"{path}\n{said}".encode("utf-8", "surrogatepass")).digest()
    return Idempotency(key=f"page-{key}", body_sha256=digest, render=render)
