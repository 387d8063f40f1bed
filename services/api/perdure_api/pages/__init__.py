"""The dashboard: pages for people, made of the same views and commands as the API.

A handler reads views or sends one command; a template shows one typed context of a module `…_contexts`, in
which every field says what it is. The objects of the API (`RunView`, `QueueView`, …) are shown as they are;
contexts add only what a page needs beside them: links, words, geometry. A whole page and the fragment that
replaces a part of it come from the same file. Start reading at `run`.
"""

from typing import Final

from litestar import Router
from litestar.handlers import HTTPRouteHandler

from perdure_api.pages import (
    backup_new,
    backups,
    bulk,
    bulk_list,
    bulk_page,
    entrance,
    event_catalogue,
    executors,
    hosts,
    item,
    items,
    job_edit,
    job_revisions,
    jobs,
    live,
    new_run,
    overview,
    plan_timeline,
    queues,
    refusals,
    run,
    run_actions,
    run_result,
    runs,
    schedule_actions,
    schedule_edit,
    schedules,
    upload_items,
)
from perdure_api.pages.assets import serve_asset

_HANDLERS: Final[list[HTTPRouteHandler]] = [
    *overview.HANDLERS,
    *runs.HANDLERS,
    *bulk.HANDLERS,
    *bulk_list.HANDLERS,
    *bulk_page.HANDLERS,
    *new_run.HANDLERS,
    *upload_items.HANDLERS,
    *run.HANDLERS,
    *run_result.HANDLERS,
    *items.HANDLERS,
    *item.HANDLERS,
    *run_actions.HANDLERS,
    *queues.HANDLERS,
    *refusals.HANDLERS,
    *executors.HANDLERS,
    *job_edit.HANDLERS,
    *job_revisions.HANDLERS,
    *jobs.HANDLERS,
    *backup_new.HANDLERS,
    *hosts.HANDLERS,
    *backups.HANDLERS,
    *schedules.HANDLERS,
    *plan_timeline.HANDLERS,
    *schedule_edit.HANDLERS,
    *schedule_actions.HANDLERS,
    *live.HANDLERS,
    *event_catalogue.HANDLERS,
    *entrance.HANDLERS,
]


def page_routers() -> list[Router]:
    """Give the pages, to be mounted beside the API."""
    return [Router("/", route_handlers=_HANDLERS), static_router()]


def static_router() -> Router:
    """Give the static files, open to everyone."""
    return Router("/", route_handlers=[serve_asset])
