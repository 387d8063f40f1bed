"""Queues: what they may take and what is in them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.queue import Queue
from perdure_api.errors import NotFoundError
from perdure_api.projections.queues import get_queue, list_queues
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import json_reply
from perdure_api.routes.writing import WRITES, position_header, read_fields
from perdure_api.store.work import Done
from perdure_contract.identifiers import Name
from perdure_contract.objects import QueueView


class Queues(Struct, frozen=True):
    """All queues."""

    items: tuple[QueueView, ...]
    next: None = None


class QueueLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A queue's limits, both anew; none means without limit."""

    concurrency: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    rate_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Why(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of what is done to a queue or an executor; it may be empty."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


@operation("GET", "/api/queues", permission="view", summary="List the queues", answer=Queues)
async def list_all(call: Call) -> ASGIApp:
    """Give every queue with its limits and what is in it."""
    return json_reply(Queues(await list_queues(call.services.database.pool, call.caller.tenant)))


@operation("GET", "/api/queues/{name}", permission="view", summary="Read a queue", answer=QueueView)
async def read_one(call: Call) -> ASGIApp:
    """Give one queue."""
    return json_reply(await get_queue(call.services.database.pool, name_of(call)))


@operation(
    "PUT",
    "/api/queues/{name}",
    permission="operate",
    summary="Set the limits of a queue",
    body=QueueLimits,
    answer=QueueView,
    headers=WRITES,
)
async def configure(call: Call) -> ASGIApp:
    """Set both limits; they act at once."""
    limits = await read_fields(call.request, QueueLimits)
    return await _changed(
        call,
        lambda name: call.services.commands.configure_queue(
            call.caller,
            name,
            concurrency=limits.concurrency,
            rate_per_minute=limits.rate_per_minute,
        ),
    )


@operation(
    "POST",
    "/api/queues/{name}/pause",
    permission="operate",
    summary="Start nothing more from a queue",
    body=Why,
    body_is_optional=True,
    answer=QueueView,
    headers=WRITES,
)
async def pause(call: Call) -> ASGIApp:
    """Pause a queue; what runs goes on."""
    why = await read_fields(call.request, Why, may_be_empty=True)
    return await _changed(
        call, lambda name: call.services.commands.pause_queue(call.caller, name, why.reason)
    )


@operation(
    "POST",
    "/api/queues/{name}/resume",
    permission="operate",
    summary="Let a paused queue go on",
    body=Why,
    body_is_optional=True,
    answer=QueueView,
    headers=WRITES,
)
async def resume(call: Call) -> ASGIApp:
    """Resume a queue."""
    why = await read_fields(call.request, Why, may_be_empty=True)
    return await _changed(
        call, lambda name: call.services.commands.resume_queue(call.caller, name, why.reason)
    )


def name_of(call: Call[Any]) -> str:
    """Take a name from the path; what cannot be one is simply not there."""
    try:
        return msgspec.convert(call.path("name"), Name)
    except msgspec.ValidationError as error:
        raise NotFoundError(call.path("name")) from error


async def _changed(call: Call, change: Callable[[str], Awaitable[Done[Queue]]]) -> ASGIApp:
    name = name_of(call)
    done = await change(name)
    queue = await get_queue(call.services.database.pool, name)
    return json_reply(queue, headers=(position_header(done.position),))


HANDLERS: Final[list[HTTPRouteHandler]] = [list_all, read_one, configure, pause, resume]
