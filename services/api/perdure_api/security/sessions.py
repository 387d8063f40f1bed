"""Browser sessions: a random id in a cookie, its hash in the database, so a restart keeps logins."""

from datetime import timedelta
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.callers import Caller
from perdure_api.errors import Refused
from perdure_api.security.secrets import digest, new_secret
from perdure_runtime.clock import monotonic

IDLE: Final = timedelta(hours=12)
LIFETIME: Final = timedelta(days=7)
REMEMBERED_SECONDS: Final = 0.5
REMEMBERED_SESSIONS: Final = 10_000
SEEN_NOTED_EVERY: Final = timedelta(minutes=5)

_START: Final = """
INSERT INTO perdure.web_sessions (sha256, tenant, name, role, csrf, expires_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval)"""
_FIND: Final = """
SELECT tenant, name, role, csrf, last_seen < clock_timestamp() - $3::interval AS stale
FROM perdure.web_sessions
WHERE sha256 = $1 AND ended_at IS NULL AND expires_at > clock_timestamp()
  AND last_seen > clock_timestamp() - $2::interval"""
_SEEN: Final = "UPDATE perdure.web_sessions SET last_seen = clock_timestamp() WHERE sha256 = $1"
_END: Final = "UPDATE perdure.web_sessions SET ended_at = clock_timestamp() WHERE sha256 = $1"
_TIDY: Final = (
    "DELETE FROM perdure.web_sessions WHERE expires_at < clock_timestamp() - interval '7 days'"
)


class Session(Struct, frozen=True):
    """A browser that is logged in."""

    caller: Caller
    csrf: str
    """What every form carries back: a page of another site cannot know it."""
    sha256: bytes


class Sessions:
    """Starts, finds and ends sessions."""

    def __init__(self, pool: asyncpg.Pool, *, store_id: str, is_https: bool) -> None:
        self._pool = pool
        self._is_https = is_https
        # Cookies ignore ports: the store's id keeps two Perdures on one machine apart.
        name = f"perdure-{store_id.replace('-', '')[:8]}"
        self.cookie_name = f"__Host-{name}" if is_https else name
        self._known: dict[bytes, tuple[float, Session]] = {}

    async def start(self, caller: Caller) -> str:
        """Start a session under a new id and give its cookie; an id sent by the browser is never taken."""
        secret, csrf = new_secret(), new_secret()
        name = caller.actor.removeprefix("user:")
        await self._pool.execute(_TIDY)
        await self._pool.execute(
            _START, digest(secret), caller.tenant, name, caller.role, csrf.encode(), LIFETIME
        )
        return self._cookie(secret, int(LIFETIME.total_seconds()))

    async def find(self, cookies: bytes | None) -> Session | None:
        """Give the session of a `Cookie` header; None when there is none, or it is over."""
        secret = self._secret(cookies)
        if secret is None:
            return None
        sha256 = digest(secret)
        until, session = self._known.get(sha256, (0.0, None))
        if session is not None and until > monotonic():
            return session
        row = await self._pool.fetchrow(_FIND, sha256, IDLE, SEEN_NOTED_EVERY)
        if row is None:
            self._known.pop(sha256, None)
            return None
        if row["stale"]:
            await self._pool.execute(_SEEN, sha256)
        caller = Caller(actor=f"user:{row['name']}", tenant=row["tenant"], role=row["role"])
        session = Session(caller, row["csrf"].decode(), sha256)
        if len(self._known) >= REMEMBERED_SESSIONS:
            self._known.clear()
        self._known[sha256] = (monotonic() + REMEMBERED_SECONDS, session)
        return session

    async def end(self, session: Session) -> str:
        """End a session for good and give the cookie that makes the browser forget it."""
        await self._pool.execute(_END, session.sha256)
        self._known.pop(session.sha256, None)
        return self._cookie("", 0)

    def _cookie(self, value: str, max_age: int) -> str:
        secure = "; Secure" if self._is_https else ""
        return (
            f"{self.cookie_name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"
        )

    def _secret(self, cookies: bytes | None) -> str | None:
        if not cookies:
            return None
        try:
            morsel = SimpleCookie(cookies.decode("latin-1")).get(self.cookie_name)
        except CookieError:
            return None
        return morsel.value or None if morsel is not None else None


def check_csrf(session: Session, sent: str) -> None:
    """Refuse a form that does not carry the session's own token."""
    # Compared as bytes: compare_digest raises on text that is not ASCII.
    if not compare_digest(session.csrf.encode(), sent.encode("utf-8", "surrogatepass")):
        raise Refused("csrf", "This page is out of date. Reload it and try again.")
