"""Calls about who may come in."""

from msgspec import Struct

from perdure.requests import Page, Request, get, post


class Token(Struct, frozen=True, kw_only=True):
    """An API token as it is listed; its secret is told once, when it is issued."""

    id: str
    name: str
    role: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A new token with its secret, which is nowhere else."""

    id: str
    name: str
    role: str
    token: str
    expires_at: str | None


def list_tokens() -> Request[Page[Token]]:
    """List the API tokens, without their secrets."""
    return get("/api/tokens", Page[Token])


def issue_token(
    name: str, *, role: str = "operator", expires_at: str | None = None
) -> Request[IssuedToken]:
    """Make an API token; the answer is the only place that tells its secret."""
    return post("/api/tokens", IssuedToken, {"name": name, "role": role, "expires_at": expires_at})


def revoke_token(token: str, *, reason: str | None = None) -> Request[Token]:
    """Let an API token open nothing any more."""
    return post(f"/api/tokens/{token}/revoke", Token, {"reason": reason})
