"""An answer as the bytes it is: encoded once, sent as it stands."""

from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus

import msgspec
from litestar.types import Receive, Scope, Send

Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
_encoder = msgspec.json.Encoder()


class Reply:
    """A whole answer; an ASGI application that sends it."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: bytes = b"", *, status: int = HTTPStatus.OK, headers: Iterable[Header] = ()
    ) -> None:
        self.body = body
        self.status = status
        self.headers = [*headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Send it. `receive` is not looked at: the body, if one was sent, has been read."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def to_asgi_response(self, **_: object) -> "Reply":
        """Give itself: what Litestar asks of the answer to an exception."""
        return self


def json_reply(
    value: object, *, status: int = HTTPStatus.OK, headers: Iterable[Header] = ()
) -> Reply:
    """Answer with a value as JSON."""
    return Reply(_encoder.encode(value), status=status, headers=(JSON, *headers))


def encode(value: object) -> bytes:
    """Give the JSON bytes of an answer."""
    return _encoder.encode(value)


class Download:
    """An answer that is sent piece by piece and never held whole; an ASGI application."""

    def __init__(self, source: AsyncIterator[bytes], *, headers: Iterable[Header] = ()) -> None:
        self._source = source
        self._headers = [*headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Send it at the reader's speed."""
        await send(
            {"type": "http.response.start", "status": HTTPStatus.OK, "headers": self._headers}
        )
        async for part in self._source:
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
