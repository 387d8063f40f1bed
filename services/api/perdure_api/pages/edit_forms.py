"""The forms of jobs and schedules as they are shown, previewed and led back to when something is wrong."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from zoneinfo import available_timezones

from litestar.types import ASGIApp

from perdure_api.domain.job import Job
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused, Rejected
from perdure_api.job_drafts import PreviewDraft
from perdure_api.job_drafts import preview as look_ahead
from perdure_api.once import StoredAnswer
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms.batch import stored_words
from perdure_api.pages.forms.parameters import typed_rows, with_blanks
from perdure_api.pages.job_contexts import PlanPreview
from perdure_api.pages.job_form import BLANKS, JobForm, typed
from perdure_api.pages.job_preview import preview_of_form
from perdure_api.pages.job_reading import led_to_job, led_to_schedule, read_schedule
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import csrf_of, frame_of, read_form
from perdure_api.projections import jobs
from perdure_api.projections.queues import list_queues
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_api.store import event_log
from perdure_api.store.state import StreamRow
from perdure_contract.identifiers import stream_key
from perdure_contract.jobs import SchedulePlan

Lead = Callable[[Sequence[FieldError], Mapping[str, str]], list[Problem]]
"""Leads faults to the fields of a form."""


async def planned(
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


async def previewed(request: HttpRequest, *, of_job: bool) -> ASGIApp:
    """Answer with what the form would do as it stands."""
    fields = await read_form(request)
    values, rows = typed(fields), typed_rows(fields)
    now = (await event_log.head(services_of(request).database.pool)).now
    asked = rows if of_job else None
    preview = preview_of_form(values, asked, now, asks_when="when" in fields)
    return html("_plan_preview.html", {"preview": preview})


async def show(request: HttpRequest, form: JobForm) -> Reply:
    """Answer with the form: filled, previewed, with what is wrong at its fields."""
    services = services_of(request)
    pool = services.database.pool
    queues = await list_queues(pool, caller_of(request).tenant)
    form = replace(
        form,
        csrf=csrf_of(request),
        queues=tuple(queue.name for queue in queues),
        zones=_zones(),
        items_words=form.items_words or stored_words(form.values),
        rows=with_blanks(form.rows, BLANKS) if form.of_job else (),
    )
    rows = form.rows if form.of_job else None
    now = (await event_log.head(pool)).now
    preview: PlanPreview = preview_of_form(form.values, rows, now, asks_when=form.of_schedule)
    kind = "job" if form.of_job else "schedule of"
    title = f"{f'New {kind}' if form.is_new else f'Change {kind}'} {form.job}".strip()
    context = {
        "frame": frame_of(request, title, "jobs" if form.of_job else "schedules"),
        "form": form,
        "title": title,
        "preview": preview,
    }
    return html("job_form.html", context, status=422 if form.problems else 200)


async def saved(
    saving: Awaitable[object], values: Mapping[str, str], lead: Lead
) -> tuple[Problem, ...]:
    """Save what was read; give what stood in the way, at its fields, or nothing when it is saved."""
    try:
        await saving
    except Refused as refused:
        return tuple(lead(refused.errors, values))
    except Rejected as rejected:
        return _rejected(rejected, values)
    return ()


def _rejected(rejected: Rejected, values: Mapping[str, str]) -> tuple[Problem, ...]:
    rejection = rejected.rejection
    if rejection.code == "already-exists":
        return tuple(led_to_job([FieldError("/name", rejection.code, rejection.message)], values))
    found = led_to_job(rejection.errors, values)
    return tuple(found) or (Problem(field=None, label="", message=rejection.message),)


async def own_job(request: HttpRequest, name: str) -> tuple[StreamRow, Job]:
    """Give the row and state of a job; raises `NotFoundError` when it is not there."""
    pool = services_of(request).database.pool
    return await jobs.find_job(pool, caller_of(request).tenant, name)


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    plain = (zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return ("UTC", *sorted(plain))


def nothing(row: StreamRow) -> StoredAnswer:
    """Give the stored answer of a form that was carried out: its key acts once."""
    return StoredAnswer(status=303, body=stream_key(row.stream).encode(), headers={})
