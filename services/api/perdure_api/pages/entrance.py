"""The page before the door, and what a browser may prefer."""

from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.pages.bare_contexts import LoginPage
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import (
    PREFERENCES,
    first,
    from_htmx,
    is_local,
    look,
    look_cookie,
    query_of,
    read_form,
    see_other,
)
from perdure_api.routes.replies import Header, Reply
from perdure_api.security.access import HttpRequest, session_of


@get("/login", opt={"permission": "public"}, name="how to sign in")
async def login_page(request: HttpRequest) -> ASGIApp:
    """Say how to come in; who is in already goes on."""
    if session_of(request) is not None:
        onward = query_of(request).get("next", "/")
        return see_other(onward if is_local(onward) else "/")
    return html("login.html", {"page": LoginPage(title="Sign in", theme=look(request)["theme"])})


@post("/preferences", opt={"permission": "view"}, name="preferences")
async def prefer(request: HttpRequest) -> ASGIApp:
    """Keep what a browser prefers in cookies, and lead back to the page it came from."""
    fields = await read_form(request)
    cookies: list[Header] = []
    for name, (_, choices) in PREFERENCES.items():
        value = first(fields, name)
        if value in (choice for choice, _ in choices):
            cookies.append((b"set-cookie", look_cookie(name, value).encode()))
    if from_htmx(request):
        return Reply(status=204, headers=cookies)
    onward = first(fields, "next")
    return see_other(onward if is_local(onward) else "/", *cookies)


HANDLERS: Final[list[HTTPRouteHandler]] = [login_page, prefer]
