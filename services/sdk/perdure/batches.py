"""Calls about batches: their items, and items sent ahead of a request."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from perdure.requests import Page, Request, get, parameters, post
from perdure_contract.objects import ItemView, RunView

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
}


class Uploaded(Struct, frozen=True, kw_only=True):
    """Items that the server keeps: name `upload` in a `BatchSpec` within a day."""

    upload: str
    total: int
    fields: tuple[str, ...]
    """Names that every item has."""
    sha256: str


def upload(path: str | Path, *, format: Literal["csv", "jsonl"] | None = None) -> Request[Uploaded]:  # noqa: A002 - the API's word
    """Send a file of items ahead: CSV with a header, or JSON lines; of any length, in pieces.

    Raises:
        Invalid: when a row is not as it must be; the text names row and column.
    """
    file = Path(path)
    media_type = MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
    return Request(
        "POST",
        "/api/uploads",
        Uploaded,
        params=parameters({"format": format}),
        headers={"Content-Type": media_type},
        file=file,
    )


def items(
    run: str,
    *,
    outcome: str | None = None,
    q: str | None = None,
    after: str | int | None = None,
    limit: int | None = None,
) -> Request[Page[ItemView]]:
    """Read items of a batch; several outcomes are joined by commas, `q` is part of a key or error."""
    return get(
        f"/api/runs/{run}/items", Page[ItemView], outcome=outcome, q=q, after=after, limit=limit
    )


def items_csv(run: str, *, outcome: str | None = None, q: str | None = None) -> Request[str]:
    """Read all items of a batch as CSV with a header."""
    return get(f"/api/runs/{run}/items", str, outcome=outcome, q=q, format="csv")


def retry_items(
    run: str,
    *,
    ordinals: Iterable[int] | None = None,
    keys: Iterable[str] | None = None,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Request[RunView]:
    """Run failed items of a batch again, and no others; all that failed unless some are named."""
    body = {
        "ordinals": None if ordinals is None else tuple(ordinals),
        "keys": None if keys is None else tuple(keys),
        "reason": reason,
        "expected_version": expected_version,
    }
    return post(f"/api/runs/{run}/retry-items", RunView, body)
