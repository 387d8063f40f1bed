"""What a run brought: shown on its page when that is short, and as a file."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.run import Run
from perdure_api.errors import NotFoundError
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.content import text_of
from perdure_api.pages.definition_contexts import ResultShown
from perdure_api.pages.rendering import pretty
from perdure_api.routes.replies import Download
from perdure_api.security.access import HttpRequest
from perdure_api.security.headers import SANDBOX
from perdure_api.services import services_of

SHOWN_CHARACTERS: Final = 8_000
"""A result above this is downloaded."""


def result_of(run: Run) -> ResultShown | None:
    """Give what a page shows of a result; none when there is none."""
    href = f"/runs/{run.id}/result.json"
    if run.result_blob is not None:
        return ResultShown(text=None, bytes=run.result_blob.bytes, href=href)
    if run.result is None:
        return None
    text = pretty(run.result)
    size = len(msgspec.json.encode(run.result))
    return ResultShown(text=text if len(text) <= SHOWN_CHARACTERS else None, bytes=size, href=href)


@get("/runs/{run_id:str}/result.json", opt={"permission": "view"}, name="result of a run")
async def download_result(request: HttpRequest, run_id: str) -> ASGIApp:
    """Give the result as a file, however large it is."""
    database = services_of(request).database
    found = await asked_run(request, run_id)
    run = found.run
    if run.result_blob is not None:
        text = await text_of(database.pool, run.id, run.result_blob)
    else:
        text = None if run.result is None else pretty(run.result)
    if text is None:
        raise NotFoundError(run_id)
    headers = (
        (b"content-type", b"application/json"),
        (
            b"content-disposition",
            f'attachment; filename="run-{run.id[-6:]}-result.json"'.encode(),
        ),
        (b"content-security-policy", SANDBOX),
    )
    return Download(_whole(text), headers=headers)


async def _whole(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


HANDLERS: Final[list[HTTPRouteHandler]] = [download_result]
