"""Calls about what stands still, what did not count, and doing one action on many runs."""

from collections.abc import Mapping, Sequence

from perdure.requests import Page, Request, get, post
from perdure_contract.facts import Json
from perdure_contract.objects import BulkPreview, BulkView, LedgerEntry, StuckView


def stuck() -> Request[Page[StuckView]]:
    """Read which runs a sweep would end now."""
    return get("/api/sweep", Page[StuckView])


def ledger(run: str) -> Request[Page[LedgerEntry]]:
    """Read what was said about a run and did not count."""
    return get(f"/api/runs/{run}/ledger", Page[LedgerEntry])


def preview_bulk(action: str, runs: Mapping[str, Json] | Sequence[str]) -> Request[BulkPreview]:
    """Ask what an action would do to the runs of a filter, or to those named by id."""
    return post("/api/bulk", BulkPreview, {**_chosen(action, runs), "preview": True})


def bulk(
    action: str,
    runs: Mapping[str, Json] | Sequence[str],
    *,
    canary: bool = False,
    idempotency_key: str | None = None,
    **options: Json,
) -> Request[BulkView]:
    """Do an action on the runs of a filter, or on those named by id, in the background."""
    body = {**_chosen(action, runs), "canary": canary, **options}
    return post("/api/bulk", BulkView, body, idempotency_key=idempotency_key)


def get_bulk(bulk_id: str) -> Request[BulkView]:
    """Read how far a bulk operation is."""
    return get(f"/api/bulk/{bulk_id}", BulkView)


def stop_bulk(bulk_id: str, *, reason: str | None = None) -> Request[BulkView]:
    """Let a bulk operation go no further."""
    return post(f"/api/bulk/{bulk_id}/stop", BulkView, {"reason": reason})


def _chosen(action: str, runs: Mapping[str, Json] | Sequence[str]) -> dict[str, Json]:
    if isinstance(runs, Mapping):
        return {"action": action, "filter": dict(runs)}
    return {"action": action, "ids": list(runs)}
