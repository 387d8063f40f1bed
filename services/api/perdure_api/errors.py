"""The api's exceptions.

    ApiError
    ├── Rejected          a command was refused; says why, in words and values
    ├── Unavailable       PostgreSQL is away, or too much waits; try again
    ├── NotFoundError     no such thing, or not yours
    └── CannotStart       a setting or a server is not as it must be; exit code 2
"""

from perdure_api.domain.rejections import Rejection


class ApiError(Exception):
    """Something that the api answers in words."""


class Rejected(ApiError):  # noqa: N818 -- an outcome, not a fault
    """A command was refused."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


class Unavailable(ApiError):  # noqa: N818 -- an outcome, not a fault
    """It cannot be done now; the same may go through later."""

    def __init__(self, why: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(ApiError):
    """There is no such thing, or it is not yours."""


class CannotStartError(ApiError):
    """A setting or a server is not as it must be."""
