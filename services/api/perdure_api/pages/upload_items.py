"""The items of a batch sent from the form of a run or job, which comes back with all that was typed."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import Refused
from perdure_api.input_sources import stage_file, start_of
from perdure_api.kinds.input_lines import format_of
from perdure_api.pages import job_form
from perdure_api.pages.edit_forms import own_job, show
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms.parameters import typed_rows
from perdure_api.pages.job_edit import change_form, new_form
from perdure_api.pages.job_form import JobForm
from perdure_api.pages.new_run import form_page
from perdure_api.pages.run_form import LABELS, typed
from perdure_api.pages.visit import first, whole_number
from perdure_api.pages.words import counted
from perdure_api.routes.forms_with_files import read_form_with_file
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.specs import InputRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A form that was sent with a file of items."""

    fields: dict[str, list[str]]
    """What was typed."""
    items: InputRef | None
    """The items as they are stored; none when something is wrong."""
    problems: tuple[Problem, ...]
    """What is wrong."""


async def read_upload(request: HttpRequest) -> Uploaded:
    """Store the items of the file that came with a form."""
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
    found = (Problem(field="upload", label=LABELS["upload"], message=problem),) if problem else ()
    return Uploaded(fields=form.fields, items=upload, problems=found)


@post("/runs/new/upload", opt={"permission": "author"}, name="upload items")
async def upload_items(request: HttpRequest) -> ASGIApp:
    """Store the items of the file, and show the form again: they are chosen in it."""
    sent = await read_upload(request)
    values = typed(sent.fields) | {"kind": "batch", "source": "upload"}
    if sent.items is not None:
        values["upload"] = sent.items.input
    origin = first(sent.fields, "origin")
    return await form_page(request, values, sent.problems, origin=origin, part=True)


@post("/jobs/new/upload", opt={"permission": "author"}, name="upload items of a new job")
async def upload_for_new_job(request: HttpRequest) -> ASGIApp:
    """Do so for a job that is not there yet."""
    sent = await read_upload(request)
    return await _job_page(request, sent, new_form(_with_items(sent)))


@post("/jobs/{name:str}/edit/upload", opt={"permission": "author"}, name="upload items of a job")
async def upload_for_job(request: HttpRequest, name: str) -> ASGIApp:
    """Do so for a job that is changed."""
    await own_job(request, name)
    sent = await read_upload(request)
    values = _with_items(sent) | {"name": name}
    version = whole_number(first(sent.fields, "expected_version"))
    return await _job_page(request, sent, change_form(name, values, version, ()))


def _with_items(sent: Uploaded) -> dict[str, str]:
    values = job_form.typed(sent.fields) | {"over": "batch", "source": "upload"}
    return values if sent.items is None else {**values, "upload": sent.items.input}


async def _job_page(request: HttpRequest, sent: Uploaded, form: JobForm) -> ASGIApp:
    words = "" if sent.items is None else counted(sent.items.total, "item")
    rows = typed_rows(sent.fields)
    shown = replace(form, rows=rows, problems=sent.problems, items_words=words)
    return await show(request, shown)


HANDLERS: Final[list[HTTPRouteHandler]] = [upload_items, upload_for_new_job, upload_for_job]
