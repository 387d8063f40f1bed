"""Calls about backups with rsync, and about the hosts that they name."""

import msgspec
from msgspec import Struct

from perdure.requests import Page, Request, get, parameters, put
from perdure_contract.objects import BackupPreview, DryRunView, HostView
from perdure_contract.rsync.spec import RsyncSpec, SavedHost


class HostGone(Struct, frozen=True, kw_only=True):
    """A saved host that was deleted."""

    name: str


def preview_backup(spec: RsyncSpec) -> Request[BackupPreview]:
    """Give what a backup would run, in elements and in words, and what may surprise."""
    return Request(
        "POST", "/api/rsync/preview", BackupPreview, body=msgspec.json.encode(spec), headers={}
    )


def dry_run(spec: RsyncSpec, *, wait_seconds: float = 10) -> Request[DryRunView]:
    """Start a dry run of a backup and wait a little for what it finds; see `get_dry_run`."""
    return Request(
        "POST",
        "/api/rsync/dry-run",
        DryRunView,
        params=parameters({"wait_seconds": wait_seconds}),
        body=msgspec.json.encode(spec),
        headers={},
    )


def get_dry_run(run: str) -> Request[DryRunView]:
    """Read what a dry run has found."""
    return get(f"/api/rsync/dry-run/{run}", DryRunView)


def hosts() -> Request[Page[HostView]]:
    """List the saved hosts."""
    return get("/api/hosts", Page[HostView])


def save_host(
    name: str, host: SavedHost, *, expected_version: int | None = None
) -> Request[HostView]:
    """Save a host, new or anew."""
    body = {**msgspec.to_builtins(host), "expected_version": expected_version}
    return put(f"/api/hosts/{name}", HostView, body)


def delete_host(
    name: str, *, reason: str | None = None, expected_version: int | None = None
) -> Request[HostGone]:
    """Delete a saved host."""
    asked = parameters({"reason": reason, "expected_version": expected_version})
    return Request("DELETE", f"/api/hosts/{name}", HostGone, params=asked)
