"""`perdure login` and `perdure token`: who may come in. Both work on the database itself."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeVar

import asyncpg
import click
from msgspec import Struct

from perdure.endpoint import read_endpoint_file
from perdure_api.commands import Commands
from perdure_api.domain.callers import Caller
from perdure_api.errors import NotFoundError
from perdure_api.messaging.controls import Controls
from perdure_api.security.issuing import NewToken, issue_token
from perdure_api.security.links import issue_login_link
from perdure_api.security.tokens import as_role
from perdure_api.store.writer import Writer
from perdure_cli.database import database_url, on_database, told_plainly
from perdure_cli.output import Output, json_option
from perdure_cli.quantities import MOMENT
from perdure_cli.stops import WrongUse
from perdure_runtime.nats_connection import NatsConnection

T = TypeVar("T")

BY: Final = Caller(actor="cli")


class Token(Struct, frozen=True, kw_only=True):
    """A token as it is listed; nobody can read its secret any more."""

    id: str
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@click.command()
@json_option
def login(*, as_json: bool) -> None:
    """Print a link that opens the dashboard once, within ten minutes."""
    base = _address()

    async def issue(connection: asyncpg.Connection) -> str:
        return await issue_login_link(connection, base_url=base)

    link = on_database(issue)
    Output(as_json=as_json).told({"login_url": link}, link)


@click.group()
def token() -> None:
    """Issue, list and revoke API tokens."""


@token.command()
@click.option("--name", required=True, help="What it is for; it stands in what is done with it.")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "author", "admin"]),
    default="operator",
    show_default=True,
)
@click.option("--expires", type=MOMENT, help="When it stops opening: +30d, or a time.")
@json_option
def create(*, name: str, role: str, expires: str | None, as_json: bool) -> None:
    """Issue a token and print it, the only time it is shown."""

    async def issue(commands: Commands) -> NewToken:
        expires_at = None if expires is None else datetime.fromisoformat(expires)
        return await issue_token(commands, BY, name=name, role=as_role(role), expires_at=expires_at)

    issued = _command(issue)
    out = Output(as_json=as_json)
    if as_json:
        out.value({"id": issued.id, "name": name, "role": role, "token": issued.text})
    else:
        out.line(issued.text)
        out.note(f"Token {issued.id} ({role}). Keep it: it is not shown again.")


@token.command("list")
@json_option
def list_tokens(*, as_json: bool) -> None:
    """List the tokens, without their secrets."""

    async def read(connection: asyncpg.Connection) -> list[Token]:
        rows = await connection.fetch(
            "SELECT token_id AS id, name, role, created_at, expires_at, revoked_at, "
            "last_used AS last_used_at FROM perdure.tokens ORDER BY created_at"
        )
        return [Token(**dict(row)) for row in rows]

    found = on_database(read)
    Output(as_json=as_json).listed(
        {"items": found, "next": None},
        ["TOKEN", "ROLE", "CREATED", "LAST USED", "EXPIRES", "REVOKED", "NAME"],
        [
            (t.id, t.role, *map(_short, (t.created_at, t.last_used_at, t.expires_at, t.revoked_at)),
             t.name)
            for t in found
        ],
    )  # fmt: skip


@token.command()
@click.argument("token_id", metavar="TOKEN")
@click.option("--reason", help="Why; it stands in the events.")
@json_option
def revoke(*, token_id: str, reason: str | None, as_json: bool) -> None:
    """Let a token (its id, or the token itself) open nothing any more."""
    if token_id.startswith("pd_"):
        token_id = token_id.split("_")[1]

    async def take_back(commands: Commands) -> None:
        await commands.revoke_token(BY, token_id, reason)

    try:
        _command(take_back)
    except NotFoundError as error:
        message = f"There is no token {token_id}: `perdure token list` shows them."
        raise WrongUse(message) from error
    out = Output(as_json=as_json)
    out.told({"id": token_id, "revoked": True}, f"Token {token_id} is revoked.")


def _command(act: Callable[[Commands], Awaitable[T]]) -> T:
    """Carry out a command as the api does, with a writer of its own."""
    url = database_url()

    async def run() -> T:
        writer = Writer(url)
        # Tokens concern no executor, so this connection is never opened.
        commands = Commands(writer, Controls(NatsConnection("", name="perdure-cli")))
        writing = asyncio.ensure_future(writer.run())
        try:
            return await act(commands)
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing

    return told_plainly(run)


def _address() -> str:
    """Find the address that people open."""
    public = os.environ.get("PERDURE_PUBLIC_URL")
    if public:
        return public
    if os.environ.get("PERDURE_DATABASE_URL"):
        host = os.environ.get("PERDURE_HOST") or "127.0.0.1"
        port = os.environ.get("PERDURE_PORT") or "8000"
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    database_url()  # says what to do when nothing runs
    return read_endpoint_file().url


def _short(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%SZ}"
