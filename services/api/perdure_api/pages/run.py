"""One run: what happens to it, its output, its events, its attempts, what was asked for."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, get_args

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from perdure_api.domain.run import Run
from perdure_api.kinds import kind
from perdure_api.pages.action_buttons import action_buttons, action_menu
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.content import text_of
from perdure_api.pages.definition import definition_of
from perdure_api.pages.event_words import actor_words, event_rows
from perdure_api.pages.items import items_bar, items_pane
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.log_contexts import LogPane
from perdure_api.pages.log_pane import log_pane, log_query
from perdure_api.pages.metrics import metrics_pane
from perdure_api.pages.rendering import html
from perdure_api.pages.run_backup import backup_of
from perdure_api.pages.run_contexts import RunPage, RunTab
from perdure_api.pages.run_history_contexts import EventRow, Story
from perdure_api.pages.run_record import ledger_rows, origins_of, why_rows
from perdure_api.pages.run_result import result_of
from perdure_api.pages.story import story_of
from perdure_api.pages.timeline import timeline
from perdure_api.pages.visit import (
    csrf_of,
    frame_of,
    query_of,
    wants_fragment,
    whole_number,
    with_query,
)
from perdure_api.pages.watching import watch_run
from perdure_api.pages.words import number
from perdure_api.projections import ledger
from perdure_api.projections.lineage import reruns_of
from perdure_api.projections.run_detail import (
    attempts_of,
    checkpoints_of,
    events_of,
    fold,
    run_view,
)
from perdure_api.projections.why import why
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.security.headers import SANDBOX
from perdure_api.security.roles import may
from perdure_api.services import Services, services_of
from perdure_api.store.logs import read_text
from perdure_contract.envelope import Event
from perdure_contract.objects import RunView, WhyView
from perdure_runtime.clock import parse_rfc3339

TABS: Final[tuple[tuple[RunTab, str], ...]] = (
    ("summary", "Summary"),
    ("log", "Log"),
    ("items", "Items"),
    ("metrics", "Metrics"),
    ("events", "Events"),
    ("attempts", "Attempts"),
    ("definition", "Definition"),
)
BRIEF: Final = frozenset({"items", "metrics", "definition"})
"""Parts that need none of the run's events but the first: a large batch has thousands."""
EVENTS_SHOWN: Final = 200
CHECKPOINTS_SHOWN: Final = 20
RERUNS_SHOWN: Final = 20
WHY_TOLD: Final = frozenset({"queued", "retrying", "paused", "cancelling", "failed", "cancelled"})
"""States whose reason is not plain from the story."""


@get("/runs/{run_id:str}", opt={"permission": "view"}, name="run")
async def run_page(request: HttpRequest, run_id: str) -> ASGIApp:
    """Show a run as it is now, or with `at` as of one of its events."""
    services = services_of(request)
    query = query_of(request)
    page = await run_context(request, services, as_run_id(run_id), query)
    frame = frame_of(request, page.run.name, "runs", live=page.live)
    context = {"frame": frame, "run_page": page, "fragment": wants_fragment(request)}
    return html("_run_live.html" if wants_fragment(request) else "run.html", context)


async def run_context(
    request: HttpRequest, services: Services, run_id: str, query: Mapping[str, str]
) -> RunPage:
    """Read what a part of the page shows."""
    database, caller = services.database, caller_of(request)
    found = await asked_run(request, run_id)
    tab = _tab(query.get("tab"), found.run)
    at = whole_number(query.get("at"))
    if at is not None and at >= found.run.version:
        at = None
    limit = 1 if at is None and tab in BRIEF else None
    events = await events_of(database, found.run, limit=limit)
    if at is None:
        shown, record, now = events, found.run, found.now
        run = run_view(record, now, found.live)
    else:
        shown = events[:at]
        record, now = fold(shown), parse_rfc3339(shown[-1].time)
        run = run_view(record, now)
    attempts = tuple(attempts_of(shown))
    asked = log_query(query, run)
    log = None
    if tab in ("summary", "log"):
        log = await log_pane(database.pool, run, attempts, asked, short=tab == "summary")
    definition = None
    if tab == "definition":
        definition = definition_of(
            run, await text_of(database.pool, run.id, kind.texts_of(run.spec).get("script"))
        )
    rows, more = _events(events, query) if tab == "events" else ((), None)
    summary = tab == "summary" and at is None
    asks = summary or (at is None and run.state == "queued")
    reason = await why(database, found) if asks else None
    story = story_of(run, attempts, reason)
    refused = await ledger.entries(database.pool, caller.tenant, run.id) if summary else ()
    reruns = await reruns_of(database, caller.tenant, run.id, limit=RERUNS_SHOWN)
    operates = at is None and may(caller.role, "operate")
    watched = watch_run(run.id, run.version, progress=tab == "summary", log=log)
    return RunPage(
        run=run,
        tab=tab,
        tab_template=f"_tab_{tab}.html",
        tabs=_tabs(run, found.run.version, at),
        here=_here(run, query, log),
        live=watched if at is None else None,
        shown=whole_number(query.get("shown")),
        state_words=None,
        requested_by=actor_words(events[0].actor),
        actions=action_buttons(run, csrf_of(request)) if operates else (),
        menu=action_menu(run) if operates else (),
        story=story,
        why_sentence=reason.sentence if reason is not None and _adds(reason, story) else None,
        why=why_rows(reason, events) if reason is not None else (),
        origins=origins_of(shown),
        checkpoints=tuple(reversed(checkpoints_of(shown)[-CHECKPOINTS_SHOWN:])),
        ledger=ledger_rows(refused),
        reruns=tuple(run_view(rerun, now) for rerun in reruns),
        timeline=timeline(run, attempts, now),
        attempts=attempts,
        events_total=found.run.version,
        at=at,
        at_time=shown[-1].time,
        events=rows,
        events_more_href=more,
        previous_at=(at or found.run.version) - 1 or None,
        next_at=at + 1 if at is not None else None,
        log=log,
        definition=definition,
        result=result_of(record),
        backup=await backup_of(database, run),
        bar=items_bar(run.items),
        items=await items_pane(database.pool, found.run, run, query, operates=operates)
        if tab == "items"
        else None,
        metrics=await metrics_pane(database, record, run, query) if tab == "metrics" else None,
    )


def _adds(reason: WhyView, story: Story) -> bool:
    """Tell whether a reason says more than the story; of a plain end it says the same again."""
    return reason.sentence not in (story.text, story.detail) and reason.state in WHY_TOLD


def _here(run: RunView, query: Mapping[str, str], log: LogPane | None) -> str:
    left_out = {"shown", "line", "before"}
    if query.get("tab") != "items":
        left_out.add("after")  # a page of items stays the one that is looked at
    kept = {name: value for name, value in query.items() if name not in left_out}
    return with_query(f"/runs/{run.id}", {**kept, "shown": log.attempt if log is not None else ""})


def _tab(text: str | None, run: Run) -> RunTab:
    tabs: tuple[RunTab, ...] = get_args(RunTab)
    if text == "items" and run.items is None:
        return "summary"
    return next((tab for tab in tabs if tab == text), "summary")


def _tabs(run: RunView, events: int, at: int | None) -> tuple[Link, ...]:
    counts = {"events": number(events), "attempts": number(run.attempt) if run.attempt else None}
    if run.items is not None:
        counts["items"] = number(run.items.total)
    return tuple(
        Link(
            key=key,
            label=label,
            href=with_query(
                f"/runs/{run.id}", {"tab": "" if key == "summary" else key, "at": at or ""}
            ),
            count=counts.get(key),
        )
        for key, label in TABS
        if key != "items" or run.items is not None
    )


def _events(
    events: Sequence[Event], query: Mapping[str, str]
) -> tuple[tuple[EventRow, ...], str | None]:
    """Give one page of the events, oldest first, and the address of the next."""
    at = whole_number(query.get("at")) or 1
    after = whole_number(query.get("after")) or (at - 1) // EVENTS_SHOWN * EVENTS_SHOWN
    shown = events[after : after + EVENTS_SHOWN]
    before = events[after - 1] if 0 < after <= len(events) else None
    more = None
    if after + EVENTS_SHOWN < len(events):
        more = f"?tab=events&after={after + EVENTS_SHOWN}"
    return event_rows(shown, before=before), more


@get("/runs/{run_id:str}/log.txt", opt={"permission": "view"}, name="output of an attempt")
async def download_log(request: HttpRequest, run_id: str) -> ASGIApp:
    """Give the whole output of an attempt as a file, however large it is."""
    services = services_of(request)
    found = await asked_run(request, run_id)
    attempt = whole_number(query_of(request).get("attempt"))
    if attempt is None:
        attempt = found.run.attempt.number if found.run.attempt is not None else 1
    name = f"run-{run_id[-6:]}-attempt-{attempt}.txt"
    return Download(name, read_text(services.database.pool, run_id, attempt))


class Download:
    """A file that is sent as it is read; never shown as a page."""

    def __init__(self, name: str, parts: AsyncIterator[bytes]) -> None:
        self._name = name
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's shape
        """Send it part by part."""
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-disposition", f'attachment; filename="{self._name}"'.encode()),
            (b"content-security-policy", SANDBOX),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@get("/runs/{run_id:str}/earlier", opt={"permission": "view"}, name="earlier output")
async def earlier_lines(request: HttpRequest, run_id: str) -> ASGIApp:
    """Give the block of output before a line, to be put above what is shown."""
    services = services_of(request)
    page = await run_context(
        request, services, as_run_id(run_id), {**query_of(request), "tab": "log"}
    )
    return html("_log_earlier.html", {"run_page": page, "log": page.log})


HANDLERS: Final[list[HTTPRouteHandler]] = [run_page, download_log, earlier_lines]
