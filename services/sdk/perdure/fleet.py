"""Calls about what runs are carried out by: queues, executors; and about who may call."""

from msgspec import Struct

from perdure.requests import Page, Request, get, post, put
from perdure_contract.objects import ExecutorView, QueueView


class Token(Struct, frozen=True, kw_only=True):
    """An API token as it is listed; its secret is told once, when it is issued."""

    id: str
    name: str
    role: str
    created_at: str | None = None
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = None


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A new token with its secret, which is nowhere else."""

    id: str
    name: str
    role: str
    token: str
    expires_at: str | None = None


class LoginLink(Struct, frozen=True, kw_only=True):
    """A link that opens the dashboard once."""

    url: str
    expires_at: str | None = None


def queues() -> Request[Page[QueueView]]:
    """List the queues with their limits and what is in them."""
    return get("/api/queues", Page[QueueView])


def configure_queue(
    name: str, *, concurrency: int | None = None, rate_per_minute: int | None = None
) -> Request[QueueView]:
    """Give a queue its limits; none means without limit."""
    body = {"concurrency": concurrency, "rate_per_minute": rate_per_minute}
    return put(f"/api/queues/{name}", QueueView, body)


def pause_queue(name: str, *, reason: str | None = None) -> Request[QueueView]:
    """Let nothing start from a queue."""
    return post(f"/api/queues/{name}/pause", QueueView, {"reason": reason})


def resume_queue(name: str, *, reason: str | None = None) -> Request[QueueView]:
    """Let a paused queue go on."""
    return post(f"/api/queues/{name}/resume", QueueView, {"reason": reason})


def executors() -> Request[Page[ExecutorView]]:
    """List the executors as the api last heard of them."""
    return get("/api/executors", Page[ExecutorView])


def drain_executor(name: str, *, reason: str | None = None) -> Request[ExecutorView]:
    """Let an executor finish what it runs and take nothing new."""
    return post(f"/api/executors/{name}/drain", ExecutorView, {"reason": reason})


def tokens() -> Request[Page[Token]]:
    """List the API tokens, without their secrets."""
    return get("/api/tokens", Page[Token])


def issue_token(name: str, role: str, *, expires_at: str | None = None) -> Request[IssuedToken]:
    """Make an API token; the answer is the only place that tells its secret."""
    return post("/api/tokens", IssuedToken, {"name": name, "role": role, "expires_at": expires_at})


def revoke_token(token: str, *, reason: str | None = None) -> Request[Token]:
    """Let an API token open nothing any more."""
    return post(f"/api/tokens/{token}/revoke", Token, {"reason": reason})


def login_link() -> Request[LoginLink]:
    """Make a link that opens the dashboard once, within ten minutes."""
    return post("/api/login-links", LoginLink)
