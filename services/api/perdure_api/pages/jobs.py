"""Jobs: the list, and one with its form, its last runs, its schedules and its revisions."""

from collections.abc import Mapping
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.job import Job
from perdure_api.domain.rejections import FieldError
from perdure_api.domain.run import Run
from perdure_api.errors import Refused, Rejected
from perdure_api.job_drafts import read_job_run
from perdure_api.kinds import kind
from perdure_api.once import StoredAnswer
from perdure_api.pages.durations import durations_of
from perdure_api.pages.event_words import actor_words
from perdure_api.pages.fire_runs import schedule_rows
from perdure_api.pages.forms.parameters import shown, typed_value
from perdure_api.pages.job_contexts import DeletedJobPage, JobPage, JobRow, JobsPage, ParameterInput
from perdure_api.pages.job_revisions import revision_rows
from perdure_api.pages.rendering import html
from perdure_api.pages.schedule_words import looked_words
from perdure_api.pages.sent_forms import idempotency_of
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    lead_on,
    read_form,
    see_other,
    wants_fragment,
)
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted
from perdure_api.projections import jobs, run_list, schedules
from perdure_api.projections.jobs_file import jobs_file
from perdure_api.projections.run_detail import run_view
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_api.store.codec import decode
from perdure_api.store.state import StreamRow
from perdure_contract.facts import JobDeleted
from perdure_contract.jobs import ScheduleView
from perdure_contract.objects import RunView
from perdure_contract.specs import BatchSpec, Spec
from perdure_runtime import clock

MOST: Final = 500
RUNS: Final = 100
"""Runs of a job that its durations are counted over."""
LAST_RUNS: Final = 10
"""Runs that are listed of a job that was deleted."""
SCRIPT_SHOWN: Final = 20_000
"""Characters of a script."""
STRIP: Final = 7
"""Outcomes in the list, and of each schedule."""


@get("/jobs", opt={"permission": "view"}, name="jobs")
async def jobs_page(request: HttpRequest) -> ASGIApp:
    """Show every job with its next fire time and last outcomes."""
    services, tenant = services_of(request), caller_of(request).tenant
    pool = services.database.pool
    planned = await schedules.list_schedules(pool, tenant, job=None, after=None, limit=MOST)
    found = await jobs.list_jobs(pool, tenant, after="", limit=MOST)
    recent = await _recent(services, tenant, [job.name for job in found], STRIP)
    rows = []
    for job in found:
        own = tuple(schedule for schedule in planned if schedule.job == job.name)
        last = tuple(recent[job.name][::-1])
        rows.append(JobRow(job=job, schedules=own, next_fire_at=_soonest(own), recent=last))
    page = JobsPage(
        rows=tuple(rows),
        file=await jobs_file(pool, tenant),
        looked_words=looked_words(services.seconds_since_schedules()),
    )
    frame = frame_of(request, "Jobs", "jobs", live=await watch_all(services.database))
    template = "_jobs_list.html" if wants_fragment(request) else "jobs.html"
    return html(template, {"frame": frame, "page": page})


@get("/jobs/{name:str}", opt={"permission": "view"}, name="job")
async def job_page(request: HttpRequest, name: str) -> ASGIApp:
    """Show one job, or what is left of one that was deleted: its runs lead here."""
    services, tenant = services_of(request), caller_of(request).tenant
    row, job = await jobs.find_named(services.database.pool, tenant, name)
    if job.deleted:
        if wants_fragment(request):
            return lead_on(request, f"/jobs/{name}")
        return html("job_deleted.html", await _deleted(request, services, row, job))
    return await _page(request, name, {}, ())


@post("/jobs/{name:str}/run", opt={"permission": "operate"}, name="run a job")
async def run_job(request: HttpRequest, name: str) -> ASGIApp:
    """Run a job with what its form holds, and go to the run."""
    services, caller = services_of(request), caller_of(request)
    fields = await read_form(request)
    _, job = await jobs.find_job(services.database.pool, caller.tenant, name)
    given = {n: first(fields, f"param-{n}") for n in job.definition.params}
    params = job.definition.params
    values = {n: typed_value(params[n].type, text) for n, text in given.items() if text}
    try:
        wanted = read_job_run(job, {"params": values})
    except Refused as refused:
        return await _page(request, name, given, refused.errors)
    key = idempotency_of(fields, f"/jobs/{name}/run", _place_of)
    try:
        done = await services.commands.request_run(caller, wanted, idempotency=key)
    except Rejected as rejected:
        if not rejected.rejection.errors:
            raise
        return await _page(request, name, given, rejected.rejection.errors)
    result = done.result
    return see_other(
        result.body.decode() if isinstance(result, StoredAnswer) else f"/runs/{result.id}"
    )


async def _page(
    request: HttpRequest, name: str, given: Mapping[str, str], faults: tuple[FieldError, ...]
) -> Reply:
    services, tenant = services_of(request), caller_of(request).tenant
    row, job = await jobs.find_job(services.database.pool, tenant, name)
    page = await _read(request, services, (row, job), given, faults)
    frame = frame_of(request, name, "jobs", live=await watch_all(services.database))
    template = "_job_live.html" if wants_fragment(request) else "job.html"
    return html(template, {"frame": frame, "page": page}, status=422 if faults else 200)


async def _read(
    request: HttpRequest,
    services: Services,
    found: tuple[StreamRow, Job],
    given: Mapping[str, str],
    faults: tuple[FieldError, ...],
) -> JobPage:
    (row, job), pool, tenant = found, services.database.pool, caller_of(request).tenant
    problems = {fault.pointer.removeprefix("/params/"): fault.message for fault in faults}
    inputs = tuple(
        ParameterInput(
            name=n,
            parameter=parameter,
            value=given.get(n, shown(parameter.default)),
            problem=problems.pop(n, ""),
        )
        for n, parameter in job.definition.params.items()
    )
    own = await schedules.list_schedules(pool, tenant, job=job.name, after=None, limit=MOST)
    recent = (await _recent(services, tenant, [job.name], RUNS))[job.name]
    file = await jobs_file(pool, tenant)
    script, shell = _script(job.definition.spec)
    return JobPage(
        job=jobs.job_view(row),
        argv=() if script else kind.argv_of(job.definition.spec),
        script=script,
        shell=shell,
        items=_items(job.definition.spec),
        from_file=job.source == "file" and file is not None and job.name in file.names,
        inputs=inputs,
        problem=" ".join(problems.values()),
        schedules=await schedule_rows(services.database, own, strip=STRIP),
        next_fire_at=_soonest(tuple(own)),
        recent=tuple(recent),
        durations=durations_of(recent),
        revisions=revision_rows(await jobs.revisions(pool, row), job.revision),
        csrf=csrf_of(request),
    )


async def _deleted(
    request: HttpRequest, services: Services, row: StreamRow, job: Job
) -> dict[str, object]:
    """Read what is left of a job that was deleted."""
    pool, tenant = services.database.pool, caller_of(request).tenant
    event = await jobs.last_event(pool, row)
    fact = decode(event.type, event.data)
    page = DeletedJobPage(
        name=job.name,
        at=event.time,
        by=actor_words(event.actor) if event.actor else "",
        reason=(fact.reason or "") if isinstance(fact, JobDeleted) else "",
        recent=tuple((await _recent(services, tenant, [job.name], LAST_RUNS))[job.name]),
        revisions=revision_rows(await jobs.revisions(pool, row), current=0),
    )
    return {"frame": frame_of(request, job.name, "jobs"), "page": page}


async def _recent(
    services: Services, tenant: str, names: list[str], count: int
) -> dict[str, list[RunView]]:
    """Give the last runs of each job, the newest first."""
    found = await jobs.recent_runs(services.database.pool, tenant, names, count)
    ids = [run for runs in found.values() for run in runs]
    now = clock.now()
    views = {r.id: run_view(r, now) for r in await run_list.runs_of(services.database, ids)}
    return {name: [views[run] for run in runs if run in views] for name, runs in found.items()}


def _script(spec: Spec) -> tuple[str, str]:
    """Give the script of a job, not more of it than a page can hold, and its shell."""
    command = kind.command_in(spec)
    if command is None or not isinstance(command.script, str):
        return "", ""
    rest = len(command.script) - SCRIPT_SHOWN
    more = f"\n… and {counted(rest, 'more character')}" if rest > 0 else ""
    return command.script[:SCRIPT_SHOWN] + more, command.shell


def _items(spec: Spec) -> str:
    """Say what a job does something for, when it does it for each of many items."""
    if not isinstance(spec, BatchSpec):
        return ""
    if spec.input is None:
        return counted(len(spec.items or ()), "item")
    origin = "" if spec.file is None else f" as {spec.file} had them when it was saved"
    return f"{counted(spec.input.total, 'item')}, stored with the job{origin}"


def _soonest(own: tuple[ScheduleView, ...]) -> str | None:
    return min((s.next_fire_at for s in own if s.next_fire_at is not None), default=None)


def _place_of(run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=f"/runs/{run.id}".encode(), headers={})


HANDLERS: Final[list[HTTPRouteHandler]] = [jobs_page, job_page, run_job]
