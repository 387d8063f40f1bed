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
FED_AT_ONCE: Final = 8192
MAX_PIPELINED: Final = 8
"""Requests of one connection that are taken apart before the first of them is answered."""
MAX_HELD_BYTES: Final = 32_000_000
"""Bytes of all connections that wait to be taken apart."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on a head, on its time, and on requests sent ahead."""

    _in_head = True
    _head_bytes = 0
    _held = b""
    _held_by_all = 0

    def connection_made(self, transport: object) -> None:
        """Begin to count the time."""
        super().connection_made(transport)  # type: ignore[arg-type]  # what asyncio gives
        self._head_deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting, and forget what was held."""
        self._head_deadline.cancel()
        self._hold(b"")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take apart as much as may wait for its answer; hold the rest."""
        if self._held:
            self._hold(self._held + data)
            return
        for first in range(0, len(data), FED_AT_ONCE):
            if len(self.pipeline) >= MAX_PIPELINED:
                self._hold(data[first:])
                return
            if not self._feed(data[first : first + FED_AT_ONCE]):
                return

    def on_response_complete(self) -> None:
        """Go on with what was held, now that there is room."""
        super().on_response_complete()
        if self._held:
            self.flow.pause_reading()
            self.loop.call_soon(self._feed_held)

    def _feed_held(self) -> None:
        held = self._held
        self._hold(b"")
        if held and not self.transport.is_closing():
            self.data_received(held)

    def _hold(self, data: bytes) -> None:
        GuardedProtocol._held_by_all += len(data) - len(self._held)
        self._held = data
        if data:
            self.flow.pause_reading()
        if data and GuardedProtocol._held_by_all > MAX_HELD_BYTES:
            # Nothing of it was looked at, so nothing is lost that was answered.
            self._hold(b"")
            self.transport.close()

    def _feed(self, data: bytes) -> bool:
        """Take bytes apart; count those of a head that is not complete."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_UNPARSED_HEAD_BYTES:
                self._refuse(
                    "headers-too-large", "Address and headers together are limited to 8 kB."
                )
                return False
        super().data_received(data)
        return not self.transport.is_closing()

    def on_headers_complete(self) -> None:
        """The head is there; a body may follow for as long as its reader waits."""
        self._in_head = False
        self._head_bytes = 0
        self._head_deadline.cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next head may begin."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's words are not ours
        """Answer what is no HTTP like everything else is answered."""
        self._refuse("bad-request", "This is not HTTP.")

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
