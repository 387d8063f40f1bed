"""The builder of backups: the form, what it would do, its dry run, and the backup itself.

All of it is one form that is sent again and again, with or without scripts: buttons say what is wanted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.pages import backup_deeds, backup_dry
from perdure_api.pages.backup_contexts import BackupPage
from perdure_api.pages.backup_form import (
    OWN_DEFAULTS,
    BackupForm,
    filters_of,
    labels_text,
    problems_of,
    rows_after,
    source_of,
    typed,
    values_of,
)
from perdure_api.pages.backup_picture import SHOWN, picture, put_through, typed_paths
from perdure_api.pages.backup_preview import preview_of
from perdure_api.pages.directories import Place, look, names_in, paths_in
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    from_htmx,
    lead_on,
    query_of,
    read_form,
    triggers,
)
from perdure_api.projections import jobs
from perdure_api.projections.hosts import list_hosts
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.rsync.spec import RsyncSpec

SIDES: Final = ("source", "destination")
SAMPLE: Final = 40
PATIENCE: Final = 5.0
"""Seconds for a look at a directory; a network share may be gone."""
GONE: Final = "It did not answer in time: is a network share gone?"


@get("/backups/new", opt={"permission": "author"}, name="new backup")
async def new_backup(request: HttpRequest) -> ASGIApp:
    """Show the builder: empty, or filled with a saved backup or a run."""
    form = await _filled(request, query_of(request))
    return await _page(request, form)


@post("/backups/new", opt={"permission": "author"}, name="build a backup")
async def build_backup(request: HttpRequest) -> ASGIApp:
    """Do what a button of the builder says; show the builder again, or lead on to what was made."""
    fields = await read_form(request)
    form = typed(fields)
    if asked := first(fields, "browse"):
        return await _page(request, form, places=await _looked(request, form, asked))
    if asked := first(fields, "pick"):
        side, _, path = asked.partition(":")
        form = form.having(**{side: path}) if side in SIDES else form
        return await _page(request, form)
    if asked := first(fields, "rows"):
        return await _page(request, replace(form, rows=rows_after(form.rows, asked)))
    act = first(fields, "act")
    if act == "sample":
        paths = await _in_time(paths_in, source_of(form), _roots(request), SAMPLE)
        return await _page(request, form.having(tried="\n".join(paths)))
    try:
        return await _done(request, form, fields, act)
    except Refused as refused:
        found, message = problems_of(refused.errors), str(refused)
    except Rejected as rejected:
        found, message = problems_of(rejected.rejection.errors), rejected.rejection.message
    except backup_deeds.UnreadableFormError as unreadable:
        found, message = unreadable.problems, ""
    found = found or (Problem(field=None, label="", message=message),)
    return await _page(request, replace(form, problems=found))


async def _done(
    request: HttpRequest, form: BackupForm, fields: dict[str, list[str]], act: str
) -> ASGIApp:
    """Do what cannot be taken back; anything else is a look at the form as it stands."""
    if act == "dry":
        return await _page(request, await backup_deeds.start_dry_run(request, form))
    if act == "run":
        return lead_on(request, await backup_deeds.start_run(request, form, fields))
    if act == "save":
        return lead_on(request, await backup_deeds.save_job(request, form))
    if act == "yaml":
        backup_deeds.read_whole(form)
        return await _page(request, form, yaml=backup_deeds.yaml_of(form))
    return await _page(request, form)


@post("/backups/new/preview", opt={"permission": "author"}, name="preview of a backup")
async def preview_backup(request: HttpRequest) -> ASGIApp:
    """Say what the form would do as it stands, and draw what lands where."""
    page = await _context(request, typed(await read_form(request)))
    return html("_backup_looked.html", {"page": page})


@post("/backups/new/dry", opt={"permission": "author"}, name="dry run of a backup")
async def dry_run(request: HttpRequest) -> ASGIApp:
    """Tell how the dry run stands that belongs to the form."""
    form = typed(await read_form(request))
    dry = await backup_dry.dry_run_of(request, form)
    ended = () if dry is None or dry.open else (triggers({"perdure:look": {}}),)
    return html("_backup_dry.html", {"page": {"dry": dry}}, headers=ended)


async def _filled(request: HttpRequest, query: Mapping[str, str]) -> BackupForm:
    services, caller = services_of(request), caller_of(request)
    if "job" in query:
        row, job = await jobs.find_job(services.database.pool, caller.tenant, query["job"])
        made = job.definition
        if not isinstance(made.spec, RsyncSpec):
            raise NotFoundError(query["job"])
        return values_of(made.spec).having(
            job=job.name,
            version=str(row.version),
            name=job.name,
            description=made.description,
            queue=made.queue,
            labels=labels_text(made.labels),
            timeout=backup_deeds.time_limit(made.limits),
        )
    if "run" in query:
        found = await find_run(services.database, caller.tenant, as_run_id(query["run"]))
        asked = None if found is None else found.run.request
        if asked is None or not isinstance(asked.spec, RsyncSpec):
            raise NotFoundError(query["run"])
        form = values_of(asked.spec).having(
            queue=asked.queue,
            labels=labels_text(asked.labels),
            timeout=backup_deeds.time_limit(asked.limits),
        )
        return form.having(**{"dry_run" if asked.spec.dry_run else "origin": query["run"]})
    given = {name: query[name] for name in SIDES if name in query}
    return BackupForm(values=OWN_DEFAULTS | given)


async def _page(
    request: HttpRequest,
    form: BackupForm,
    *,
    places: dict[str, Place] | None = None,
    yaml: str = "",
) -> ASGIApp:
    page = await _context(request, form)
    page = replace(page, places=places or {}, yaml=yaml)
    title = f"Change backup {form['job']}" if form["job"] else "New backup"
    context = {"frame": frame_of(request, title, "backups"), "page": page}
    template = "_backup_form.html" if from_htmx(request) else "backup_new.html"
    looked = (triggers({"perdure:look": {}}),) if from_htmx(request) else ()
    return html(template, context, status=422 if form.problems else 200, headers=looked)


async def _context(request: HttpRequest, form: BackupForm) -> BackupPage:
    services = services_of(request)
    source, destination = form["source"], form["destination"]
    here = not (form["host"] and form["host_side"] == "source")
    names = await _in_time(names_in, source, _roots(request), SHOWN + 1) if source and here else ()
    dry = await backup_dry.dry_run_of(request, form)
    known = await list_hosts(services.database.pool, caller_of(request).tenant)
    return BackupPage(
        form=replace(form, csrf=csrf_of(request)),
        hosts=tuple(host.name for host in known),
        roots=_roots(request),
        picture=picture(source, destination, names),
        preview=await preview_of(services, caller_of(request).tenant, form, dry),
        tester=await asyncio.to_thread(put_through, filters_of(form), typed_paths(form["tried"])),
        dry=dry,
    )


async def _looked(request: HttpRequest, form: BackupForm, asked: str) -> dict[str, Place]:
    """Look at a directory for one of the sides; none when it is to be closed."""
    side, named, path = asked.partition(":")
    if side not in SIDES:
        return {}
    path = path if named else form[side]
    roots = _roots(request)
    try:
        async with asyncio.timeout(PATIENCE):
            place = await asyncio.to_thread(look, path, roots)
            if place.problem:
                above = await asyncio.to_thread(look, "", roots)
                place = replace(above, problem=f"{path}: {place.problem}")
    except TimeoutError:
        place = Place(path="", name="", problem=GONE)
    return {side: place}


async def _in_time(
    act: Callable[[str, Sequence[str], int], tuple[str, ...]],
    path: str,
    roots: Sequence[str],
    count: int,
) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.to_thread(act, path, roots, count)
    except TimeoutError:
        return ()


def _roots(request: HttpRequest) -> tuple[str, ...]:
    return services_of(request).commands.backup_roots


HANDLERS: Final[list[HTTPRouteHandler]] = [new_backup, build_backup, preview_backup, dry_run]
