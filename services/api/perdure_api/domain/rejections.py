"""Why a command is refused: an ordinary outcome, in words a person understands."""

from msgspec import Struct


class FieldError(Struct, frozen=True):
    """What is wrong with one field; `pointer` is a JSON pointer into what was sent."""

    pointer: str
    code: str
    message: str


class Rejection(Struct, frozen=True, kw_only=True):
    """A command that changes nothing. `code` is the problem type; the rest helps to go on."""

    code: str
    message: str
    state: str | None = None
    allowed: tuple[str, ...] | None = None
    """The states in which the command is legal."""
    current_version: int | None = None
    run: str | None = None
    """The other run that stands in the way."""
    errors: tuple[FieldError, ...] = ()


def version_conflict(*, state: str, current: int, expected: int) -> Rejection:
    """Refuse a command that was meant for an older version."""
    return Rejection(
        code="version-conflict",
        message=f"It changed while you looked: it is {state} now (version {current}, not {expected}).",
        state=state,
        current_version=current,
    )
