"""The gate before every handler: credential, permission, forgery.

Runs after routing, so that it knows what the route declared. A route that declares no permission is
closed to everybody.
"""

import ipaddress
from typing import Final, Protocol
from urllib.parse import parse_qs, quote, urlsplit

from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Receive, Scope, Send

from perdure_api.errors import Refused
from perdure_api.routes.bodies import MAX_BODY_BYTES, read_bytes
from perdure_api.routes.forms_with_files import first_field, is_form_with_file
from perdure_api.routes.problems import is_api
from perdure_api.security.access import header
from perdure_api.security.roles import Permission, require
from perdure_api.security.sessions import Session, Sessions, check_csrf
from perdure_api.security.tokens import Tokens

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER: Final = b"x-csrf"
CSRF_FIELD: Final = "_csrf"


class Doors(Protocol):
    """What the gate asks: who has this token, whose is this cookie."""

    @property
    def tokens(self) -> Tokens:
        """Tokens of programs."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Sessions of browsers."""
        ...


class Gate:
    """Middleware of the application, around each route."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass with its caller noted, or refuse it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        permission: Permission | None = scope["route_handler"].opt.get("permission")
        if permission is None:
            raise _closed(scope)
        if is_api(scope["path"]):
            await self._program(scope, permission)
        else:
            receive = await self._person(scope, receive, permission)
        await self._app(scope, receive, send)

    async def _program(self, scope: HTTPScope, permission: Permission) -> None:
        # The cookie is not looked at: a page of another site can make a browser send it.
        if permission == "public" or (permission == "loopback" and _is_from_here(scope)):
            return
        caller = await self._doors.tokens.caller(header(scope, b"authorization"))
        scope["state"]["caller"] = caller
        require(caller, permission)

    async def _person(self, scope: HTTPScope, receive: Receive, permission: Permission) -> Receive:
        session = await self._doors.sessions.find(header(scope, b"cookie"))
        if session is not None:
            scope["state"]["session"] = session
            scope["state"]["caller"] = session.caller
        if permission != "public":
            if session is None:
                raise Refused("login-needed", "Open the link that `perdure login` prints.")
            require(session.caller, permission)
        if scope["method"] in SAFE_METHODS:
            return receive
        check_origin(scope)
        if session is None:
            raise Refused("csrf", "This page is out of date. Reload it and try again.")
        return await _check_form(scope, receive, session)


def check_origin(scope: HTTPScope) -> None:
    """Refuse what another site's page sends."""
    site = header(scope, b"sec-fetch-site")
    origin = header(scope, b"origin")
    own = (header(scope, b"host") or b"").decode("latin-1").lower()
    foreign = site is not None and site not in (b"same-origin", b"none")
    if origin is not None:
        foreign = foreign or urlsplit(origin.decode("latin-1")).netloc.lower() != own
    if foreign:
        raise Refused("csrf", "This was sent by another site.")


async def _check_form(scope: HTTPScope, receive: Receive, session: Session) -> Receive:
    """Check the form's token, from its header or its field; give the body to be read again."""
    sent = header(scope, CSRF_HEADER)
    if sent is not None:
        check_csrf(session, sent.decode("latin-1"))
        return receive
    if is_form_with_file(scope):
        token, receive = await first_field(scope, receive, CSRF_FIELD)
        check_csrf(session, token)
        return receive
    data = await read_bytes(scope, receive, limit=MAX_BODY_BYTES)
    fields = parse_qs(data.decode("utf-8", "replace"), max_num_fields=1000)
    check_csrf(session, fields.get(CSRF_FIELD, [""])[0])
    return _again(data, receive)


def _again(data: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> HTTPReceiveMessage:
        nonlocal given
        if given:
            return await receive()  # type: ignore[return-value]  # of an HTTP connection
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    return replay


def _closed(scope: HTTPScope) -> Exception:
    """Answer OPTIONS, which the router adds by itself, like any method that is not there."""
    if scope["method"] == "OPTIONS":
        try:
            scope["litestar_app"].asgi_router.handle_routing(path=scope["path"], method="NONE")
        except MethodNotAllowedException as error:
            return error
    return RuntimeError("a route declares no permission")


def _is_from_here(scope: HTTPScope) -> bool:
    client = scope["client"]
    # Behind a proxy everybody comes from here.
    if client is None or header(scope, b"x-forwarded-for") or header(scope, b"forwarded"):
        return False
    return ipaddress.ip_address(client[0]).is_loopback


def login_address(scope: HTTPScope) -> str:
    """Give the login page, which leads back to where one wanted to go."""
    path = scope["path"]
    if (
        scope["method"] != "GET"
        or path == "/"
        or not path.startswith("/")
        or path.startswith(("//", "/\\"))
    ):
        return "/login"
    query = scope["query_string"].decode("latin-1")
    return "/login?next=" + quote(f"{path}?{query}" if query else path, safe="/")
