"""A request as data: what is sent, and what the answer is read as. No I/O.

Both clients send the same requests; a call of the API is written once, as a function that gives a
`Request` (or `Steps`, when it takes several).
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
Item = TypeVar("Item")

PIECE_BYTES = 65536

Parameter = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One exchange with the API; `answer` is the type its body is read as, `str` is the text."""

    method: str
    path: str
    answer: type[T]
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """Sent as the body, in pieces."""

    def pieces(self) -> Iterator[bytes]:
        """Give the file's content."""
        if self.file is not None:
            with self.file.open("rb") as source:
                while piece := source.read(PIECE_BYTES):
                    yield piece


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be sent for a while."""

    seconds: float


Steps = Generator[Request[Any] | Pause, Any, T]
"""Several exchanges: yields what to do next and is sent each answer; returns the outcome."""


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Part of a list; `next` goes on behind it, none at the end."""

    items: tuple[Item, ...]
    next: str | int | None = None


def get(path: str, answer: type[T], **params: Parameter) -> Request[T]:
    """Read something. Parameters without a value are left out."""
    return Request("GET", path, answer, params=parameters(params))


def post(
    path: str, answer: type[T], body: object = None, *, idempotency_key: str | None = None
) -> Request[T]:
    """Change something. Fields of a body given as a dictionary are left out when they are none."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Request("POST", path, answer, body=encoded(body), headers=headers)


def put(path: str, answer: type[T], body: object) -> Request[T]:
    """Replace something."""
    return Request("PUT", path, answer, body=msgspec.json.encode(body))


def encoded(body: object) -> bytes:
    """Give the JSON of a body."""
    if body is None:
        return b"{}"
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    return msgspec.json.encode(body)


def parameters(params: Mapping[str, Parameter]) -> dict[str, str]:
    """Write query parameters as text; those without a value are left out."""
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
