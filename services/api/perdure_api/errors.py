"""What can go wrong in the api, as one tree.

    ApiError
    ├── CannotStart       one line for the person at the terminal; the process ends with code 2
    ├── Rejected          a command changed nothing, for a reason of the domain
    ├── Refused           a request was turned away before it became a command
    ├── NotFoundError     no such thing, or not yours
    └── Unavailable       PostgreSQL is away, or too much waits: ask again later

No HTTP status stands here: `routes/problems.py` alone turns these into answers.
"""

from perdure_api.domain.rejections import FieldError, Rejection


class ApiError(Exception):
    """Something that the api answers in words."""


class CannotStart(ApiError):
    """The process cannot start; the text says what happened and what to do next."""


class Rejected(ApiError):
    """A command was refused; nothing was changed."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


class Refused(ApiError):
    """A request was turned away. `code` is the problem's type; `detail` never repeats a value."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        more: dict[str, str | int] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.more = more or {}


class NotFoundError(ApiError):
    """There is no such thing, or it belongs to someone else: one answer for both."""


class Unavailable(ApiError):
    """It cannot be done now; the same may go through later."""

    def __init__(
        self, why: str, *, retry_after_seconds: float = 1.0, code: str = "unavailable"
    ) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after_seconds = retry_after_seconds
        self.code = code


def invalid(errors: tuple[FieldError, ...]) -> Refused:
    """Refuse a body or a form because of its fields."""
    if len(errors) == 1:
        return Refused(errors[0].code, "1 field needs attention.", errors=errors)
    return Refused("validation", f"{len(errors)} fields need attention.", errors=errors)
