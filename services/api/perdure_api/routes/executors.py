"""Executors: who is there, and sending one to rest."""

from typing import Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.errors import NotFoundError
from perdure_api.projections.executors import get_executor, list_executors
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queues import Why, name_of
from perdure_api.routes.replies import json_reply
from perdure_api.routes.writing import WRITES, position_header, read_fields
from perdure_contract.objects import ExecutorView


class Executors(Struct, frozen=True):
    """All executors that ever joined."""

    items: tuple[ExecutorView, ...]
    next: None = None


@operation(
    "GET", "/api/executors", permission="view", summary="List the executors", answer=Executors
)
async def list_all(call: Call) -> ASGIApp:
    """Give every executor as the api last heard of it."""
    executors = await list_executors(call.services.database.pool, call.caller.tenant)
    return json_reply(Executors(executors))


@operation(
    "GET",
    "/api/executors/{name}",
    permission="view",
    summary="Read an executor",
    answer=ExecutorView,
)
async def read_one(call: Call) -> ASGIApp:
    """Give one executor."""
    return json_reply(await _executor(call, name_of(call)))


@operation(
    "POST",
    "/api/executors/{name}/drain",
    permission="operate",
    summary="Have an executor take nothing new",
    body=Why,
    body_is_optional=True,
    answer=ExecutorView,
    headers=WRITES,
)
async def drain(call: Call) -> ASGIApp:
    """Drain an executor; what it runs goes on to its end."""
    name = name_of(call)
    why = await read_fields(call.request, Why, may_be_empty=True)
    await _executor(call, name)
    done = await call.services.commands.drain_executor(call.caller, name, why.reason)
    return json_reply(await _executor(call, name), headers=(position_header(done.position),))


async def _executor(call: Call, name: str) -> ExecutorView:
    found = await get_executor(call.services.database.pool, call.caller.tenant, name)
    if found is None:
        raise NotFoundError(name)
    return found


HANDLERS: Final[list[HTTPRouteHandler]] = [list_all, read_one, drain]
