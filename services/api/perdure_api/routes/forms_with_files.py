"""Forms that carry a file (`multipart/form-data`), read as they arrive: the file goes to disk."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from litestar.types import HTTPRequestEvent, Receive, Scope
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from perdure_api.errors import Refused
from perdure_api.routes.bodies import MAX_BODY_BYTES, READ_SECONDS
from perdure_api.security.access import header

MAX_PARTS: Final = 200
MAX_FIRST_BYTES: Final = 65_536
"""The token of a form's session must be complete within so many bytes."""


@dataclass(slots=True)
class SentForm:
    """A form with at most one file, whose content was written elsewhere."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    """Its fields in order of arrival."""
    file_name: str = ""
    """What the browser calls the file."""
    file_bytes: int = 0
    """Size of the file; 0 when none was chosen."""


def is_form_with_file(scope: Scope) -> bool:
    """Tell whether a request carries such a form."""
    return (header(scope, b"content-type") or b"").lower().startswith(b"multipart/form-data")


async def first_field(scope: Scope, receive: Receive, name: str) -> tuple[str, Receive]:
    """Read a form's first part; give its text when it has this name, and the body to be read again."""
    parser = _parser(scope)
    heard: list[HTTPRequestEvent] = []
    value = bytearray()
    segment: MultipartSegment | None = None
    size = 0
    more = True
    while more and size <= MAX_FIRST_BYTES:
        message = await _next(receive)
        heard.append(message)
        size += len(message["body"])
        more = message["more_body"]
        for event in _events(parser, message["body"]):
            if isinstance(event, MultipartSegment):
                segment = event
            elif event is None:
                more = False
                break
            else:
                value += event
    found = bytes(value) if segment is not None and segment.name == name else b""
    return found.decode("utf-8", "replace"), _again(heard, receive)


async def read_form_with_file(
    scope: Scope, receive: Receive, file: BinaryIO, *, limit: int
) -> SentForm:
    """Read a form, and write the content of its one file.

    Args:
        scope: The request.
        receive: Its body.
        file: Where the file's content goes.
        limit: Largest file in bytes.

    Raises:
        Refused: when it is no such form, or too large.
    """
    parser = _parser(scope)
    form = SentForm()
    part: MultipartSegment | None = None
    text, texts = bytearray(), 0
    more = True
    while more:
        message = await _next(receive)
        more = message["more_body"]
        content = bytearray()
        for event in _events(parser, message["body"]):
            if isinstance(event, MultipartSegment):
                part = event
                if part.filename:
                    form.file_name = part.filename
            elif event is None:
                if part is not None and part.filename is None:
                    values = form.fields.setdefault(part.name or "", [])
                    values.append(text.decode("utf-8", "replace"))
                text = bytearray()
            elif part is not None and part.filename is not None:
                content += event
            else:
                text += event
                texts += len(event)
        form.file_bytes += len(content)
        if form.file_bytes > limit or texts > MAX_BODY_BYTES:
            words = f"A file may have {limit // 1_000_000} MB, the rest of the form 1 MB."
            raise Refused("too-large", words)
        if content:
            await asyncio.to_thread(file.write, content)
    _end(parser)
    return form


def _parser(scope: Scope) -> PushMultipartParser:
    content_type = (header(scope, b"content-type") or b"").decode("latin-1")
    _, options = parse_options_header(content_type)
    try:
        return PushMultipartParser(
            options.get("boundary", ""), max_segment_count=MAX_PARTS, strict=True
        )
    except MultipartError as error:
        raise _malformed() from error


def _events(
    parser: PushMultipartParser, data: bytes
) -> Iterator[MultipartSegment | bytes | bytearray | None]:
    try:
        if data:
            yield from parser.parse(data)
    except MultipartError as error:
        raise _malformed() from error


def _end(parser: PushMultipartParser) -> None:
    try:
        parser.close()
    except MultipartError as error:
        raise _malformed() from error


async def _next(receive: Receive) -> HTTPRequestEvent:
    try:
        async with asyncio.timeout(READ_SECONDS):
            message = await receive()
    except TimeoutError as error:
        raise Refused("timeout", f"Nothing of the body arrived for {READ_SECONDS} s.") from error
    if message["type"] != "http.request":
        raise Refused("bad-request", "The connection was closed within the body.")
    return {
        "type": "http.request",
        "body": message["body"],
        "more_body": message.get("more_body", False),
    }


def _again(heard: list[HTTPRequestEvent], receive: Receive) -> Receive:
    """Give a body whose beginning was heard already."""
    waiting = iter(heard)

    async def replay() -> HTTPRequestEvent:
        message = next(waiting, None)
        return await receive() if message is None else message  # type: ignore[return-value]  # of an HTTP connection

    return replay


def _malformed() -> Refused:
    return Refused("bad-request", "The form is not one that a browser sends.")
