"""The headers that every answer carries."""

from typing import Final

from litestar.types import HTTPResponseStartEvent

CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    b"manifest-src 'self'; require-trusted-types-for 'script'; trusted-types perdure"
)
SANDBOX: Final = b"sandbox; default-src 'none'"
"""The policy of raw downloads: what a program printed is never a page."""

EVERYWHERE: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
    (b"cache-control", b"no-store"),
)
HTML_VARIES: Final = (b"vary", b"Cookie, HX-Request, HX-Request-Type")
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")


def add(message: HTTPResponseStartEvent, request_id: str, *, secure: bool) -> None:
    """Put them on an answer that begins; what the answer says itself wins."""
    own = list(message["headers"])
    said = {name.lower() for name, _ in own}
    own.extend(header for header in EVERYWHERE if header[0] not in said)
    own.append((b"x-request-id", request_id.encode()))
    if secure:
        own.append(STRICT_TRANSPORT)
    if b"vary" not in said and (b"content-type", b"text/html; charset=utf-8") in own:
        own.append(HTML_VARIES)
    message["headers"] = own
