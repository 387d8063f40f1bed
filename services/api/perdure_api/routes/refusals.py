"""Who asked for what and was refused: noted as the answer is given, and listed.

What a run's own state forbids is noted where it is decided, with the words of that decision. Faults of
typing are not noted: nothing was asked for yet.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta, Struct

from perdure_api.domain.callers import Caller
from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.projections import ledger
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import json_reply
from perdure_api.routes.writing import as_run_id
from perdure_api.services import Services
from perdure_contract.identifiers import Name

THINGS: Final = {
    "queues": "queue",
    "executors": "executor",
    "jobs": "job",
    "schedules": "schedule",
    "tokens": "token",
    "bulk": "bulk",
    "runs": "run",
}
"""Where something stands in an address, and what it is called there."""

BY_METHOD: Final = {"POST": "create", "PUT": "change", "DELETE": "delete"}


class RefusalQuery(Struct, frozen=True, kw_only=True):
    """Which refusals."""

    stream: Annotated[str, Meta(max_length=80)] | None = None
    """About this one only, like `queue-photos` or `run-<id>`."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Annotated[int, Meta(ge=1)] | None = None


def noted(services: Services, scope: Scope, error: Exception, answer: ASGIApp) -> ASGIApp:
    """Give an answer that leaves a note of the refusal, where there is one to leave."""
    caller: Caller | None = scope["state"].get("caller")
    words = _words(error)
    about = _about(scope)
    if caller is None or words is None or about is None:
        return answer
    kind, stream, run_id = about
    if run_id is not None and isinstance(error, Rejected):
        return answer

    note = partial(
        ledger.note_refusal, services.database.pool, caller, run_id, kind, words, stream=stream
    )
    return Noted(note, answer)


class Noted:
    """An answer that leaves a note before it is sent; an ASGI application."""

    def __init__(self, note: Callable[[], Awaitable[None]], answer: ASGIApp) -> None:
        self._note = note
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the note, then send the answer."""
        await self._note()
        await self._answer(scope, receive, send)

    def to_asgi_response(self, **_: object) -> "Noted":
        """Give itself: what Litestar asks of the answer to an exception."""
        return self


def _words(error: Exception) -> str | None:
    match error:
        case Rejected():
            return error.rejection.message
        case Refused(code="forbidden"):
            return error.detail
        case NotFoundError():
            return "There is nothing of this name."
        case _:
            return None


def _about(scope: Scope) -> tuple[str, str | None, str | None] | None:
    """Give what was asked for, and the stream or the run that it was about; None for what only reads."""
    if scope["type"] != ScopeType.HTTP or scope["method"] not in BY_METHOD:
        return None
    parts = scope["path"].removeprefix("/api").strip("/").split("/")
    thing = THINGS.get(parts[0])
    if thing is None:
        return None
    named = next(iter(scope.get("path_params", {}).values()), None)
    action = parts[2] if len(parts) > 2 else BY_METHOD[scope["method"]]  # noqa: PLR2004 -- thing, name, action
    if thing == "run" and named is not None:
        return action, None, _id(str(named))
    stream = None if named is None else _stream(thing, str(named))
    return f"{action} {thing}", stream, None


def _id(text: str) -> str | None:
    try:
        return as_run_id(text)
    except NotFoundError:
        return None


def _stream(thing: str, name: str) -> str | None:
    try:
        return f"{thing}-{msgspec.convert(name, Name)}"
    except msgspec.ValidationError:
        return None


@operation(
    "GET",
    "/api/refusals",
    permission="view",
    summary="List what was refused anywhere, newest first",
    query=RefusalQuery,
    answer=ledger.RefusalPage,
)
async def list_refusals(call: Call[RefusalQuery]) -> ASGIApp:
    """List who asked for what in vain, and reports that did not count."""
    query = call.query
    page = await ledger.recent(
        call.services.database.pool,
        call.caller.tenant,
        stream=query.stream,
        after=query.after,
        limit=query.limit,
    )
    return json_reply(page)


HANDLERS: Final[list[HTTPRouteHandler]] = [list_refusals]
