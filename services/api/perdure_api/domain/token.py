"""An API token as its stream tells it. Its secret is nowhere in the log."""

from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_contract.facts import TokenFact, TokenIssued, TokenRevoked


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a token."""

    id: str
    name: str
    role: str
    expires_at: datetime | None = None
    revoked: bool = False


def evolve(token: Token | None, fact: TokenFact) -> Token:
    """Fold one fact into the state."""
    match fact:
        case TokenIssued():
            return Token(id=fact.token, name=fact.name, role=fact.role, expires_at=fact.expires_at)
        case TokenRevoked():
            if token is None:
                message = "a token was revoked before it was issued"
                raise ValueError(message)
            return replace(token, revoked=True)
        case _:
            assert_never(fact)
