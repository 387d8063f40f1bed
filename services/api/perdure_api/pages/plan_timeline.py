"""The timeline: past and coming runs on one axis, a lane a job."""

from datetime import datetime
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.pages.axis import (
    MOST_LANES,
    ZOOMS,
    Axis,
    items_left_out,
    items_of_runs,
    items_planned,
    lanes_of,
    legend_of,
)
from perdure_api.pages.axis_contexts import Lane, TimelinePage
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import frame_of, query_of, wants_fragment, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted, moment
from perdure_api.projections import jobs, timeline
from perdure_api.projections.run_detail import run_view
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_api.store import event_log
from perdure_runtime.clock import rfc3339

MOST_JOBS: Final = 500
PAST: Final = 0.7
"""How much of an axis around now lies behind."""
CUTS: Final = {
    "runs": f"Only the newest {timeline.MOST_RUNS} runs are drawn; choose a job or a shorter time.",
    "left-out": "Of what was left out, only the latest is drawn; choose a shorter time.",
    "planned": "Not all that is planned is drawn.",
}


@get("/timeline", opt={"permission": "view"}, name="timeline")
async def timeline_page(request: HttpRequest) -> ASGIApp:
    """Show what ran, what was left out and what is to come."""
    services = services_of(request)
    page = await _page(services, caller_of(request).tenant, query_of(request))
    live = await watch_all(services.database)
    frame = frame_of(request, "Timeline", "timeline", live=live)
    template = "_timeline.html" if wants_fragment(request) else "timeline.html"
    return html(template, {"frame": frame, "page": page})


async def _page(services: Services, tenant: str, query: dict[str, str]) -> TimelinePage:
    database = services.database
    zoom = query.get("zoom", "") if query.get("zoom") in ZOOMS else "1d"
    job, length = query.get("job", "")[:63], ZOOMS[zoom][0]
    now = (await event_log.head(database.pool)).now
    since = _since(query.get("from", ""))
    begin = since or now - length * PAST
    axis = Axis(begin, begin + length, zoom)
    seen = await timeline.window(database, tenant, begin, axis.end, job=job or None, now=now)
    views = [run_view(run, now) for run in seen.runs]
    items = [
        *items_of_runs(views, axis, now),
        *items_left_out(seen.left_out),
        *items_planned(seen.planned),
    ]
    lanes = lanes_of(items, axis)
    cuts = [CUTS[name] for name in seen.cut]
    if len(lanes) > MOST_LANES:
        cuts.append(f"{counted(len(lanes) - MOST_LANES, 'more job')} not shown; choose one.")
    lanes = lanes[:MOST_LANES]
    values = {"zoom": zoom if zoom != "1d" else "", "job": job}
    here = {**values, "from": rfc3339(since) if since is not None else ""}
    step = length / 2
    in_sight = axis.begin <= now <= axis.end
    return TimelinePage(
        begin=axis.begin,
        end=axis.end,
        now_x=axis.x(now) if in_sight else None,
        ticks=axis.ticks(),
        tick_form=ZOOMS[zoom][2],
        lanes=lanes,
        words=_words(lanes),
        cuts=tuple(cuts),
        zooms=tuple(
            Link(
                label=f"{name[:-1]}\N{NO-BREAK SPACE}{name[-1]}",
                href=with_query("/timeline", {**here, "zoom": name}),
                chosen=name == zoom,
            )
            for name in ZOOMS
        ),
        zoom=zoom,
        earlier_href=with_query("/timeline", {**values, "from": rfc3339(begin - step)}),
        later_href=with_query("/timeline", {**values, "from": rfc3339(begin + step)}),
        now_href=None if in_sight else with_query("/timeline", values),
        since=here["from"],
        job=job,
        jobs=tuple(
            j.name for j in await jobs.list_jobs(database.pool, tenant, after="", limit=MOST_JOBS)
        ),
        href=with_query("/timeline", here),
        legend=legend_of(lanes),
    )


def _since(text: str) -> datetime | None:
    try:
        found = moment(text)
    except ValueError:
        return None
    far = not 1971 < found.year < 9000  # noqa: PLR2004 -- where arithmetic with days ends
    return None if found.tzinfo is None or far else found


def _words(lanes: tuple[Lane, ...]) -> str:
    if not lanes:
        return "Nothing ran and nothing is planned in this time."
    return "; ".join(f"{lane.job or 'without a job'}: {lane.words}" for lane in lanes)


HANDLERS: Final[list[HTTPRouteHandler]] = [timeline_page]
