"""Frames of a page's stream: signals without content, and HTML to be put in its place."""

import json
import re
from typing import Final

_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")


def signal(name: str, value: object = None, *, identifier: str | None = None) -> bytes:
    """Set off an event in the page."""
    return _head(identifier) + f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()


def fragment(html: str, target: str, swap: str, *, identifier: str | None = None) -> bytes:
    """Put rendered HTML where it belongs. Whatever the text says, it stays inside its data lines."""
    partial = f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'
    data = "".join(f"data: {line}\n" for line in _LINE_ENDS.split(partial))
    return _head(identifier) + f"{data}\n".encode("utf-8", "replace")


def silence(*, identifier: str | None = None) -> bytes:
    """Say nothing, so that the connection is known to live; with an id the place moves on."""
    return _head(identifier) + b": still here\n\n"


def _head(identifier: str | None) -> bytes:
    return b"" if identifier is None else f"id: {identifier}\n".encode()
