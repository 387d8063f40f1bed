"""Schedules made and changed by people: the form, when it would fire, and saving it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.job import Job
from perdure_api.pages.edit_forms import nothing, own_job, planned, previewed, saved, show
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.job_filling import inputs_of, values_of_schedule
from perdure_api.pages.job_form import DEFAULTS, JobForm, typed
from perdure_api.pages.job_reading import given_of, led_to_schedule
from perdure_api.pages.schedules import asked
from perdure_api.pages.sent_forms import idempotency_of
from perdure_api.pages.visit import first, query_of, read_form, see_other, whole_number
from perdure_api.projections import jobs
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of


@get("/jobs/{name:str}/schedules/new", opt={"permission": "author"}, name="new schedule")
async def new_schedule(request: HttpRequest, name: str) -> ASGIApp:
    """Ask when a job shall be run."""
    _, job = await own_job(request, name)
    query = query_of(request)
    names = [name for name in ("expression", "timezone") if name in query]
    asked_for: dict[str, str] = {name: query[name][:500] for name in names}
    values = {**DEFAULTS, "when": "cron", **asked_for}
    return await show(request, _schedule_form(job, values, {}))


@post("/jobs/{name:str}/schedules/new", opt={"permission": "author"}, name="save a new schedule")
async def create_schedule(request: HttpRequest, name: str) -> ASGIApp:
    """Have a job run by the clock, and go to its page."""
    services, fields = services_of(request), await read_form(request)
    _, job = await own_job(request, name)
    values, given = typed(fields), given_of(job.definition.params, fields)
    plan, problems = await planned(services, values, name, given)
    if plan is not None:
        saving = services.schedules.create(
            caller_of(request),
            plan,
            source="ui",
            idempotency=idempotency_of(fields, f"/jobs/{name}/schedules/new", nothing),
        )
        problems = await saved(saving, values, led_to_schedule)
    if not problems:
        return see_other(f"/jobs/{name}")
    return await show(request, _schedule_form(job, values, given, problems))


@get("/schedules/{id:str}/edit", opt={"permission": "author"}, name="change a schedule")
async def edit_schedule(request: HttpRequest) -> ASGIApp:
    """Show the form with what the schedule is now."""
    services, schedule = await asked(request)
    pool, tenant = services.database.pool, caller_of(request).tenant
    _, job = await jobs.find_job(pool, tenant, schedule.job)
    form = _schedule_form(job, values_of_schedule(schedule), schedule.params)
    return await show(request, _of(form, schedule.id, schedule.version))


@post("/schedules/{id:str}/edit", opt={"permission": "author"}, name="save a changed schedule")
async def revise_schedule(request: HttpRequest) -> ASGIApp:
    """Give a schedule another plan; no time of the past is fired again."""
    services, schedule = await asked(request)
    fields, pool = await read_form(request), services.database.pool
    _, job = await jobs.find_job(pool, caller_of(request).tenant, schedule.job)
    values, given = typed(fields), given_of(job.definition.params, fields)
    version = whole_number(first(fields, "expected_version"))
    plan, problems = await planned(services, values, schedule.job, given)
    if plan is not None:
        saving = services.schedules.revise(
            caller_of(request),
            schedule.id,
            plan,
            enabled=schedule.enabled,
            expected_version=version,
        )
        problems = await saved(saving, values, led_to_schedule)
    if not problems:
        return see_other(f"/schedules/{schedule.id}")
    form = _schedule_form(job, values, given, problems)
    return await show(request, _of(form, schedule.id, version))


@post("/schedules/new/preview", opt={"permission": "author"}, name="preview of a schedule")
async def preview_schedule(request: HttpRequest) -> ASGIApp:
    """Say when the form as it stands would fire."""
    return await previewed(request, of_job=False)


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


HANDLERS: Final[list[HTTPRouteHandler]] = [
    new_schedule, create_schedule, edit_schedule, revise_schedule, preview_schedule,
]  # fmt: skip
