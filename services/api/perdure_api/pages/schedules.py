"""Schedules: the list, one with its history, and what may be done to it."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain.trigger_words import notes
from perdure_api.domain.triggers import fires
from perdure_api.errors import NotFoundError
from perdure_api.pages.fire_runs import fire_rows, schedule_rows
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.schedule_contexts import SchedulePage, SchedulesPage
from perdure_api.pages.schedule_words import OUTCOMES, facts_of, looked_words
from perdure_api.pages.visit import csrf_of, frame_of, query_of, wants_fragment, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted, moment, number
from perdure_api.projections import schedules
from perdure_api.projections.jobs_file import jobs_file
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_contract.jobs import ScheduleView
from perdure_runtime.clock import now as now_here
from perdure_runtime.clock import rfc3339

PAGE: Final = 40
HISTORY: Final = 30
STRIP: Final = 7
LONG_STRIP: Final = 30
COMING: Final = 10
MOST_TEXT: Final = 63
STATES: Final = {
    "active": ("live", "Active"),
    "paused": ("paused", "Paused"),
    "over": ("left", "Over"),
}


@get("/schedules", opt={"permission": "view"}, name="schedules")
async def schedules_page(request: HttpRequest) -> ASGIApp:
    """Show the schedules that pass the filter of the address."""
    services, query = services_of(request), query_of(request)
    page = await _list(services, caller_of(request).tenant, query)
    live = await watch_all(services.database)
    frame = frame_of(request, page.words, "schedules", live=live)
    fragment = wants_fragment(request)
    headers = []
    if fragment and request.headers.get("hx-source", "").startswith("form"):
        headers.append((b"hx-push-url", page.href.encode()))
    context = {"frame": frame, "page": page, "csrf": csrf_of(request), "fragment": fragment}
    return html("_schedules.html" if fragment else "schedules.html", context, headers=headers)


async def _list(services: Services, tenant: str, query: dict[str, str]) -> SchedulesPage:
    pool = services.database.pool
    q, state = query.get("q", "").strip().lower()[:MOST_TEXT], query.get("state", "")
    problem = None
    if state and state not in STATES:
        problem = f"There is no state “{state[:40]}”. All schedules are shown."
        state = ""
    after = _place(query.get("after", ""))
    found = await schedules.find_schedules(
        pool, tenant, q=q, state=state, after=after, limit=PAGE + 1
    )
    shown = found[:PAGE]
    counts = await schedules.counts(pool, tenant, q)
    values = {"q": q, "state": state}
    here = {**values, "after": query.get("after", "") if after else ""}
    last = f"{shown[-1].job}.{shown[-1].id}" if len(found) > PAGE else ""
    return SchedulesPage(
        rows=await schedule_rows(services.database, shown, strip=STRIP),
        q=q,
        filtered=bool(q or state),
        words=_words(q, state, counts.get(state, 0) if state else sum(counts.values())),
        href=with_query("/schedules", here),
        pills=(
            Link(label="All", href=with_query("/schedules", {"q": q}), chosen=not state),
            *(
                Link(
                    label=word,
                    state=shape,
                    href=with_query("/schedules", {"q": q, "state": name}),
                    chosen=state == name,
                    count=number(counts[name]) if counts.get(name) else None,
                )
                for name, (shape, word) in STATES.items()
            ),
        ),
        state=state,
        problem=problem,
        first_href=with_query("/schedules", values) if after else None,
        next_href=with_query("/schedules", {**values, "after": last}) if last else None,
        looked_words=looked_words(services.seconds_since_schedules()),
    )


def _place(text: str) -> tuple[str, str] | None:
    """Read the job and id of the last schedule of the page before; none when it makes no sense."""
    job, _, schedule_id = text.rpartition(".")
    try:
        return (job, as_run_id(schedule_id)) if job else None
    except NotFoundError:
        return None


def _words(q: str, state: str, count: int) -> str:
    words = counted(count, f"{state} schedule".strip())
    return f"{words} of jobs with “{q}”" if q else words


@get("/schedules/{id:str}", opt={"permission": "view"}, name="schedule")
async def schedule_page(request: HttpRequest) -> ASGIApp:
    """Show one schedule: its rules, its next fire times, and what became of the earlier ones."""
    services, schedule = await asked(request)
    page = await _one(request, services, schedule)
    live = await watch_all(services.database)
    frame = frame_of(request, f"{schedule.job}: {schedule.words}", "schedules", live=live)
    template = "_schedule.html" if wants_fragment(request) else "schedule.html"
    return html(template, {"frame": frame, "page": page})


async def _one(request: HttpRequest, services: Services, schedule: ScheduleView) -> SchedulePage:
    pool, tenant = services.database.pool, caller_of(request).tenant
    query, path = query_of(request), f"/schedules/{schedule.id}"
    chosen = query.get("outcome", "") if query.get("outcome") in OUTCOMES else ""
    before = _moment(query.get("before", ""))
    found = await schedules.fires_of(
        pool,
        schedule.id,
        before=None if before is None else moment(before),
        limit=HISTORY + 1,
        outcome=chosen,
    )
    shown, last = found[:HISTORY], found[HISTORY - 1] if len(found) > HISTORY else None
    _, state = await schedules.find_schedule(pool, tenant, schedule.id)
    file = await jobs_file(pool, tenant)
    (row,) = await schedule_rows(services.database, [schedule], strip=LONG_STRIP)
    after = now_here()
    coming = fires(state.rule, after, COMING) if schedule.enabled else []
    older = {"outcome": chosen, "before": (last.until or last.fire_at) if last else ""}
    return SchedulePage(
        row=row,
        coming=tuple(map(rfc3339, coming)),
        notes=tuple(notes(schedule.trigger, schedule.timezone, after)),
        facts=facts_of(schedule),
        from_file=schedule.source == "file" and file is not None and schedule.job in file.names,
        fires=await fire_rows(services.database, shown),
        pills=(
            Link(label="All", href=path, chosen=not chosen),
            *(
                Link(
                    label=word,
                    state=shape,
                    href=with_query(path, {"outcome": name}),
                    chosen=chosen == name,
                )
                for name, (shape, word) in OUTCOMES.items()
            ),
        ),
        chosen=chosen,
        href=with_query(path, {"outcome": chosen, "before": before or ""}),
        first_href=with_query(path, {"outcome": chosen}) if before else None,
        next_href=with_query(path, older) if last else None,
        csrf=csrf_of(request),
    )


def _moment(text: str) -> str | None:
    try:
        return text if moment(text).tzinfo is not None else None
    except ValueError:
        return None


async def asked(request: HttpRequest) -> tuple[Services, ScheduleView]:
    """Give the schedule that an address is about.

    Raises:
        NotFoundError: when there is none.
    """
    services = services_of(request)
    schedule_id = as_run_id(str(request.path_params["id"]))
    pool, tenant = services.database.pool, caller_of(request).tenant
    return services, await schedules.get_schedule(pool, tenant, schedule_id)


HANDLERS: Final[list[HTTPRouteHandler]] = [schedules_page, schedule_page]
