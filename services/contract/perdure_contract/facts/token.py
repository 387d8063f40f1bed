"""What happens to an API token."""

from datetime import datetime
from typing import ClassVar

from perdure_contract.facts.fact import Fact


class TokenIssued(Fact, frozen=True, kw_only=True):
    """An API token was made; the secret itself is nowhere in the store."""

    event: ClassVar[str] = "token.issued"
    token: str
    name: str
    role: str
    expires_at: datetime | None = None


class TokenRevoked(Fact, frozen=True, kw_only=True):
    """An API token opens nothing any more."""

    event: ClassVar[str] = "token.revoked"
    token: str
    reason: str | None = None


TokenFact = TokenIssued | TokenRevoked
