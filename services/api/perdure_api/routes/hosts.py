"""Saved hosts: other machines that backups read from or write to."""

from http import HTTPStatus
from typing import Annotated, Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.errors import NotFoundError
from perdure_api.projections.hosts import get_host, host_view, list_hosts
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queues import name_of
from perdure_api.routes.replies import json_reply
from perdure_api.routes.writing import WRITES, position_header, read_fields
from perdure_contract.objects import HostView
from perdure_contract.rsync.spec import SavedHost

Version = Annotated[int, Meta(ge=0, description="Refuse it when there is another version by now.")]


class Hosts(Struct, frozen=True):
    """All saved hosts."""

    items: tuple[HostView, ...]
    next: None = None


class HostDraft(SavedHost, frozen=True, kw_only=True):
    """A host to be saved, all of it anew."""

    expected_version: Version | None = None


class HostDeletion(Struct, frozen=True, kw_only=True):
    """Why a host is deleted, and of which version."""

    reason: Annotated[str, Meta(max_length=500)] | None = None
    expected_version: Version | None = None


class HostGone(Struct, frozen=True):
    """A saved host that is no more."""

    name: str


@operation("GET", "/api/hosts", permission="view", summary="List the saved hosts", answer=Hosts)
async def list_all(call: Call) -> ASGIApp:
    """Give every saved host."""
    return json_reply(Hosts(await list_hosts(call.services.database.pool, call.caller.tenant)))


@operation(
    "GET", "/api/hosts/{name}", permission="view", summary="Read a saved host", answer=HostView
)
async def read_one(call: Call) -> ASGIApp:
    """Give one saved host."""
    found = await get_host(call.services.database.pool, call.caller.tenant, name_of(call))
    if found is None:
        raise NotFoundError(call.path("name"))
    return json_reply(found)


@operation(
    "PUT",
    "/api/hosts/{name}",
    permission="admin",
    summary="Save a host",
    body=HostDraft,
    answer=HostView,
    headers=WRITES,
)
async def save(call: Call) -> ASGIApp:
    """Save a host, new or anew; the key is a file on the executors and never comes here."""
    draft = await read_fields(call.request, HostDraft)
    saved = SavedHost(**{name: getattr(draft, name) for name in SavedHost.__struct_fields__})
    done = await call.services.hosts.save(
        call.caller, name_of(call), saved, expected_version=draft.expected_version
    )
    return json_reply(
        host_view(done.result),
        status=HTTPStatus.OK,
        headers=(position_header(done.position),),
    )


@operation(
    "DELETE",
    "/api/hosts/{name}",
    permission="admin",
    summary="Delete a saved host",
    query=HostDeletion,
    answer=HostGone,
    headers=WRITES,
)
async def delete(call: Call[HostDeletion]) -> ASGIApp:
    """Delete a host; runs that name it and start later are refused."""
    name = name_of(call)
    done = await call.services.hosts.delete(
        call.caller, name, call.query.reason, expected_version=call.query.expected_version
    )
    return json_reply(HostGone(name), headers=(position_header(done.position),))


HANDLERS: Final[list[HTTPRouteHandler]] = [list_all, read_one, save, delete]
