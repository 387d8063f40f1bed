"""Reading a body: its size while it arrives, its kind, its text, its JSON; nothing is guessed.

The standard library's parser is used for one reason: its hook sees every pair of an object, so a key
given twice is noticed and not silently won by the last.
"""

import asyncio
import hashlib
import json
from typing import Any, BinaryIO, Final, NoReturn

from litestar.types import Receive, Scope
from msgspec import Struct

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused
from perdure_api.fields import pointer
from perdure_api.security.access import HttpRequest, header

MAX_BODY_BYTES: Final = 1_000_000
MAX_BULK_BYTES: Final = 32_000_000
MAX_DEPTH: Final = 64
READ_SECONDS: Final = 60


class Body(Struct, frozen=True):
    """A body of JSON."""

    value: Any
    sha256: bytes
    clean: bool
    """Whether no text of it can hold a character that cannot be stored."""


async def read_json(
    request: HttpRequest, *, limit: int = MAX_BODY_BYTES, may_be_empty: bool = False
) -> Body:
    """Read the body of a request as JSON.

    Args:
        request: The request.
        limit: Largest size in bytes.
        may_be_empty: Take no body at all as an empty object.

    Raises:
        Refused: when it is too large, not JSON, not UTF-8, too deep, or has a key twice.
    """
    data = await read_bytes(request.scope, request.receive, limit=limit)
    if not data and may_be_empty:
        return Body({}, hashlib.sha256(b"").digest(), clean=True)
    content_type = header(request.scope, b"content-type")
    if content_type != b"application/json" and not _is_json(content_type):
        raise Refused(
            "unsupported-media-type", "Send the body as `Content-Type: application/json`."
        )
    return Body(parse(data), hashlib.sha256(data).digest(), clean=b"\\u" not in data)


async def read_bytes(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """Read a body as the bytes it is; stops at the first byte over the limit."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(message["body"]) > limit:
            raise _too_large(limit)
        return bytes(message["body"])
    data = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            while True:
                if message["type"] != "http.request":
                    raise Refused("bad-request", "The connection was closed within the body.")
                data += message["body"]
                if len(data) > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return bytes(data)
                message = await receive()
    except TimeoutError as error:
        raise Refused("timeout", f"The body did not arrive within {READ_SECONDS} s.") from error


async def stream_to_file(scope: Scope, receive: Receive, file: BinaryIO, *, limit: int) -> None:
    """Write a body of any length into a file as it arrives; stops at the first byte over the limit.

    It may take as long as it needs, but not stand still.
    """
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    size = 0
    more = True
    while more:
        try:
            async with asyncio.timeout(READ_SECONDS):
                message = await receive()
        except TimeoutError as error:
            words = f"Nothing of the body arrived for {READ_SECONDS} s."
            raise Refused("timeout", words) from error
        if message["type"] != "http.request":
            raise Refused("bad-request", "The connection was closed within the body.")
        size += len(message["body"])
        if size > limit:
            raise _too_large(limit)
        await asyncio.to_thread(file.write, message["body"])
        more = message.get("more_body", False)


def parse(data: bytes) -> Any:  # noqa: ANN401 -- a decoder's mouth
    """Parse JSON strictly: UTF-8, one value, no key twice, no NaN, finite numbers, not too deep."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("malformed-text", "The body is not valid UTF-8.") from error
    try:
        return _decoder.decode(text)
    except _DuplicateKeyError:
        raise _duplicate_key(text) from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        end = len(text.rstrip())
        cut_off = error.pos >= end or error.msg.startswith("Unterminated string")
        byte = len(data) if cut_off else len(text[: error.pos].encode())
        words = "is not complete JSON" if cut_off else "is not JSON"
        raise Refused("malformed-json", f"The body {words} (byte {byte}).") from error
    except ValueError as error:
        raise Refused(
            "malformed-json", "A number in the body is not one that JSON can carry."
        ) from error


def refuse_too_deep(value: object) -> None:
    """Refuse a value of more than 64 levels. Worth asking only for what had another fault already."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _too_deep()


class _DuplicateKeyError(Exception):
    """An object has a key twice."""


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, to find the key that is there twice."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _no_constant(_: str) -> NoReturn:
    message = "NaN and Infinity are not JSON"
    raise ValueError(message)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        message = "beyond the range of a double"
        raise ValueError(message)
    return number


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_once_each, parse_constant=_no_constant, parse_float=_finite
)


def _duplicate_key(text: str) -> Refused:
    place = _find_duplicate(json.loads(text, object_pairs_hook=_Pairs), "") or ""
    fault = FieldError(place, "duplicate-key", "This key is given twice.")
    return Refused("duplicate-key", "An object of the body has a key twice.", errors=(fault,))


def _find_duplicate(value: object, at: str) -> str | None:
    if isinstance(value, _Pairs):
        seen = set()
        for key, item in value:
            if key in seen:
                return pointer(at, key)
            seen.add(key)
            if (found := _find_duplicate(item, pointer(at, key))) is not None:
                return found
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if (found := _find_duplicate(item, f"{at}/{index}")) is not None:
                return found
    return None


def _is_json(content_type: bytes | None) -> bool:
    kind, _, rest = (content_type or b"").decode("latin-1").lower().partition(";")
    parameters = [part.strip() for part in rest.split(";") if part.strip()]
    return kind.strip() == "application/json" and all(
        part.replace('"', "") == "charset=utf-8" for part in parameters
    )


def _too_large(limit: int) -> Refused:
    return Refused("too-large", f"The body may have {limit // 1_000_000} MB.")


def _too_deep() -> Refused:
    return Refused("too-deep", f"More than {MAX_DEPTH} levels.")
