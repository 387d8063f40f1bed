"""Every error → its answer. HTTP statuses of errors stand here and nowhere else."""

from http import HTTPStatus
from typing import Final

import asyncpg
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import Scope
from sqlalchemy.exc import DBAPIError

from perdure_api.domain.rejections import Rejection
from perdure_api.errors import NotFoundError, Refused, Rejected, Unavailable
from perdure_api.routes.replies import Header, Reply, encode
from perdure_runtime import logs

log = logs.get(__name__)

PROBLEM_JSON: Final[Header] = (b"content-type", b"application/problem+json")

# code → (status, title). What is not named here is a field or a request that is not valid: 422.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "malformed-json": (400, "The body is not JSON"),
    "malformed-text": (400, "The text is not UTF-8"),
    "too-deep": (400, "The body is nested too deep"),
    "duplicate-key": (400, "A key is given twice"),
    "duplicate-parameter": (400, "A parameter is given twice"),
    "bad-cursor": (400, "The cursor is not one of ours"),
    "bad-request": (400, "The request cannot be understood"),
    "credential-in-url": (400, "A credential does not belong into an address"),
    "unauthorized": (401, "A token is needed"),
    "token-expired": (401, "The token has expired"),
    "login-needed": (401, "Log in first"),
    "forbidden": (403, "Your role does not allow this"),
    "csrf": (403, "This page is out of date"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "This cannot be done here"),
    "timeout": (408, "The request took too long to arrive"),
    "wrong-state": (409, "The run is in another state"),
    "version-conflict": (409, "It changed while you looked"),
    "from-file": (409, "It comes from the jobs file"),
    "already-exists": (409, "There is one of this name"),
    "already-running": (409, "A run with this key is not over"),
    "no-checkpoint": (409, "There is no such checkpoint"),
    "not-a-batch": (409, "This run has no items"),
    "dry-run-needed": (409, "A dry run is needed first"),
    "conflict": (409, "Something stands in the way"),
    "link-used": (410, "This link opens nothing any more"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body is not JSON"),
    "wrong-host": (421, "This address is not served here"),
    "validation": (422, "Some fields are not valid"),
    "too-many-requests": (429, "Too many requests"),
    "headers-too-large": (431, "The head of the request is too large"),
    "internal": (500, "Something went wrong here"),
    "unavailable": (503, "Not available now"),
    "busy": (503, "Too much to do"),
    "behind": (503, "The view is behind"),
}
INVALID: Final = (422, "A field is not valid")


def is_api(path: str) -> bool:
    """Tell whether a path is for programs (answers in JSON) or for people (answers in HTML)."""
    return path.startswith("/api/") or path in ("/api", "/healthz", "/readyz", "/metrics")


def status_of(code: str) -> int:
    """Give the HTTP status of a problem's code."""
    return PROBLEMS.get(code, INVALID)[0]


def translate(error: Exception) -> Refused | Rejected | Unavailable | None:
    """Turn a foreign exception into one of ours; None for a bug."""
    match error:
        case Refused() | Rejected() | Unavailable():
            return error
        case NotFoundException() | NotFoundError():
            return Refused("not-found", "There is nothing here under this address.")
        case MethodNotAllowedException():
            allow = ", ".join(
                sorted(
                    m for m in (error.headers or {}).get("allow", "").split(", ") if m != "OPTIONS"
                )
            )
            return Refused(
                "method-not-allowed",
                "This address does not take this method.",
                headers=(("allow", allow),),
            )
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Refused("bad-request", "The request cannot be understood.")
        case (
            OSError()
            | TimeoutError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | asyncpg.PostgresConnectionError()
        ):
            return Unavailable("The store cannot be reached; nothing was changed.")
        case (
            asyncpg.OperatorInterventionError()
            | asyncpg.InsufficientResourcesError()
            | asyncpg.ObjectNotInPrerequisiteStateError()
        ):
            return Unavailable("The store is not ready; nothing was changed.")
        case DBAPIError() if error.orig is not None and isinstance(error.orig.__cause__, Exception):
            return translate(error.orig.__cause__)
        case _:
            return None


def answer(error: Exception, request_id: str) -> Reply:
    """Answer a program: RFC 9457. A bug is logged and answered with its request id only."""
    known = translate(error)
    match known:
        case Rejected():
            return _rejected(known.rejection, request_id)
        case Refused():
            more: dict[str, object] = dict(known.more)
            if known.errors:
                more["errors"] = known.errors
            return problem(known.code, known.detail, request_id, more=more, headers=known.headers)
        case Unavailable():
            retry = ("retry-after", str(max(1, round(known.retry_after_seconds))))
            return problem(known.code, known.why, request_id, headers=(retry,))
        case None:
            log.error("request failed", request_id=request_id, exc_info=error)
            return problem("internal", "It is on record under this request's id.", request_id)


def problem(
    code: str,
    detail: str,
    request_id: str,
    *,
    more: dict[str, object] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """Make one problem document."""
    status, title = PROBLEMS.get(code, INVALID)
    body: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"/requests/{request_id}",
        **(more or {}),
    }
    extra: list[Header] = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    if status == HTTPStatus.UNAUTHORIZED:
        extra.append((b"www-authenticate", b"Bearer"))
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        extra.append((b"accept-post", b"application/json"))
    return Reply(encode(body), status=status, headers=(PROBLEM_JSON, *extra))


def _rejected(rejection: Rejection, request_id: str) -> Reply:
    more: dict[str, object] = {
        name: value
        for name in ("state", "allowed", "current_version", "run", "errors")
        if (value := getattr(rejection, name)) not in (None, ())
    }
    return problem(rejection.code, rejection.message, request_id, more=more)


def request_id_of(scope: Scope) -> str:
    """Give the id that the front door gave to this request."""
    return str(scope["state"].get("request_id", ""))
