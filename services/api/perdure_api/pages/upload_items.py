"""The items of a batch sent from the form of a new run, which comes back with all that was typed."""

import asyncio
import tempfile
from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import Refused
from perdure_api.input_sources import stage_file, start_of
from perdure_api.kinds.input_lines import format_of
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.new_run import form_page
from perdure_api.pages.run_form import LABELS, typed
from perdure_api.pages.visit import first
from perdure_api.routes.forms_with_files import read_form_with_file
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of


@post("/runs/new/upload", opt={"permission": "author"}, name="upload items")
async def upload_items(request: HttpRequest) -> ASGIApp:
    """Store the items of the file, and show the form again: they are chosen in it."""
    services, tenant = services_of(request), caller_of(request).tenant
    settings = services.settings
    problem = ""
    upload = None
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        form = await read_form_with_file(
            request.scope, request.receive, file, limit=settings.upload_bytes
        )
        await asyncio.to_thread(file.seek, 0)
        if not form.file_bytes:
            problem = "Choose a file that is not empty, then upload it."
        else:
            written = format_of(form.file_name, start_of(file))
            try:
                upload = (await stage_file(services.database.pool, tenant, file, written, "")).ref
            except Refused as refused:
                problem = str(refused)
    values = typed(form.fields) | {"kind": "batch", "source": "upload"}
    if upload is not None:
        values["upload"] = upload.input
    found = (Problem(field="upload", label=LABELS["upload"], message=problem),) if problem else ()
    return await form_page(request, values, found, origin=first(form.fields, "origin"), part=True)


HANDLERS: Final[list[HTTPRouteHandler]] = [upload_items]
