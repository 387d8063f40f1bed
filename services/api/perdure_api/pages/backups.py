"""The backups: the list of them, and one with its days, its sizes and its last runs."""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.pages.backup_contexts import BackupsPage, OneBackupPage
from perdure_api.pages.backup_standing import MOST, Backup, standing_of
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.metrics import MOST_RUNS, chart_of
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import csrf_of, frame_of, query_of, wants_fragment, with_query
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted, rough
from perdure_api.projections import backups, jobs, run_list
from perdure_api.projections.run_detail import live_progress, run_view
from perdure_api.projections.run_history import runs_alike
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.sentences import words
from perdure_contract.rsync.spec import RsyncSpec

LAST_RUNS: Final = 10
CHARTS: Final = (
    ("total_bytes", "Size"),
    ("transferred_bytes", "Copied"),
    ("", "Time taken"),
    ("deleted", "Deleted"),
)
"""Numbers of a run that are drawn over time, with their words."""


@get("/backups", opt={"permission": "view"}, name="backups")
async def backups_page(request: HttpRequest) -> ASGIApp:
    """Show every backup: its days, its last good run, the next, what is overdue."""
    database, tenant = services_of(request).database, caller_of(request).tenant
    frame = frame_of(request, "Backups", "backups", live=await watch_all(database))
    made = await backups.backup_jobs(database.pool, tenant, limit=MOST)
    rows = await standing_of(database, tenant, made, frame.now)
    # What needs someone comes first, by name within.
    rows = tuple(sorted(rows, key=lambda row: (row.overdue_at is None, not row.trouble)))
    overdue = sum(row.overdue_at is not None for row in rows)
    said = counted(len(rows), "backup") + (f", {overdue} overdue" if overdue else "")
    context = {
        "frame": frame,
        "page": BackupsPage(rows=rows, words=said),
        "fragment": wants_fragment(request),
    }
    return html("_backups.html" if wants_fragment(request) else "backups.html", context)


@get("/backups/{name:str}", opt={"permission": "view"}, name="backup")
async def backup_page(request: HttpRequest, name: str) -> ASGIApp:
    """Show one backup."""
    database, tenant = services_of(request).database, caller_of(request).tenant
    row, _ = await jobs.find_job(database.pool, tenant, name)
    view = jobs.job_view(row)
    if not isinstance(view.spec, RsyncSpec):
        raise NotFoundError(name)
    frame = frame_of(request, name, "backups", live=await watch_all(database))
    (backup,) = await standing_of(database, tenant, (view,), frame.now)
    found = await run_list.find(database, tenant, run_list.Filter(job=(name,)), limit=LAST_RUNS)
    live = await live_progress(database, found.runs)
    wanted = query_of(request).get("metric", CHARTS[0][0])
    metric = wanted if wanted in dict(CHARTS) else CHARTS[0][0]
    chart = None
    if backup.last is not None:
        alike = await runs_alike(database, backup.last, limit=MOST_RUNS)
        chart = chart_of(backup.last, alike, metric)
    page = OneBackupPage(
        backup=backup,
        href=with_query(f"/backups/{name}", {"metric": query_of(request).get("metric", "")}),
        standing=standing_words(backup, frame.now.timestamp()),
        trouble="It is overdue." if backup.is_late else backup.trouble,
        words=words(view.spec),
        argv=argv(view.spec),
        chart=chart,
        choices=tuple(
            Link(
                label=label,
                href=f"/backups/{name}?metric={key}#chart",
                chosen=key == metric,
            )
            for key, label in CHARTS
        ),
        runs=tuple(run_view(run, frame.now, live.get(run.id)) for run in found.runs),
        failed=sum(run.phase == "failed" for run in found.runs),
    )
    context = {
        "frame": frame,
        "page": page,
        "csrf": csrf_of(request),
        "fragment": wants_fragment(request),
    }
    return html("_backup.html" if wants_fragment(request) else "backup.html", context)


def standing_words(backup: Backup, now: float) -> str:
    """Say how a backup stands: the last good one, and what it holds."""
    good = backup.last_good
    if good is None:
        return "There is no good backup yet."
    ended = good.ended_at or good.created_at
    said = f"The last good backup is {rough(max(0.0, now - ended.timestamp()))} old"
    if backup.size:
        files = int(good.metrics.get("files", 0))
        said += f": {backup.size} in {counted(files, 'file or folder', 'files and folders')}"
    return f"{said}."


HANDLERS: Final[list[HTTPRouteHandler]] = [backups_page, backup_page]
