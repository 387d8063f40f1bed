"""Jobs and schedules made and changed by people: the forms, what they would do, and saving them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.commands import StoredAnswer
from perdure_api.domain.job import Job
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.job_commands import Saved
from perdure_api.job_drafts import PreviewDraft
from perdure_api.job_drafts import preview as look_ahead
from perdure_api.kinds import kind
from perdure_api.pages.content import text_of
from perdure_api.pages.forms import parameters
from perdure_api.pages.forms.parameters import rows_of, typed_rows, with_blanks
from perdure_api.pages.job_contexts import PlanPreview
from perdure_api.pages.job_form import (
    BLANKS,
    DEFAULTS,
    JobForm,
    given_of,
    inputs_of,
    led_to_job,
    led_to_schedule,
    read_definition,
    read_schedule,
    saved_definition,
    typed,
    values_of_job,
    values_of_run,
    values_of_schedule,
)
from perdure_api.pages.job_preview import preview_of_form
from perdure_api.pages.rendering import html
from perdure_api.pages.run_actions import idempotency_of
from perdure_api.pages.run_form import Problem
from perdure_api.pages.schedules import asked
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    query_of,
    read_form,
    see_other,
    whole_number,
)
from perdure_api.projections import jobs
from perdure_api.projections.queues import list_queues
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.replies import Reply
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_api.store import event_log
from perdure_api.store.state import StreamRow
from perdure_contract.identifiers import stream_key
from perdure_contract.jobs import SchedulePlan

MORE: Final = "more"
"""The button that asks for more empty rows instead of saving."""
Fields = dict[str, list[str]]


# --- jobs -------------------------------------------------------------------------------------------


@get("/jobs/new", opt={"permission": "author"}, name="new job")
async def new_job(request: HttpRequest) -> ASGIApp:
    """Show the form: empty, or filled with what another run or job does."""
    services, tenant, query = services_of(request), caller_of(request).tenant, query_of(request)
    form = _job_form(DEFAULTS)
    if "from" in query:
        _, job = await jobs.find_job(services.database.pool, tenant, query["from"][:63])
        values = values_of_job("", job.definition)
        form = replace(_job_form(values), rows=rows_of(job.definition.params))
    if "run" in query:
        form = _job_form(await _values_of_run(services, tenant, as_run_id(query["run"])))
    return await _show(request, form)


@post("/jobs/new", opt={"permission": "author"}, name="save a new job")
async def create_job(request: HttpRequest) -> ASGIApp:
    """Save the job, with its schedule if one was asked for, and go to its page."""
    services, fields = services_of(request), await read_form(request)
    values, rows = typed(fields), typed_rows(fields)
    form = replace(_job_form(values), rows=rows)
    if MORE in fields:
        return await _show(request, form)
    draft, problems = read_definition(values, rows)
    plan = None
    if values["when"]:
        plan, wrong = await _planned(services, values, draft.name if draft is not None else "", {})
        problems += wrong
    if draft is None or problems:
        return await _show(request, replace(form, problems=problems))
    try:
        await services.jobs.create_job(
            caller_of(request),
            draft.name,
            Saved(definition=saved_definition(draft), source="ui"),
            plan=plan,
            idempotency=idempotency_of(fields, "/jobs/new", _nothing),
        )
    except Refused as refused:
        return await _show(
            request, replace(form, problems=tuple(led_to_schedule(refused.errors, values)))
        )
    except Rejected as rejected:
        return await _show(request, replace(form, problems=_rejected(rejected, values)))
    return see_other(f"/jobs/{draft.name}")


@post("/jobs/new/preview", opt={"permission": "author"}, name="preview of a job")
async def preview_job(request: HttpRequest) -> ASGIApp:
    """Say what the form would do as it stands."""
    return await _previewed(request, of_job=True)


@get("/jobs/{name:str}/edit", opt={"permission": "author"}, name="change a job")
async def edit_job(request: HttpRequest, name: str) -> ASGIApp:
    """Show the form with what the job is now."""
    row, job = await _own_job(request, name)
    values, rows = values_of_job(name, job.definition), rows_of(job.definition.params)
    return await _show(request, _change_form(name, values, row.version, rows))


@post("/jobs/{name:str}/edit", opt={"permission": "author"}, name="save a changed job")
async def revise_job(request: HttpRequest, name: str) -> ASGIApp:
    """Save a new revision of the job."""
    services, fields = services_of(request), await read_form(request)
    await _own_job(request, name)
    values, rows = {**typed(fields), "name": name}, typed_rows(fields)
    version = whole_number(first(fields, "expected_version"))
    form = _change_form(name, values, version, rows)
    if MORE in fields:
        return await _show(request, form)
    draft, problems = read_definition(values, rows)
    if draft is None:
        return await _show(request, replace(form, problems=problems))
    try:
        await services.jobs.revise_job(
            caller_of(request),
            name,
            Saved(definition=saved_definition(draft), source="ui"),
            expected_version=version,
            reason=values["reason"].strip()[:500] or None,
        )
    except Rejected as rejected:
        return await _show(request, replace(form, problems=_rejected(rejected, values)))
    return see_other(f"/jobs/{name}")


# --- schedules --------------------------------------------------------------------------------------


@get("/jobs/{name:str}/schedules/new", opt={"permission": "author"}, name="new schedule")
async def new_schedule(request: HttpRequest, name: str) -> ASGIApp:
    """Ask when a job shall be run."""
    _, job = await _own_job(request, name)
    query = query_of(request)
    names = [name for name in ("expression", "timezone") if name in query]
    asked_for: dict[str, str] = {name: query[name][:500] for name in names}
    values = {**DEFAULTS, "when": "cron", **asked_for}
    return await _show(request, _schedule_form(job, values, {}))


@post("/jobs/{name:str}/schedules/new", opt={"permission": "author"}, name="save a new schedule")
async def create_schedule(request: HttpRequest, name: str) -> ASGIApp:
    """Have a job run by the clock, and go to its page."""
    services, fields = services_of(request), await read_form(request)
    _, job = await _own_job(request, name)
    values, given = typed(fields), given_of(job.definition.params, fields)
    plan, problems = await _planned(services, values, name, given)
    if plan is not None:
        try:
            await services.jobs.create_schedule(
                caller_of(request),
                plan,
                source="ui",
                idempotency=idempotency_of(fields, f"/jobs/{name}/schedules/new", _nothing),
            )
            return see_other(f"/jobs/{name}")
        except Refused as refused:
            problems = tuple(led_to_schedule(refused.errors, values))
    return await _show(request, _schedule_form(job, values, given, problems))


@get("/schedules/{id:str}/edit", opt={"permission": "author"}, name="change a schedule")
async def edit_schedule(request: HttpRequest) -> ASGIApp:
    """Show the form with what the schedule is now."""
    services, schedule = await asked(request)
    pool, tenant = services.database.pool, caller_of(request).tenant
    _, job = await jobs.find_job(pool, tenant, schedule.job)
    form = _schedule_form(job, values_of_schedule(schedule), schedule.params)
    return await _show(request, _of(form, schedule.id, schedule.version))


@post("/schedules/{id:str}/edit", opt={"permission": "author"}, name="save a changed schedule")
async def revise_schedule(request: HttpRequest) -> ASGIApp:
    """Give a schedule another plan; no time of the past is fired again."""
    services, schedule = await asked(request)
    fields, pool = await read_form(request), services.database.pool
    _, job = await jobs.find_job(pool, caller_of(request).tenant, schedule.job)
    values, given = typed(fields), given_of(job.definition.params, fields)
    version = whole_number(first(fields, "expected_version"))
    plan, problems = await _planned(services, values, schedule.job, given)
    if plan is not None:
        try:
            await services.jobs.revise_schedule(
                caller_of(request),
                schedule.id,
                plan,
                enabled=schedule.enabled,
                expected_version=version,
            )
            return see_other(f"/schedules/{schedule.id}")
        except Refused as refused:
            problems = tuple(led_to_schedule(refused.errors, values))
        except Rejected as rejected:
            problems = _rejected(rejected, values)
    form = _schedule_form(job, values, given, problems)
    return await _show(request, _of(form, schedule.id, version))


@post("/schedules/new/preview", opt={"permission": "author"}, name="preview of a schedule")
async def preview_schedule(request: HttpRequest) -> ASGIApp:
    """Say when the form as it stands would fire."""
    return await _previewed(request, of_job=False)


# --- what both have in common -----------------------------------------------------------------------


async def _planned(
    services: Services, values: Mapping[str, str], job: str, given: Mapping[str, object]
) -> tuple[SchedulePlan | None, tuple[Problem, ...]]:
    """Read the plan, and refuse one without a fire time ahead."""
    plan, problems = read_schedule(values, job, given)
    if plan is None:
        return None, problems
    now = (await event_log.head(services.database.pool)).now
    try:
        look_ahead(PreviewDraft(trigger=plan.trigger, timezone=plan.timezone, count=1), now)
    except Refused as refused:
        return None, tuple(led_to_schedule(refused.errors, values))
    return plan, ()


async def _previewed(request: HttpRequest, *, of_job: bool) -> ASGIApp:
    fields = await read_form(request)
    values, rows = typed(fields), typed_rows(fields)
    now = (await event_log.head(services_of(request).database.pool)).now
    preview = preview_of_form(values, rows if of_job else None, now)
    return html("_plan_preview.html", {"preview": preview})


async def _show(request: HttpRequest, form: JobForm) -> Reply:
    services = services_of(request)
    pool = services.database.pool
    queues = await list_queues(pool, caller_of(request).tenant)
    form = replace(
        form,
        csrf=csrf_of(request),
        queues=tuple(queue.name for queue in queues),
        zones=_zones(),
        rows=with_blanks(form.rows, BLANKS) if form.of_job else (),
    )
    rows = form.rows if form.of_job else None
    preview: PlanPreview = preview_of_form(form.values, rows, (await event_log.head(pool)).now)
    title = form.go if form.job == "" else f"{form.go}: {form.job}"
    context = {
        "frame": frame_of(request, title, "jobs" if form.of_job else "schedules"),
        "form": form,
        "title": title,
        "preview": preview,
    }
    return html("job_form.html", context, status=422 if form.problems else 200)


def _job_form(values: Mapping[str, str]) -> JobForm:
    return JobForm(
        action="/jobs/new",
        back="/jobs",
        go="Save job",
        of_job=True,
        of_schedule=True,
        is_new=True,
        values=values,
    )


def _change_form(
    name: str,
    values: Mapping[str, str],
    version: int | None,
    rows: tuple[parameters.ParameterRow, ...],
) -> JobForm:
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


def _schedule_form(
    job: Job,
    values: Mapping[str, str],
    given: Mapping[str, object],
    problems: Sequence[Problem] = (),
) -> JobForm:
    return JobForm(
        action=f"/jobs/{job.name}/schedules/new",
        back=f"/jobs/{job.name}",
        go="Save schedule",
        of_job=False,
        of_schedule=True,
        is_new=True,
        job=job.name,
        values=values,
        inputs=inputs_of(job.definition.params, given, problems),
        problems=tuple(problems),
    )


def _of(form: JobForm, schedule_id: str, version: int | None) -> JobForm:
    place = f"/schedules/{schedule_id}"
    return replace(form, action=f"{place}/edit", back=place, is_new=False, expected_version=version)


def _rejected(rejected: Rejected, values: Mapping[str, str]) -> tuple[Problem, ...]:
    rejection = rejected.rejection
    if rejection.code == "already-exists":
        return tuple(led_to_job([FieldError("/name", rejection.code, rejection.message)], values))
    found = led_to_job(rejection.errors, values)
    return tuple(found) or (Problem(field=None, label="", message=rejection.message),)


async def _own_job(request: HttpRequest, name: str) -> tuple[StreamRow, Job]:
    pool = services_of(request).database.pool
    return await jobs.find_job(pool, caller_of(request).tenant, name)


async def _values_of_run(services: Services, tenant: str, run_id: str) -> dict[str, str]:
    found = await find_run(services.database, tenant, run_id)
    if found is None:
        raise NotFoundError(run_id)
    request = found.run.request
    values = {**values_of_run(request), "name": _job_name(request.name)}
    texts = kind.texts_of(request.spec)
    for name in texts.keys() & {"script", "stdin"}:
        values[name] = await text_of(services.database.pool, run_id, texts[name]) or ""
    return values


def _job_name(text: str) -> str:
    """Make a name for a job of a run's name, as far as that goes."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in plain.split("-") if part)[:63]


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    plain = (zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return ("UTC", *sorted(plain))


def _nothing(row: StreamRow) -> StoredAnswer:
    return StoredAnswer(status=303, body=stream_key(row.stream).encode(), headers={})


HANDLERS: Final[list[HTTPRouteHandler]] = [
    new_job, create_job, preview_job, edit_job, revise_job, new_schedule, create_schedule,
    edit_schedule, revise_schedule, preview_schedule,
]  # fmt: skip
