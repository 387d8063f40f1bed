"""Secrets: made here, shown once, kept only as their hash."""

import base64
import hashlib
import secrets

BYTES = 32
"""256 bits: nothing to guess, so no salt and no slow hash are needed."""


def new_secret() -> str:
    """Make a secret that fits into a URL, a header and a shell word."""
    return base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).rstrip(b"=").decode()


def digest(secret: str) -> bytes:
    """Give what is kept of a secret. Any text will do, also one that no one ever made."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
