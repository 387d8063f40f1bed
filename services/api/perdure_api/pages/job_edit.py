"""Jobs made and changed by people: the form, what it would do, and saving it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.job import Job
from perdure_api.errors import Refused
from perdure_api.job_commands import Saved
from perdure_api.job_drafts import JobDraft
from perdure_api.kinds import kind
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.content import text_of
from perdure_api.pages.edit_forms import Lead, nothing, own_job, planned, previewed, saved, show
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms import parameters
from perdure_api.pages.forms.parameters import rows_of, typed_rows
from perdure_api.pages.job_filling import values_of_job, values_of_run
from perdure_api.pages.job_form import DEFAULTS, JobForm, typed
from perdure_api.pages.job_reading import (
    led_to_job,
    led_to_schedule,
    read_definition,
    saved_definition,
)
from perdure_api.pages.sent_forms import MOST_REASON, idempotency_of
from perdure_api.pages.visit import first, query_of, read_form, see_other, whole_number
from perdure_api.projections import jobs
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.rsync.spec import RsyncSpec

MORE: Final = "more"
"""The button that asks for more empty rows instead of saving."""


@get("/jobs/new", opt={"permission": "author"}, name="new job")
async def new_job(request: HttpRequest) -> ASGIApp:
    """Show the form: empty, or filled with what another run or job does."""
    services, tenant, query = services_of(request), caller_of(request).tenant, query_of(request)
    form = new_form(DEFAULTS)
    if "from" in query:
        _, job = await jobs.find_named(services.database.pool, tenant, query["from"][:63])
        values = values_of_job(job.name if job.deleted else "", job.definition)
        form = replace(new_form(values), rows=rows_of(job.definition.params))
    if "run" in query:
        form = new_form(await _values_of_run(request, query["run"]))
    return await show(request, form)


@post("/jobs/new", opt={"permission": "author"}, name="save a new job")
async def create_job(request: HttpRequest) -> ASGIApp:
    """Save the job, with its schedule if one was asked for, and go to its page."""
    services, fields = services_of(request), await read_form(request)
    values, rows = typed(fields), typed_rows(fields)
    form = replace(new_form(values), rows=rows)
    if MORE in fields:
        return await show(request, form)
    draft, problems = read_definition(values, rows)
    plan = None
    if values["when"]:
        plan, wrong = await planned(services, values, draft.name if draft is not None else "", {})
        problems += wrong
    if draft is None or problems:
        return await show(request, replace(form, problems=problems))
    problems = await _save(
        request,
        draft,
        values,
        lambda made: services.jobs.create(
            caller_of(request),
            draft.name,
            made,
            plan=plan,
            idempotency=idempotency_of(fields, "/jobs/new", nothing),
        ),
        led_to_schedule,
    )
    if problems:
        return await show(request, replace(form, problems=problems))
    return see_other(f"/jobs/{draft.name}")


@post("/jobs/new/preview", opt={"permission": "author"}, name="preview of a job")
async def preview_job(request: HttpRequest) -> ASGIApp:
    """Say what the form would do as it stands."""
    return await previewed(request, of_job=True)


@get("/jobs/{name:str}/edit", opt={"permission": "author"}, name="change a job")
async def edit_job(request: HttpRequest, name: str) -> ASGIApp:
    """Show the form with what the job is now."""
    row, job = await own_job(request, name)
    values, rows = values_of_job(name, job.definition), rows_of(job.definition.params)
    form = replace(change_form(name, values, row.version, rows), builder=_builder(job))
    return await show(request, form)


@post("/jobs/{name:str}/edit", opt={"permission": "author"}, name="save a changed job")
async def revise_job(request: HttpRequest, name: str) -> ASGIApp:
    """Save a new revision of the job."""
    services, fields = services_of(request), await read_form(request)
    _, job = await own_job(request, name)
    values, rows = {**typed(fields), "name": name}, typed_rows(fields)
    version = whole_number(first(fields, "expected_version"))
    form = replace(change_form(name, values, version, rows), builder=_builder(job))
    if MORE in fields:
        return await show(request, form)
    draft, problems = read_definition(values, rows)
    if draft is None:
        return await show(request, replace(form, problems=problems))
    problems = await _save(
        request,
        draft,
        values,
        lambda made: services.jobs.revise(
            caller_of(request),
            name,
            made,
            expected_version=version,
            reason=values["reason"].strip()[:MOST_REASON] or None,
        ),
        led_to_job,
    )
    if problems:
        return await show(request, replace(form, problems=problems))
    return see_other(f"/jobs/{name}")


async def _save(
    request: HttpRequest,
    draft: JobDraft,
    values: Mapping[str, str],
    save: Callable[[Saved], Awaitable[object]],
    lead: Lead,
) -> tuple[Problem, ...]:
    """Store the items of a job and save it; give what stood in the way, at its fields."""
    services, by = services_of(request), caller_of(request)
    try:
        definition = await services.with_job_input(by, draft.name, saved_definition(draft))
    except Refused as refused:
        return tuple(led_to_job(refused.errors, values))
    return await saved(save(Saved(definition=definition, source="ui")), values, lead)


def new_form(values: Mapping[str, str]) -> JobForm:
    """Give the form of a job that is not there yet."""
    return JobForm(
        action="/jobs/new",
        back="/jobs",
        go="Save job",
        of_job=True,
        of_schedule=True,
        is_new=True,
        values=values,
    )


def change_form(
    name: str,
    values: Mapping[str, str],
    version: int | None,
    rows: tuple[parameters.ParameterRow, ...],
) -> JobForm:
    """Give the form of a job that is there."""
    return JobForm(
        action=f"/jobs/{name}/edit",
        back=f"/jobs/{name}",
        go="Save job",
        of_job=True,
        of_schedule=False,
        is_new=False,
        job=name,
        values=values,
        rows=rows,
        expected_version=version,
    )


def _builder(job: Job) -> str:
    is_backup = isinstance(job.definition.spec, RsyncSpec)
    return f"/backups/new?job={job.name}" if is_backup else ""


async def _values_of_run(request: HttpRequest, run_id: str) -> dict[str, str]:
    found = await asked_run(request, run_id)
    asked = found.run.request
    values = {**values_of_run(asked), "name": _job_name(asked.name)}
    texts = kind.texts_of(asked.spec)
    pool = services_of(request).database.pool
    for name in texts.keys() & {"script", "stdin"}:
        values[name] = await text_of(pool, found.run.id, texts[name]) or ""
    return values


def _job_name(text: str) -> str:
    """Make a name for a job of a run's name, as far as that goes."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in plain.split("-") if part)[:63]


HANDLERS: Final[list[HTTPRouteHandler]] = [
    new_job, create_job, preview_job, edit_job, revise_job,
]  # fmt: skip
