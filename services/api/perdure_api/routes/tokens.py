"""Tokens and login links: who may come in."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import asyncpg
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.callers import Role
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import NotFoundError, invalid
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queues import Why
from perdure_api.routes.replies import json_reply
from perdure_api.routes.writing import WRITES, position_header, read_fields
from perdure_api.security.issuing import issue_token
from perdure_api.security.links import LIFETIME, issue_login_link
from perdure_runtime import clock
from perdure_runtime.clock import rfc3339

_LIST: Final = """
SELECT token_id, name, role, created_at, expires_at, revoked_at, last_used
FROM perdure.tokens WHERE tenant = $1 AND ($2::text IS NULL OR token_id = $2) ORDER BY created_at"""


class TokenView(Struct, frozen=True, kw_only=True):
    """An API token; its secret is told once, when it is issued."""

    id: str
    name: str
    role: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class Tokens(Struct, frozen=True):
    """All tokens."""

    items: tuple[TokenView, ...]
    next: None = None


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token is for and what it may do."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role = "operator"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A new token with its secret, which is nowhere else."""

    id: str
    name: str
    role: Role
    token: str
    expires_at: str | None


class LoginLink(Struct, frozen=True, kw_only=True):
    """A link that opens the dashboard once."""

    url: str
    expires_at: str


@operation("GET", "/api/tokens", permission="admin", summary="List the tokens", answer=Tokens)
async def list_all(call: Call) -> ASGIApp:
    """Give every token, without its secret."""
    return json_reply(Tokens(await _tokens(call)))


@operation(
    "POST",
    "/api/tokens",
    permission="admin",
    summary="Issue a token",
    body=NewToken,
    answer=IssuedToken,
    status=HTTPStatus.CREATED,
    headers=WRITES,
)
async def issue(call: Call) -> ASGIApp:
    """Make a token; the answer is the only place that tells its secret."""
    new = await read_fields(call.request, NewToken)
    if not new.name.isprintable() or new.name.isspace():
        fault = FieldError(
            "/name", "bad-text", "A name has no control characters and is not blank."
        )
        raise invalid((fault,))
    if new.expires_at is not None and new.expires_at <= clock.now():
        raise invalid((FieldError("/expires_at", "in-past", "A time to come."),))
    token = await issue_token(
        call.services.commands, call.caller, name=new.name, role=new.role, expires_at=new.expires_at
    )
    view = IssuedToken(
        id=token.id,
        name=new.name,
        role=new.role,
        token=token.text,
        expires_at=None if new.expires_at is None else rfc3339(new.expires_at),
    )
    return json_reply(view, status=HTTPStatus.CREATED, headers=(position_header(token.position),))


@operation(
    "POST",
    "/api/tokens/{token_id}/revoke",
    permission="admin",
    summary="Let a token open nothing any more",
    body=Why,
    body_is_optional=True,
    answer=TokenView,
    headers=WRITES,
)
async def revoke(call: Call) -> ASGIApp:
    """Revoke a token; it opens nothing within a second."""
    why = await read_fields(call.request, Why, may_be_empty=True)
    token_id = call.path("token_id")
    done = await call.services.commands.revoke_token(call.caller, token_id, why.reason)
    call.services.tokens.forget(token_id)
    found = await _tokens(call, token_id)
    if not found:
        raise NotFoundError(token_id)
    return json_reply(found[0], headers=(position_header(done.position),))


@operation(
    "POST",
    "/api/login-links",
    permission="admin",
    summary="Make a link that opens the dashboard once",
    body=Why,
    body_is_optional=True,
    answer=LoginLink,
    status=HTTPStatus.CREATED,
)
async def make_link(call: Call) -> ASGIApp:
    """Make a login link, good for ten minutes."""
    await read_fields(call.request, Why, may_be_empty=True)
    services = call.services
    url = await issue_login_link(
        services.database.pool, base_url=services.settings.address, tenant=call.caller.tenant
    )
    link = LoginLink(url=url, expires_at=rfc3339(clock.now() + LIFETIME))
    return json_reply(link, status=HTTPStatus.CREATED)


async def _tokens(call: Call, token_id: str | None = None) -> tuple[TokenView, ...]:
    rows = await call.services.database.pool.fetch(_LIST, call.caller.tenant, token_id)
    return tuple(_view(row) for row in rows)


def _view(row: asyncpg.Record) -> TokenView:
    def text(moment: datetime | None) -> str | None:
        return None if moment is None else rfc3339(moment)

    return TokenView(
        id=row["token_id"],
        name=row["name"],
        role=row["role"],
        created_at=rfc3339(row["created_at"]),
        expires_at=text(row["expires_at"]),
        revoked_at=text(row["revoked_at"]),
        last_used_at=text(row["last_used"]),
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [list_all, issue, revoke, make_link]
