"""Who is asking, as handlers get to know it. `gate` has put it there."""

from litestar.connection import Request
from litestar.datastructures import State
from litestar.types import Scope

from perdure_api.domain.callers import Caller
from perdure_api.security.sessions import Session

HttpRequest = Request[object, object, State]


def caller_of(request: HttpRequest) -> Caller:
    """Give the caller; routes that are public have none and must not ask."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def session_of(request: HttpRequest) -> Session | None:
    """Give the browser's session; None on public pages and in the API."""
    session: Session | None = request.scope["state"].get("session")
    return session


def header(scope: Scope, name: bytes) -> bytes | None:
    """Give the first value of a header; `name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None
