"""The first page: what needs someone, four numbers, what runs, what ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.domain import lanes
from perdure_api.pages import stuck
from perdure_api.pages.backup_standing import Backup, backups_in_need
from perdure_api.pages.overview_contexts import Attention, Overview, Tile
from perdure_api.pages.rendering import html
from perdure_api.pages.schedule_words import looked_words
from perdure_api.pages.timeline import bar_pieces, spark_bars, spark_line
from perdure_api.pages.visit import frame_of, wants_fragment
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted, failure_words, number, share, short_id
from perdure_api.projections import overview as views
from perdure_api.projections import run_list
from perdure_api.projections.overview import Hour
from perdure_api.projections.run_detail import live_progress, run_view
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_contract.objects import RunView, State, StuckView
from perdure_runtime.clock import rfc3339

HOURS: Final = 24
SHOWN: Final = 6
WAITING: Final[tuple[State, ...]] = ("queued", "scheduled", "retrying", "paused")
STALE: Final[frozenset[str]] = frozenset({"timeout", "stuck", "lost"})


@get("/", opt={"permission": "view"}, name="overview")
async def overview_page(request: HttpRequest) -> ASGIApp:
    """Show how things stand."""
    services = services_of(request)
    tenant = caller_of(request).tenant
    live = await watch_all(services.database)
    frame = frame_of(request, "Overview", "overview", live=live)
    context = await overview_context(services, tenant, frame.now, may_author=frame.may_author)
    template = "_overview.html" if wants_fragment(request) else "overview.html"
    return html(template, {"frame": frame, "overview": context})


async def overview_context(
    services: Services, tenant: str, now: datetime, *, may_author: bool
) -> Overview:
    """Read everything that the page shows to someone who may define runs, or may not."""
    database = services.database
    seen = await views.overview(database, tenant)
    hours = await views.throughput(database.pool, tenant, hours=HOURS)
    live = await live_progress(database, seen.running)
    failed = tuple(run_view(run, now) for run in seen.failed)
    still = await stuck.stuck_runs(services, tenant)
    needy = await backups_in_need(database, tenant, now)
    attention = [
        *_house_troubles(seen),
        *_stuck(still),
        *(_backup(backup, may_author=may_author) for backup in needy[:SHOWN]),
        *(_failed(run) for run in failed[:SHOWN]),
    ]
    return Overview(
        attention=tuple(attention),
        more_attention=seen.failed_count > SHOWN,
        any_failed=seen.counts["failed"] > 0,
        last_failure_at=failed[0].ended_at if failed else None,
        tiles=_tiles(seen, hours, now),
        running=tuple(run_view(run, now, live.get(run.id)) for run in seen.running[:SHOWN]),
        recent=tuple(run_view(run, now) for run in seen.ended[:SHOWN]),
        looked_words=looked_words(services.seconds_since_schedules()),
    )


def _house_troubles(seen: views.Overview) -> list[Attention]:
    """Tell what keeps whole queues from going on."""
    found = [
        Attention(
            key=f"executor-{executor.name}",
            state="lost",
            title=f"Executor {executor.name} is lost",
            id6=None,
            href="/executors",
            text="It did not say a word for longer than its lease; its attempts were ended.",
            at=executor.last_seen_at,
        )
        for executor in seen.lost_executors
    ]
    for queue in seen.unserved_queues:
        text = f"{counted(queue.queued, 'run waits', 'runs wait')} and no live executor serves it."
        found.append(_queue_trouble(queue.name, "No executor for queue", "waiting", text))
    for place, unfit in enumerate(seen.unfit[:SHOWN]):
        found.append(
            Attention(
                key=f"labels-{place}",
                state="waiting",
                title=f"No executor has {lanes.words_of(unfit.lane)}",
                id6=None,
                href=f"/runs?state=queued&queue={unfit.queue}",
                text=f"{_waiting(unfit.waiting)} for it in queue {unfit.queue}.",
                at=None,
                action="Executors",
                action_href="/executors",
            )
        )
    for queue in seen.paused_queues:
        text = f"{counted(queue.queued, 'run waits', 'runs wait')} until it is resumed."
        found.append(_queue_trouble(queue.name, "Paused: queue", "paused", text))
    return found


def _waiting(count: int) -> str:
    if count > views.FAILED_COUNTED:
        return f"More than {number(views.FAILED_COUNTED)} runs wait"
    return counted(count, "run waits", "runs wait")


def _stuck(runs: Sequence[StuckView]) -> list[Attention]:
    if not runs:
        return []
    return [
        Attention(
            key="stuck",
            state="stuck",
            title=f"{counted(len(runs), 'run')} without a sign of life",
            id6=None,
            href="/stuck",
            text="The next sweep ends what stands still for longer than allowed.",
            at=min(run.last_sign_at for run in runs),
            action="Look",
            action_href="/stuck",
        )
    ]


def _backup(backup: Backup, *, may_author: bool) -> Attention:
    name = backup.job.name
    action, there = "Look", f"/backups/{name}"
    if backup.host != "fits" and may_author:
        action = "Dry run" if backup.host == "changed" else "Change"
        there = f"/backups/new?job={name}"
    return Attention(
        key=f"backup-{name}",
        state="waiting" if backup.overdue_at is None else "timeout",
        title=f"Backup {name}",
        id6=None,
        href=f"/backups/{name}",
        text=backup.trouble,
        at=None if backup.overdue_at is None else rfc3339(backup.overdue_at),
        action=action,
        action_href=there,
    )


def _queue_trouble(name: str, title: str, state: str, text: str) -> Attention:
    return Attention(
        key=f"{state}-queue-{name}",
        state=state,
        title=f"{title} {name}",
        id6=None,
        href="/queues",
        text=text,
        at=None,
        action="Queues",
        action_href="/queues",
    )


def _partial(run: RunView) -> Attention:
    words, tab, action = "It came to its end only in part", "log", "Open log"
    if run.items is not None:
        words = f"{number(run.items.failed)} of {counted(run.items.total, 'item')} failed"
        tab, action = "items&outcome=failed", "Show items"
    return Attention(
        key=run.id,
        state=run.state,
        title=run.name,
        id6=short_id(run.id),
        href=f"/runs/{run.id}",
        text=words,
        at=run.ended_at,
        action=action,
        action_href=f"/runs/{run.id}?tab={tab}",
    )


def _failed(run: RunView) -> Attention:
    if run.state == "partial":
        return _partial(run)
    failure = run.failure
    words = failure_words(failure) if failure is not None else "Failed"
    if run.attempt > 1:
        words += f", after {counted(run.attempt, 'attempt')}"
    return Attention(
        key=run.id,
        state=failure.reason if failure is not None and failure.reason in STALE else "failed",
        title=run.name,
        id6=short_id(run.id),
        href=f"/runs/{run.id}",
        text=words,
        at=run.ended_at,
        action="Open log",
        action_href=f"/runs/{run.id}?tab=log",
    )


def _tiles(seen: views.Overview, hours: Sequence[Hour], now: datetime) -> tuple[Tile, ...]:
    """Make the four numbers; each leads to the runs behind it."""
    by_hour = {hour.start: hour for hour in hours}
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    starts = [this_hour - timedelta(hours=HOURS - 1 - n) for n in range(HOURS)]
    good = [by_hour[start].completed if start in by_hour else 0 for start in starts]
    bad = [by_hour[start].failed if start in by_hour else 0 for start in starts]
    ended = [g + b for g, b in zip(good, bad, strict=True)]
    at_work = [executor for executor in seen.executors if executor.state in ("live", "draining")]
    running = seen.counts["running"] + seen.counts["cancelling"]
    waiting = seen.counts["queued"]
    later = seen.counts["scheduled"] + seen.counts["retrying"]
    return (
        Tile(
            key="running",
            label="Running",
            value=_capped(running),
            of=f"of {counted(seen.slots, 'slot')}" if seen.slots else "",
            sub=f"on {counted(len(at_work), 'executor')}"
            if at_work
            else "no executor is connected",
            href="/runs?state=running",
            pieces=bar_pieces([("running", seen.slots_used)], seen.slots),
            chart=f"{seen.slots_used} of {seen.slots} slots are in use",
        ),
        Tile(
            key="waiting",
            label="Waiting",
            value=_capped(waiting),
            of="",
            sub=f"and {_capped(later)} for later" if later else "nothing for later",
            href="/runs?state=queued",
            pieces=bar_pieces([(state, seen.counts[state]) for state in WAITING], 0),
            chart=", ".join(f"{seen.counts[state]} {state}" for state in WAITING),
        ),
        _success(good, bad),
        Tile(
            key="finished",
            label="Finished, last 24 h",
            value=number(sum(ended)),
            of="runs" if sum(ended) != 1 else "run",
            sub=f"{number(ended[-1])} in this hour",
            href="/runs?state=completed,partial,failed",
            line=spark_line(ended),
            chart=f"Runs that ended an hour over 24 hours, at most {max(ended)}",
        ),
    )


def _success(good: Sequence[int], bad: Sequence[int]) -> Tile:
    all_ended = sum(good) + sum(bad)
    return Tile(
        key="success",
        label="Success, last 24 h",
        value=share(sum(good), all_ended) if all_ended else "–",
        of="%" if all_ended else "",
        sub=f"{number(sum(bad))} of {number(all_ended)} failed"
        if all_ended
        else "nothing has ended",
        href="/runs?state=failed,partial&since=24h",
        bars=spark_bars(good, bad),
        chart=f"Completed and failed runs an hour over 24 hours: {sum(good)} and {sum(bad)}",
    )


def _capped(count: int) -> str:
    return f"> {number(run_list.COUNTED)}" if count > run_list.COUNTED else number(count)


HANDLERS: Final[list[HTTPRouteHandler]] = [overview_page, *stuck.HANDLERS]
