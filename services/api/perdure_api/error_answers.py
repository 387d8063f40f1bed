"""Errors as people see them: a page in the frame where one can be drawn, else a plain one."""

from html import escape
from http import HTTPStatus
from typing import Final

from litestar.types import ASGIApp

from perdure_api.errors import Refused, Rejected, Unavailable
from perdure_api.pages.errors import error_response
from perdure_api.routes.gate import login_address
from perdure_api.routes.problems import INVALID, PROBLEMS, request_id_of, translate
from perdure_api.routes.replies import Header, Reply
from perdure_api.security.access import HttpRequest, header
from perdure_runtime import logs

log = logs.get(__name__)

HTML: Final = (b"content-type", b"text/html; charset=utf-8")


def page_answer(request: HttpRequest, error: Exception) -> ASGIApp:
    """Answer a person's browser."""
    scope = request.scope
    headers: list[Header] = []
    code, words = "internal", f"It is on record as request {request_id_of(scope)}."
    match translate(error):
        case Rejected() as known:
            code, words = known.rejection.code, known.rejection.message
        case Refused() as known:
            code, words = known.code, known.detail
            headers += [(name.encode(), value.encode("latin-1")) for name, value in known.headers]
        case Unavailable() as known:
            code, words = known.code, known.why
            headers.append((b"retry-after", str(max(1, round(known.retry_after_seconds))).encode()))
        case None:
            log.error("page failed", request_id=request_id_of(scope), exc_info=error)
    if code == "login-needed":
        return _to_login(request)
    page = _page(request, code, words)
    page.headers.extend(headers)
    return page


def _to_login(request: HttpRequest) -> Reply:
    address = login_address(request.scope).encode()
    if header(request.scope, b"hx-request") == b"true":
        return Reply(status=HTTPStatus.UNAUTHORIZED, headers=((b"hx-redirect", b"/login"),))
    return Reply(status=HTTPStatus.SEE_OTHER, headers=((b"location", address),))


def _page(request: HttpRequest, code: str, words: str) -> Reply:
    status, title = PROBLEMS.get(code, INVALID)
    try:
        return error_response(request, status, code, words)
    except Exception:
        log.exception("error page failed", code=code)
        return plain_page(status, title, words)


def plain_page(status: int, title: str, words: str) -> Reply:
    """Draw a page without a frame: for what breaks the frame itself."""
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · Perdure</title></head><body><main><h1>{escape(title)}</h1>"
        f'<p>{escape(words)}</p><p><a href="/">Overview</a></p></main></body></html>'
    )
    return Reply(body.encode(), status=status, headers=(HTML,))
