"""The HTTP/1.1 parser's guard: a head that never ends and bytes that are no HTTP are answered, briefly."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perdure_api.routes.problems import problem
from perdure_api.security import headers
from perdure_runtime.clock import new_id

MAX_UNPARSED_HEAD_BYTES: Final = 65_536
"""The front door refuses from 8 kB on, in words; this bounds the memory of what never gets there."""
HEAD_SECONDS: Final = 30.0
"""How long a connection may take to say what it wants."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a bound on the head of a request and on the time it takes."""

    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: object) -> None:
        """Begin to count the time."""
        super().connection_made(transport)  # type: ignore[arg-type]  # what asyncio gives
        self._head_deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._head_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head while it is not complete."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_UNPARSED_HEAD_BYTES + self._complete_bytes(data):
                self._refuse(
                    "headers-too-large", "Address and headers together are limited to 8 kB."
                )
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is there; a body may follow for as long as its reader waits."""
        self._in_head = False
        self._head_bytes = 0
        self._head_deadline.cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next head may begin."""
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's words are not ours
        """Answer what is no HTTP like everything else is answered."""
        self._refuse("bad-request", "This is not HTTP.")

    def _complete_bytes(self, data: bytes) -> int:
        # A large body may arrive together with the end of its head.
        return len(data) if b"\r\n\r\n" in data else 0

    def _too_slow(self) -> None:
        if self._in_head and not self.transport.is_closing():
            self._refuse("timeout", "The head of the request did not arrive in time.")

    def _refuse(self, code: str, detail: str) -> None:
        request_id = new_id()
        reply = problem(code, detail, request_id)
        lines = [
            f"HTTP/1.1 {reply.status} Refused".encode(),
            b"content-length: %d" % len(reply.body),
            b"connection: close",
            b"x-request-id: " + request_id.encode(),
            *(b": ".join(header) for header in (*reply.headers, *headers.EVERYWHERE)),
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + reply.body)
        self.transport.close()
