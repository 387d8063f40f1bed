"""Server-sent events: frames, pings, and an end as soon as the reader is gone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from litestar.types import Receive, Scope, Send

from perdure_api.errors import Refused
from perdure_api.routes.problems import is_api
from perdure_api.security.access import header
from perdure_api.services import Services
from perdure_api.store.database import AWAY
from perdure_runtime import logs

log = logs.get(__name__)

PING_SECONDS: Final = 15
LOOK_AGAIN_SECONDS: Final = 0.5
"""How soon a revoked token or an ended session closes a stream."""
RETRY_FRAME: Final = b"retry: 1000\n\n"
"""A reader that was cut off comes back after a second."""


def frame(data: bytes, *, identifier: str | int | None = None, name: str | None = None) -> bytes:
    """Make one event of it; `data` must be without line breaks, as JSON from an encoder is."""
    head = b"" if identifier is None else f"id: {identifier}\n".encode()
    if name is not None:
        head += f"event: {name}\n".encode()
    return head + b"data: " + data + b"\n\n"


def ping(*, identifier: str | int | None = None) -> bytes:
    """Make a frame that nobody hears of; with an id it moves the place to come back to."""
    head = b"" if identifier is None else f"id: {identifier}\n".encode()
    return head + b": ping\n\n"


class Streamed:
    """An answer that goes on until its source ends or the reader leaves; an ASGI application."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames as they come. A slow reader slows down its own source only."""
        await send(
            {
                "type": "http.response.start",
                "status": HTTPStatus.OK,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                    (b"x-accel-buffering", b"no"),
                ],
            }
        )
        if scope["state"].get("head_only"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        _, leaving, _ = tasks = [
            asyncio.ensure_future(part)
            for part in (self._send(send), _left(receive), shown_out(scope))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not leaving.done() or leaving.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        source = self._source
        try:
            await send({"type": "http.response.body", "body": RETRY_FRAME, "more_body": True})
            async for part in source:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except AWAY as error:
            log.info("stream ended early", why=type(error).__name__)  # the reader comes back
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()


async def shown_out(scope: Scope) -> None:
    """Return when the stream must end: the process stops, or its reader's credential is no more."""
    services: Services = scope["litestar_app"].state.services
    while not services.stopping.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await services.stopping.wait()
        try:
            if not await _may_stay(scope, services):
                return
        except AWAY:
            continue  # nobody is shown out because the database is away


async def _may_stay(scope: Scope, services: Services) -> bool:
    if not is_api(scope["path"]):
        return await services.sessions.find(header(scope, b"cookie")) is not None
    try:
        await services.tokens.caller(header(scope, b"authorization"))
    except Refused:
        return False
    return True


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
