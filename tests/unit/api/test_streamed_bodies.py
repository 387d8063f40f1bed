"""A body of any length goes into a file as it arrives, and stops where it is too long."""

import asyncio
import io
from typing import Any

import pytest

from perdure_api.errors import Refused
from perdure_api.routes.bodies import stream_to_file


def arrive(parts: list[bytes], *, limit: int, length: int | None = None) -> bytes:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    file = io.BytesIO()

    async def receive() -> Any:  # noqa: ANN401 -- ASGI
        return messages.pop(0)

    scope: Any = {"type": "http", "headers": headers}
    asyncio.run(stream_to_file(scope, receive, file, limit=limit))
    return file.getvalue()


def test_all_parts_are_kept_in_order() -> None:
    assert arrive([b"ab", b"", b"c"], limit=3) == b"abc"


@pytest.mark.parametrize("length", [None, 4])
def test_more_than_the_limit_is_refused(length: int | None) -> None:
    with pytest.raises(Refused) as refused:
        arrive([b"ab", b"cd"], limit=3, length=length)
    assert refused.value.code == "too-large"
