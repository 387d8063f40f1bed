"""Jobs and when they are run: the list, one job with its form, and another schedule with its preview."""

from collections.abc import Mapping
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.commands import StoredAnswer
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused
from perdure_api.job_drafts import PreviewDraft, ScheduleDraft, preview, read_job_run, read_plan
from perdure_api.pages.job_contexts import (
    JobPage,
    JobRow,
    JobsPage,
    ParameterInput,
    PlanForm,
    ScheduleCard,
)
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import csrf_of, first, frame_of, query_of, read_form, see_other
from perdure_api.projections import jobs, run_list, schedules
from perdure_api.projections.jobs_file import jobs_file
from perdure_api.projections.run_detail import run_view
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_api.store import event_log
from perdure_contract.jobs import Parameter, ScheduleView, Value
from perdure_contract.objects import RunView
from perdure_contract.triggers import CronTrigger
from perdure_runtime import clock

MOST: Final = 500
STRIP: Final = 30
"""Outcomes in the strip of a job."""
STRIP_IN_LIST: Final = 10
LAST_FIRES: Final = 5


@get("/jobs", opt={"permission": "view"}, name="jobs")
async def jobs_page(request: HttpRequest) -> ASGIApp:
    """Show every job with its next fire time and last outcomes."""
    services, tenant = services_of(request), caller_of(request).tenant
    pool = services.database.pool
    planned = await schedules.list_schedules(pool, tenant, job=None, after=None, limit=MOST)
    rows = []
    for job in await jobs.list_jobs(pool, tenant, after="", limit=MOST):
        own = tuple(schedule for schedule in planned if schedule.job == job.name)
        recent = await _recent(services, tenant, job.name, STRIP_IN_LIST)
        rows.append(JobRow(job=job, schedules=own, next_fire_at=_soonest(own), recent=recent[::-1]))
    page = JobsPage(
        rows=tuple(rows),
        file=await jobs_file(pool, tenant),
        looked_seconds=services.seconds_since_schedules(),
    )
    return html("jobs.html", {"frame": frame_of(request, "Jobs", "jobs"), "page": page})


@get("/jobs/{name:str}", opt={"permission": "view"}, name="job")
async def job_page(request: HttpRequest, name: str) -> ASGIApp:
    """Show one job; a cron expression in the address is previewed."""
    return await _page(request, name, {}, ())


@post("/jobs/{name:str}/run", opt={"permission": "operate"}, name="run a job")
async def run_job(request: HttpRequest, name: str) -> ASGIApp:
    """Run a job with what its form holds, and go to the run."""
    services, caller = services_of(request), caller_of(request)
    fields = await read_form(request)
    _, job = await jobs.find_job(services.database.pool, caller.tenant, name)
    given = {n: first(fields, f"param-{n}") for n in job.definition.params}
    values = {n: _typed(job.definition.params[n], text) for n, text in given.items() if text}
    try:
        wanted = read_job_run(job, {"params": values})
    except Refused as refused:
        return await _page(request, name, given, refused.errors)
    done = await services.commands.request_run(caller, wanted)
    assert not isinstance(done.result, StoredAnswer)  # noqa: S101 -- no idempotency key was given
    return see_other(f"/runs/{done.result.id}")


@post("/jobs/{name:str}/schedules", opt={"permission": "author"}, name="add a schedule")
async def add_schedule(request: HttpRequest, name: str) -> ASGIApp:
    """Have a job run at the times that were previewed."""
    fields = await read_form(request)
    trigger = CronTrigger(expression=first(fields, "expression"))
    zone = first(fields, "timezone") or "UTC"
    try:
        plan = read_plan(ScheduleDraft(job=name, trigger=trigger, timezone=zone))
        await services_of(request).jobs.create_schedule(caller_of(request), plan, source="ui")
    except Refused as refused:
        return await _page(request, name, {}, refused.errors)
    return see_other(f"/jobs/{name}")


async def _page(
    request: HttpRequest, name: str, given: Mapping[str, str], faults: tuple[FieldError, ...]
) -> ASGIApp:
    services, tenant = services_of(request), caller_of(request).tenant
    pool = services.database.pool
    row, job = await jobs.find_job(pool, tenant, name)
    problems = {fault.pointer.removeprefix("/params/"): fault.message for fault in faults}
    inputs = tuple(
        ParameterInput(
            name=n,
            parameter=parameter,
            value=given.get(n, _shown(parameter.default)),
            problem=problems.pop(n, ""),
        )
        for n, parameter in job.definition.params.items()
    )
    own = await schedules.list_schedules(pool, tenant, job=name, after=None, limit=MOST)
    cards = []
    for schedule in own:
        fires = await schedules.fires_of(pool, schedule.id, before=None, limit=LAST_FIRES)
        cards.append(ScheduleCard(schedule=schedule, fires=tuple(fires)))
    page = JobPage(
        job=jobs.job_view(row),
        inputs=inputs,
        problem=" ".join(problems.values()),
        cards=tuple(cards),
        plan=await _plan(request, services),
        recent=await _recent(services, tenant, name, STRIP),
        revisions=tuple(await jobs.revisions(pool, row)),
    )
    context = {"frame": frame_of(request, name, "jobs"), "page": page, "csrf": csrf_of(request)}
    return html("job.html", context, status=422 if faults else 200)


async def _plan(request: HttpRequest, services: Services) -> PlanForm:
    query = query_of(request)
    expression, zone = query.get("expression", ""), query.get("timezone", "UTC")
    if not expression:
        return PlanForm(expression="", timezone=zone, preview=None, problem="")
    now = (await event_log.head(services.database.pool)).now
    asked = PreviewDraft(trigger=CronTrigger(expression=expression[:500]), timezone=zone[:64])
    try:
        found = preview(asked, now)
    except Refused as refused:
        words = " ".join(fault.message for fault in refused.errors)
        return PlanForm(expression=expression, timezone=zone, preview=None, problem=words)
    return PlanForm(expression=expression, timezone=zone, preview=found, problem="")


async def _recent(services: Services, tenant: str, job: str, count: int) -> tuple[RunView, ...]:
    page = await run_list.find(services.database, tenant, run_list.Filter(job=(job,)), limit=count)
    now = clock.now()
    return tuple(run_view(run, now) for run in page.runs)


def _soonest(own: tuple[ScheduleView, ...]) -> str | None:
    return min((s.next_fire_at for s in own if s.next_fire_at is not None), default=None)


def _typed(parameter: Parameter, text: str) -> Value:
    """Take what was typed as the parameter's type; what does not fit is refused with its words."""
    if parameter.type == "boolean":
        return text == "true"
    if parameter.type == "number":
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text
    return text


def _shown(value: Value | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


HANDLERS: Final[list[HTTPRouteHandler]] = [
    jobs_page, job_page, run_job, add_schedule,
]  # fmt: skip
