"""Saved hosts, read from their streams."""

from typing import Final

import asyncpg

from perdure_api.domain.host import Host
from perdure_api.store.rows import stream_row
from perdure_api.store.state import StreamRow
from perdure_contract.identifiers import host_stream
from perdure_contract.objects import HostView

_SELECT: Final = """
SELECT stream, tenant, version, first_position, last_position, state FROM perdure.streams"""


async def list_hosts(pool: asyncpg.Pool, tenant: str) -> tuple[HostView, ...]:
    """Give every saved host, by name."""
    rows = await pool.fetch(
        f"{_SELECT} WHERE stream LIKE 'host-%' AND tenant = $1 ORDER BY stream", tenant
    )
    views = (host_view(stream_row(row)) for row in rows)
    return tuple(view for view in views if view is not None)


async def get_host(pool: asyncpg.Pool, tenant: str, name: str) -> HostView | None:
    """Give one saved host; None when there is none, or it was deleted."""
    row = await pool.fetchrow(
        f"{_SELECT} WHERE stream = $1 AND tenant = $2", host_stream(name), tenant
    )
    return None if row is None else host_view(stream_row(row))


def host_view(row: StreamRow) -> HostView | None:
    """Show a host; None when it was deleted."""
    if not isinstance(row.state, Host) or row.state.deleted:
        return None
    saved = row.state.saved
    return HostView(
        name=row.state.name,
        address=saved.address,
        user=saved.user,
        port=saved.port,
        key=saved.key,
        host_key=saved.host_key,
        roots=saved.roots,
        version=row.version,
    )
