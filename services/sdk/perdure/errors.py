"""What can go wrong between a program and Perdure.

PerdureError
├── NoServer                 no address is known: nothing was said, nothing was found
├── Unreachable              nobody answered, or the connection broke
├── BadAnswer                something answered that is not this API
├── WaitedTooLong            the run was still going when the time for waiting was over
└── Problem                  the server refused: code, title, detail, status and what else it said
    ├── Unauthorized         401  no token, or one that opens nothing
    ├── Forbidden            403  the token's role is too small
    ├── NotFound             404  it is not there, or not yours
    ├── Conflict             409  not legal in this state, changed meanwhile, already running
    ├── Invalid              400, 413, 415, 422  the request is wrong; `errors` say where
    ├── TooMany              429  slow down
    └── Unavailable          503  cannot now; `retry_after_seconds` says when to ask again
"""

from typing import Any

import msgspec


class PerdureError(Exception):
    """Something went wrong between this program and Perdure."""


class NoServer(PerdureError):
    """No address is known: give url and token, set PERDURE_URL and PERDURE_TOKEN, or start one."""


class Unreachable(PerdureError):
    """Nobody answered at the server's address, or the connection broke."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"Cannot reach Perdure at {url} ({why}). `make run` starts one.")
        self.url = url
        self.why = why


class BadAnswer(PerdureError):
    """Something answered that is not this API."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url} did not answer as Perdure does ({why}): check the address.")
        self.url = url


class WaitedTooLong(PerdureError):
    """The run was still going when the time for waiting was over."""

    def __init__(self, run: str, state: str) -> None:
        super().__init__(f"Run {run} is still {state}: wait longer, or look why.")
        self.run = run
        self.state = state


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at one place of a request."""

    message: str
    pointer: str = ""
    """JSON pointer into the body, like `/spec/argv/0`; or the name of a query parameter."""
    code: str = ""


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a problem answer (RFC 9457) that programs decide by."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    state: str | None = None
    allowed: tuple[str, ...] = ()
    current_version: int | None = None
    run: str | None = None


class Problem(PerdureError):
    """The server refused."""

    def __init__(self, status: int, body: ProblemBody, members: dict[str, Any]) -> None:
        self.status = status
        self.code = body.type.rsplit("/", 1)[-1]
        """The last part of the problem's type, like `wrong-state`."""
        self.title = body.title
        self.detail = body.detail
        self.errors = body.errors
        self.state = body.state
        self.allowed = body.allowed
        self.current_version = body.current_version
        self.run = body.run
        self.members = members
        """Everything that the answer held, as plain JSON values."""
        self.retry_after_seconds: float | None = None
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        said = self.detail or self.title or f"The server answered {self.status}."
        places = [f"{at.pointer}: {at.message}" if at.pointer else at.message for at in self.errors]
        fresh = [place for place in places if place not in said]
        return " · ".join([said, *fresh[:5]])


class Unauthorized(Problem):
    """No token was sent, or one that opens nothing."""


class Forbidden(Problem):
    """The token's role is too small for this."""


class NotFound(Problem):
    """It is not there, or not yours."""


class Conflict(Problem):
    """Not legal in this state, changed meanwhile, or already running."""


class Invalid(Problem):
    """The request is wrong; `errors` say where."""


class TooMany(Problem):
    """Too many requests; wait `retry_after_seconds`."""


class Unavailable(Problem):
    """The server cannot do this now; ask again after `retry_after_seconds`."""


BY_STATUS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooMany,
    503: Unavailable,
}
