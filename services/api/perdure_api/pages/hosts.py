"""Saved hosts: other machines that backups read from or write to, made and changed by people."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.backups import deletes, hosts_of_jobs
from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.pages.action_contexts import ActionPage
from perdure_api.pages.asking import REASON, ask_before
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.host_contexts import HostCard, HostForm, HostsPage, HostUse
from perdure_api.pages.host_form import (
    DEFAULTS,
    LABELS,
    key_words,
    problems_of,
    read_host,
    typed,
    values_of,
    without_secrets,
)
from perdure_api.pages.rendering import html
from perdure_api.pages.sent_forms import reason_of
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    from_htmx,
    go_on,
    lead_on,
    read_form,
    wants_fragment,
    whole_number,
)
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import counted
from perdure_api.projections import backups
from perdure_api.projections.hosts import get_host, list_hosts
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.security.roles import may
from perdure_api.services import services_of
from perdure_contract.objects import HostView
from perdure_contract.rsync.spec import RsyncSpec

MOST: Final = 500
SSH_PORT: Final = 22


@get("/hosts", opt={"permission": "view"}, name="hosts")
async def hosts_page(request: HttpRequest) -> ASGIApp:
    """Show every saved host, and the backups that name it."""
    services, caller = services_of(request), caller_of(request)
    frame = frame_of(request, "Hosts", "backups", live=await watch_all(services.database))
    found = await list_hosts(services.database.pool, caller.tenant)
    uses = await _uses(request)
    page = HostsPage(
        cards=tuple(_card(host, uses.get(host.name, ())) for host in found),
        may_change=may(caller.role, "admin"),
    )
    fragment = wants_fragment(request)
    context = {"frame": frame, "page": page, "fragment": fragment}
    return html("_hosts.html" if fragment else "hosts.html", context)


@get("/hosts/new", opt={"permission": "admin"}, name="new host")
async def new_host(request: HttpRequest) -> ASGIApp:
    """Show the empty form."""
    return _page(request, HostForm(values=DEFAULTS))


@post("/hosts/new", opt={"permission": "admin"}, name="save a new host")
async def create_host(request: HttpRequest) -> ASGIApp:
    """Save a host under a name that is free."""
    values = typed(await read_form(request))
    form = HostForm(values=without_secrets(values))
    try:
        name, saved = read_host(values)
        await services_of(request).hosts.create(caller_of(request), name, saved)
    except Refused as refused:
        return _page(request, replace(form, problems=problems_of(refused.errors)))
    except Rejected as rejected:
        return _page(request, replace(form, problems=_said(rejected, "name")))
    return lead_on(request, "/hosts")


@get("/hosts/{name:str}/edit", opt={"permission": "admin"}, name="change a host")
async def edit_host(request: HttpRequest, name: str) -> ASGIApp:
    """Show the form with what the host is now."""
    host = await _own(request, name)
    uses = await _uses(request)
    form = HostForm(
        name=host.name,
        values=values_of(host),
        expected_version=host.version,
        uses=uses.get(host.name, ()),
    )
    return _page(request, form)


@post("/hosts/{name:str}/edit", opt={"permission": "admin"}, name="save a changed host")
async def save_host(request: HttpRequest, name: str) -> ASGIApp:
    """Save a host anew; what starts from now on uses it."""
    host, fields = await _own(request, name), await read_form(request)
    values = {**typed(fields), "name": host.name}
    version = whole_number(first(fields, "expected_version"))
    uses = await _uses(request)
    form = HostForm(
        name=host.name,
        values=without_secrets(values),
        expected_version=version,
        uses=uses.get(host.name, ()),
    )
    try:
        name, saved = read_host(values)
        await services_of(request).hosts.save(
            caller_of(request), name, saved, expected_version=version
        )
    except Refused as refused:
        return _page(request, replace(form, problems=problems_of(refused.errors)))
    except Rejected as rejected:
        return _page(request, replace(form, problems=_said(rejected, None)))
    return lead_on(request, "/hosts")


@get("/hosts/{name:str}/delete", opt={"permission": "admin"}, name="ask to delete a host")
async def ask_delete(request: HttpRequest, name: str) -> ASGIApp:
    """Ask before a host is deleted."""
    host = await _own(request, name)
    uses = (await _uses(request)).get(host.name, ())
    lines = [
        "Backups that name it can be neither started nor saved any more. What is running goes on."
    ]
    if uses:
        names = ", ".join(use.job for use in uses)
        lines.append(f"{counted(len(uses), 'backup names', 'backups name')} it: {names}.")
    page = ActionPage(
        title=f"Delete host {host.name}?",
        lines=tuple(lines),
        href=f"/hosts/{host.name}/delete",
        back="/hosts",
        keep="Keep it",
        go="Delete",
        icon="x",
        tone="danger",
        csrf=csrf_of(request),
        expected_version=host.version,
        inputs=(REASON,),
    )
    return ask_before(request, page, "backups")


@post("/hosts/{name:str}/delete", opt={"permission": "admin"}, name="delete a host")
async def delete_host(request: HttpRequest, name: str) -> ASGIApp:
    """Let a host be named no more."""
    host, fields = await _own(request, name), await read_form(request)
    reason = reason_of(fields)
    version = whole_number(first(fields, "expected_version"))
    await services_of(request).hosts.delete(
        caller_of(request), host.name, reason, expected_version=version
    )
    return go_on(request, "/hosts", f"Host {host.name} is deleted")


async def _own(request: HttpRequest, name: str) -> HostView:
    found = await get_host(services_of(request).database.pool, caller_of(request).tenant, name)
    if found is None:
        raise NotFoundError(name)
    return found


async def _uses(request: HttpRequest) -> dict[str, tuple[HostUse, ...]]:
    """Give the backups that name each host."""
    pool, tenant = services_of(request).database.pool, caller_of(request).tenant
    made = await backups.backup_jobs(pool, tenant, limit=MOST)
    specs = {job.name: job.spec for job in made if isinstance(job.spec, RsyncSpec)}
    standing = await hosts_of_jobs(pool, tenant, specs)
    uses: dict[str, tuple[HostUse, ...]] = {}
    for job, spec in specs.items():
        if spec.host is not None:
            use = HostUse(job=job, deletes=deletes(spec), unproven=standing[job] == "changed")
            uses[spec.host] = (*uses.get(spec.host, ()), use)
    return uses


def _card(host: HostView, uses: Sequence[HostUse]) -> HostCard:
    port = "" if host.port == SSH_PORT else f", port {host.port}"
    return HostCard(
        host=host,
        where=f"{host.user}@{host.address}{port}",
        host_key=key_words(host.host_key),
        uses=tuple(uses),
    )


def _said(rejected: Rejected, field: str | None) -> tuple[Problem, ...]:
    message = rejected.rejection.message
    if rejected.rejection.code == "version-conflict":
        message += " Open this page anew and change it then."
    return (Problem(field=field, label=LABELS[field] if field else "", message=message),)


def _page(request: HttpRequest, form: HostForm) -> Reply:
    title = f"Change host {form.name}" if form.name else "New host"
    context = {
        "frame": frame_of(request, title, "backups"),
        "form": replace(form, csrf=csrf_of(request)),
    }
    template = "_host_form.html" if from_htmx(request) else "host_form.html"
    return html(template, context, status=422 if form.problems else 200)


HANDLERS: Final[list[HTTPRouteHandler]] = [
    hosts_page, new_host, create_host, edit_host, save_host, ask_delete, delete_host,
]  # fmt: skip
