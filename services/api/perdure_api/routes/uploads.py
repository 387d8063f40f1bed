"""Uploads: the items of a batch sent ahead of the request, as they are, of any length."""

import asyncio
import tempfile
from http import HTTPStatus
from typing import Final, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.errors import Refused
from perdure_api.input_sources import stage_file, start_of
from perdure_api.kinds.input_lines import InputFormat, format_of
from perdure_api.routes.bodies import stream_to_file
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import json_reply
from perdure_api.security.access import header

FORMATS: Final[dict[str, InputFormat]] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/jsonlines": "jsonl",
    "application/x-jsonlines": "jsonl",
}


class UploadQuery(Struct, frozen=True, kw_only=True):
    """What is sent; left out, the content type tells, or else how it begins."""

    format: Literal["csv", "jsonl"] | None = None


class Uploaded(Struct, frozen=True, kw_only=True):
    """Items that are stored: name `upload` in the spec of a batch within a day."""

    upload: str
    total: int
    fields: tuple[str, ...]
    """Names that every item has."""
    sha256: str
    """Over the items, each as a line of JSON."""


@operation(
    "POST",
    "/api/uploads",
    permission="author",
    summary="Send the items of a batch ahead, as CSV with a header or as JSON lines",
    query=UploadQuery,
    raw_bodies=("text/csv", "application/x-ndjson"),
    answer=Uploaded,
    status=HTTPStatus.CREATED,
)
async def upload(call: Call[UploadQuery]) -> ASGIApp:
    """Store items; the body is the file as it is, not a form."""
    scope = call.request.scope
    content_type = (header(scope, b"content-type") or b"").decode("latin-1").lower()
    media_type = content_type.partition(";")[0].strip()
    if media_type.startswith("multipart/"):
        raise Refused("unsupported-media-type", "Send the file as the body itself, not as a form.")
    services = call.services
    settings = services.settings
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        await stream_to_file(scope, call.request.receive, file, limit=settings.upload_bytes)
        await asyncio.to_thread(file.seek, 0)
        kind = call.query.format or FORMATS.get(media_type) or format_of("", start_of(file))
        staged = await stage_file(services.database.pool, call.caller.tenant, file, kind, "")
    ref = staged.ref
    answer = Uploaded(upload=ref.input, total=ref.total, fields=ref.fields, sha256=ref.sha256)
    return json_reply(answer, status=HTTPStatus.CREATED)


HANDLERS: Final[list[HTTPRouteHandler]] = [upload]
