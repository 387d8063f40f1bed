"""Into the dashboard and out of it: a one-time link becomes a cookie."""

from http import HTTPStatus
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import Refused
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, session_of
from perdure_api.security.links import use_login_link
from perdure_api.services import services_of


@get("/login/{secret:str}", opt={"permission": "public"}, name="login with a link")
async def log_in(request: HttpRequest) -> ASGIApp:
    """Use up a link and begin a session under a new id."""
    services = services_of(request)
    if request.scope["state"].get("head_only"):
        # Asking what is there must not use it up.
        raise Refused(
            "method-not-allowed", "A login link is opened with GET.", headers=(("allow", "GET"),)
        )
    peer = request.client.host if request.client is not None else ""
    services.logins.check(peer)
    try:
        caller = await use_login_link(services.database.pool, str(request.path_params["secret"]))
    except Refused:
        services.logins.failed(peer)
        raise
    cookie = await services.sessions.start(caller)
    await services.link_note.replace()
    return _see_other("/", cookie)


@post("/logout", opt={"permission": "view"}, name="log out")
async def log_out(request: HttpRequest) -> ASGIApp:
    """End the session."""
    session = session_of(request)
    if session is None:
        return _see_other("/login")
    return _see_other("/login", await services_of(request).sessions.end(session))


def _see_other(address: str, cookie: str | None = None) -> Reply:
    headers = [(b"location", address.encode())]
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode()))
    return Reply(status=HTTPStatus.SEE_OTHER, headers=headers)


HANDLERS: Final[list[HTTPRouteHandler]] = [log_in, log_out]
