"""Making tokens: for the API, and for a command line beside the database."""

import secrets
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from perdure_api.commands import Commands
from perdure_api.domain.callers import Caller, Role
from perdure_api.security.secrets import digest, new_secret
from perdure_api.security.tokens import compose

ID_BYTES: Final = 6


class NewToken(Struct, frozen=True):
    """A token as it is shown, once."""

    id: str
    text: str
    position: int


async def issue_token(
    commands: Commands, by: Caller, *, name: str, role: Role, expires_at: datetime | None = None
) -> NewToken:
    """Make a token that may do what its role may."""
    token_id, secret = secrets.token_hex(ID_BYTES), new_secret()
    done = await commands.issue_token(
        by,
        token_id=token_id,
        name=name,
        role=role,
        sha256=digest(secret),
        expires_at=None if expires_at is None else expires_at.astimezone(UTC),
    )
    return NewToken(token_id, compose(token_id, secret), done.position)
