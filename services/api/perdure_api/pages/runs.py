"""The list of runs: filter in the address, newest first, pages by key."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import Refused
from perdure_api.pages.bulk_words import BUTTONS
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.run_list_contexts import RunFilter, RunsPage
from perdure_api.pages.visit import frame_of, query_of, wants_fragment, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import STATES, counted, number
from perdure_api.projections import run_list
from perdure_api.projections.executors import list_executors
from perdure_api.projections.queues import list_queues
from perdure_api.projections.run_detail import live_progress, run_view
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_api.store.database import Database
from perdure_contract.objects import State

PAGE: Final = 40
MOST_TEXT: Final = 200
SINCES: Final = (
    ("", "Any time"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
)
_SINCE: Final = re.compile(r"^(\d{1,3})([hd])$")
ALWAYS_OFFERED: Final[frozenset[str]] = frozenset({"running", "queued", "failed", "completed"})
EXAMPLES: Final = (
    Link(label="Try a script", href="/runs/new?example=count"),
    Link(label="Try a function", href="/runs/new?example=function"),
    Link(label="Try a batch", href="/runs/new?example=batch"),
)


@get("/runs", opt={"permission": "view"}, name="runs")
async def runs_page(request: HttpRequest) -> ASGIApp:
    """Show one page of the runs that pass the filter of the address."""
    services = services_of(request)
    query = query_of(request)
    chosen = RunFilter(**{name: query.get(name, "")[:MOST_TEXT] for name in FILTERS})
    frame = frame_of(
        request, words_of(chosen, None), "runs", live=await watch_all(services.database)
    )
    page = await runs_context(
        services.database,
        caller_of(request).tenant,
        chosen,
        frame.now,
        after=query.get("after"),
        held="held" in query,
    )
    fragment = wants_fragment(request)
    template = "_runs.html" if fragment else "runs.html"
    headers = []
    if fragment and request.headers.get("hx-source", "").startswith("form"):
        headers.append((b"hx-push-url", page.href.encode()))
    return html(template, {"frame": frame, "runs": page, "fragment": fragment}, headers=headers)


LOST: Final = "There is no such place in the list. The newest runs are shown."
FILTERS: Final = ("state", "job", "queue", "executor", "tag", "q", "since")


async def runs_context(
    database: Database,
    tenant: str,
    chosen: RunFilter,
    now: datetime,
    *,
    after: str | None,
    held: bool,
) -> RunsPage:
    """Read one page of the list; an address that makes no sense gives the whole list and says so.

    `held`: the page is the newest one as it was when its reader scrolled away from the top.
    """
    problem, newer = None, 0
    try:
        wanted = wanted_of(chosen, now)
        found = await run_list.find(database, tenant, wanted, after=after, limit=PAGE)
        if held and after is not None:
            newer = await run_list.count_newer(database, tenant, wanted, after)
    except (ValueError, Refused) as error:
        problem = LOST if isinstance(error, Refused) else str(error)
        chosen, after, held, wanted = RunFilter(), None, False, run_list.Filter()
        found = await run_list.find(database, tenant, wanted, limit=PAGE)
    here, after = after, None if held else after
    if here is None and found.runs:
        here = run_list.cursor_at(found.runs[0])
    counts = await run_list.counts(database, tenant, wanted)
    live = await live_progress(database, found.runs)
    values = filter_values(chosen)
    total = sum(counts[state] for state in wanted.state or counts)
    capped = any(counts[state] > run_list.COUNTED for state in wanted.state or counts)
    return RunsPage(
        items=tuple(run_view(run, now, live.get(run.id)) for run in found.runs),
        moving=any(run.is_open for run in found.runs),
        filter=chosen,
        filtered=any(values.values()),
        words=words_of(
            chosen, f"> {number(run_list.COUNTED)}" if capped else number(total), one=total == 1
        ),
        href=with_query("/runs", {**values, "after": after or ""}),
        held_href=None if after else with_query("/runs", {**values, "after": here, "held": 1}),
        newer=_newer_words(newer),
        pills=pills_of(values, counts),
        queues=tuple(queue.name for queue in await list_queues(database.pool, tenant)),
        executors=tuple(executor.name for executor in await list_executors(database.pool, tenant)),
        sinces=SINCES,
        previous_href=with_query("/runs", values) if after else None,
        next_href=with_query("/runs", {**values, "after": found.next}) if found.next else None,
        range_words=f"Older runs, {PAGE} a page" if after else f"The newest {PAGE}",
        problem=problem,
        examples=EXAMPLES,
        all_words=_all_words(total, capped=capped),
        buttons=BUTTONS,
    )


def filter_values(chosen: RunFilter) -> dict[str, str]:
    """Give a filter as the values of an address."""
    return {name: getattr(chosen, name) for name in FILTERS}


def wanted_of(chosen: RunFilter, now: datetime) -> run_list.Filter:
    """Turn the filter of an address into that of the list; raises `ValueError` in words."""
    states: list[State] = []
    for word in filter(None, chosen.state.split(",")):
        state = next((state for state in run_list.STATES if state == word), None)
        if state is None:
            message = f"There is no state “{word[:40]}”. All runs are shown."
            raise ValueError(message)
        states.append(state)
    since = None
    if chosen.since:
        found = _SINCE.match(chosen.since)
        if found is None:
            message = "The time is given like 24h or 7d. All runs are shown."
            raise ValueError(message)
        since = now - timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])})
    return run_list.Filter(
        state=tuple(states),
        job=(chosen.job,) if chosen.job else (),
        queue=(chosen.queue,) if chosen.queue else (),
        executor=(chosen.executor,) if chosen.executor else (),
        tag=(chosen.tag,) if chosen.tag else (),
        q=chosen.q or None,
        since=since,
    )


def words_of(chosen: RunFilter, count: str | None, *, one: bool = False) -> str:
    """Say a filter as a phrase: `41 failed runs in queue backup, last 24 hours`."""
    words = [count] if count is not None else []
    words += [chosen.state.replace(",", " or ")] if chosen.state else []
    words.append("run" if one else "runs")
    words += [f"of job {chosen.job}"] if chosen.job else []
    words += [f"in queue {chosen.queue}"] if chosen.queue else []
    words += [f"on executor {chosen.executor}"] if chosen.executor else []
    words += [f"tagged {chosen.tag}"] if chosen.tag else []
    words += [f"with “{chosen.q}”"] if chosen.q else []
    since = dict(SINCES).get(chosen.since, "") if chosen.since else ""
    phrase = " ".join(words) + (f", {since.lower()}" if since else "")
    return phrase[0].upper() + phrase[1:]


def pills_of(values: Mapping[str, str], counts: Mapping[State, int]) -> tuple[Link, ...]:
    """Offer the states: those that are always of interest, and those that some run is in."""
    chosen = values["state"].split(",") if values["state"] else []
    pills = [
        Link(label="All", href=with_query("/runs", {**values, "state": ""}), chosen=not chosen)
    ]
    pills += [
        Link(
            label=state.capitalize(),
            state=state,
            href=with_query("/runs", {**values, "state": state}),
            chosen=state in chosen,
            count=_capped(counts[state]) if counts[state] else None,
        )
        for state in STATES
        if state in ALWAYS_OFFERED or counts[state] or state in chosen
    ]
    return tuple(pills)


def _newer_words(count: int) -> str | None:
    if count > run_list.MAX_LIMIT:
        return f"More than {run_list.MAX_LIMIT} newer runs"
    return counted(count, "newer run") if count else None


def _all_words(total: int, *, capped: bool) -> str:
    if capped:
        return f"All that match, more than {number(run_list.COUNTED)}"
    return f"All {number(total)} that match"


def _capped(count: int) -> str:
    return f"> {number(run_list.COUNTED)}" if count > run_list.COUNTED else number(count)


HANDLERS: Final[list[HTTPRouteHandler]] = [runs_page]
