"""The front door: the first and the last thing that every request meets.

Host, size of the head and the number of requests at once are checked before anything else is looked
at; every answer, of whatever part, leaves with an id and the security headers.
"""

import ipaddress
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from perdure_api.errors import Refused, Unavailable
from perdure_api.security import headers as answer_headers
from perdure_api.settings import LOOPBACK_NAMES, Settings, is_loopback
from perdure_runtime.clock import monotonic, new_id

MAX_HEAD_BYTES: Final = 8192
MAX_HEAD_FIELDS: Final = 100
MAX_AT_ONCE: Final = 3000
"""Requests being answered, up to 2,000 streams among them; more are told to come back."""


class Hosts:
    """Which `Host` names lead here: what a page of another site cannot make a browser send."""

    def __init__(self, settings: Settings) -> None:
        names = set(LOOPBACK_NAMES)
        if settings.public_url is not None:
            names.add(urlsplit(settings.public_url).hostname or "")
        if not is_loopback(settings.host):
            names.add(settings.host)
        self._names = frozenset(names)
        # In a trusted network without a public name people come by address. An address cannot be
        # rebound to another machine, a name can.
        self._takes_addresses = settings.allow_plain_http and settings.public_url is None
        self._known: dict[bytes, bool] = {}

    def allows(self, host: bytes) -> bool:
        """Tell whether a request for this host is ours; the port does not matter."""
        known = self._known.get(host)
        if known is None:
            known = self._looks_right(host)
            if known and len(self._known) < 100:  # noqa: PLR2004 - ports are few, senders are not trusted
                self._known[host] = known
        return known

    def _looks_right(self, host: bytes) -> bool:
        try:
            parts = urlsplit(f"//{host.decode('ascii')}")
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if name is None or b"@" in host or b"/" in host:
            return False
        return name in self._names or (self._takes_addresses and _is_address(name))


class Front:
    """Wraps the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        answer: Callable[[Scope, Exception], ASGIApp],
        observe: Callable[[int, float], None],
    ) -> None:
        """Take what is behind the door.

        Args:
            app: The application.
            settings: Which hosts are ours.
            answer: Makes the answer to an exception.
            observe: Told the status and the seconds of each answer; must not block.
        """
        self._app = app
        self._observe = observe
        self._hosts = Hosts(settings)
        self._answer = answer
        self._secure = settings.is_https
        self.at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, and see that something is answered whatever happens."""
        if scope["type"] != ScopeType.HTTP:
            await self._not_http(scope, receive, send)
            return
        request_id = new_id()
        scope["state"]["request_id"] = request_id
        if scope["method"] == "HEAD":
            # The server leaves the body out by the method of its own scope.
            scope = {**scope, "method": "GET"}
            scope["state"]["head_only"] = True
        started = False
        began = monotonic()

        async def dress(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._observe(message["status"], monotonic() - began)
                answer_headers.add(message, request_id, secure=self._secure)
            await send(message)

        self.at_once += 1
        try:
            self._check(scope)
            await self._app(scope, receive, dress)
        except Exception as error:
            # Once an answer has begun nothing better can be said: the connection is cut.
            if started:
                raise
            await self._answer(scope, error)(scope, receive, dress)
        finally:
            self.at_once -= 1

    def _check(self, scope: HTTPScope) -> None:
        size = 0
        host: bytes | None = None
        fields = scope["headers"]
        for name, value in fields:
            size += len(name) + len(value) + 4
            if name == b"host":
                if host is not None:
                    raise Refused("wrong-host", "The request names more than one host.")
                host = value
        if host is None or not self._hosts.allows(host):
            raise Refused(
                "wrong-host",
                "Perdure is not served under this name. Set PERDURE_PUBLIC_URL to allow it.",
            )
        if size + len(scope["raw_path"]) + len(scope["query_string"]) > MAX_HEAD_BYTES or (
            len(list(fields)) > MAX_HEAD_FIELDS
        ):
            raise Refused(
                "headers-too-large",
                "Address and headers together are limited to 8 kB and 100 fields.",
            )
        if self.at_once > MAX_AT_ONCE:
            raise Unavailable("Too many requests at once; try again in a second.", code="busy")

    async def _not_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": "no WebSocket here"})
        else:
            await self._app(scope, receive, send)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
