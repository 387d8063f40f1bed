"""What the routes that change something have in common: bodies, repeatable answers, positions."""

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

from perdure_api.domain.rejections import FieldError
from perdure_api.drafts import refuse_bad_text
from perdure_api.errors import NotFoundError, Refused, invalid
from perdure_api.fields import read
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.routes.bodies import Body, read_json, refuse_too_deep
from perdure_api.routes.replies import JSON, Reply
from perdure_api.security.access import HttpRequest, header

T = TypeVar("T")

MAX_KEY: Final = 255
RUN_ID_LENGTH: Final = 36
_HEX: Final = frozenset("0123456789abcdef")

POSITION: Final = "perdure-position"
WRITES: Final = {
    "Perdure-Position": "The log's position after this; give it to lists as `min_position`."
}
CREATES: Final = {
    **WRITES,
    "Location": "Where what was made is.",
    "Idempotency-Replayed": "`true` when this is the first answer again.",
}


def validated(body: Body, check: Callable[[Body], T]) -> T:
    """Check a body; what is not valid because it is nested too deep is called so."""
    try:
        return check(body)
    except Refused:
        refuse_too_deep(body.value)
        raise


async def read_fields(request: HttpRequest, kind: type[T], *, may_be_empty: bool = False) -> T:
    """Read a small body as its declared type."""
    body = await read_json(request, may_be_empty=may_be_empty)
    return validated(body, lambda b: read_clean(b, kind))


def idempotency_of(
    request: HttpRequest, body: Body, render: Callable[[T], StoredAnswer]
) -> Idempotency | None:
    """Take the `Idempotency-Key` of a request; the same key with another body or address is refused."""
    key = header(request.scope, b"idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY or not key.decode("latin-1").isprintable():
        fault = FieldError(
            "/Idempotency-Key", "out-of-range", f"1 to {MAX_KEY} printable characters."
        )
        raise invalid((fault,))
    of = hashlib.sha256(request.scope["path"].encode() + b"\n" + body.sha256).digest()
    return Idempotency(key=key.decode("latin-1"), body_sha256=of, render=render)


def answered(result: T | StoredAnswer, render: Callable[[T], StoredAnswer]) -> Reply:
    """Answer with the result of a command, or with the first answer to its key again."""
    replayed = isinstance(result, StoredAnswer)
    answer = result if isinstance(result, StoredAnswer) else render(result)
    headers = [JSON, *((name.encode(), value.encode()) for name, value in answer.headers.items())]
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return Reply(answer.body, status=answer.status, headers=headers)


def position_header(position: int) -> tuple[bytes, bytes]:
    """Tell the log's position after a write."""
    return (POSITION.encode(), str(position).encode())


def as_run_id(text: str) -> str:
    """Take a run's id from a path; what cannot be one is simply not there."""
    if (
        len(text) != RUN_ID_LENGTH
        or not _HEX.issuperset(text.replace("-", ""))
        or text[8::5][:4] != "----"
    ):
        raise NotFoundError(text)
    return text


def read_clean(body: Body, kind: type[T]) -> T:
    """Read a parsed body as its type; texts that cannot be stored are refused."""
    if not body.clean:
        refuse_bad_text(body.value)
    return read(body.value, kind)
