"""What a job was: its revisions as people read them, going back to one, and deleting the job."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.job_commands import Saved
from perdure_api.kinds.kind import HIDDEN
from perdure_api.pages.action_contexts import ActionInput, ActionPage
from perdure_api.pages.asking import ask_before
from perdure_api.pages.event_words import actor_words
from perdure_api.pages.job_contexts import ChangeRow, RevisionRow
from perdure_api.pages.sent_forms import reason_of
from perdure_api.pages.visit import csrf_of, first, lead_on, query_of, read_form, whole_number
from perdure_api.pages.words import absolute, counted, plain
from perdure_api.projections import jobs, schedules
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_api.store.state import StreamRow
from perdure_contract.jobs import Change, RevisionView

MOST_SHOWN: Final = 300
"""Characters of one value in a difference."""
REASON: Final = ActionInput(
    name="reason", label="Reason", hint="If you like; it stands beside the revision."
)


def revision_rows(found: Sequence[RevisionView], current: int) -> tuple[RevisionRow, ...]:
    """Show revisions with their differences; what variables hold stays hidden."""
    return tuple(
        RevisionRow(
            revision=revision,
            by=actor_words(revision.actor) if revision.actor else "",
            changes=tuple(map(_change, revision.changes)),
            is_current=revision.revision == current,
        )
        for revision in found
    )


def _change(change: Change) -> ChangeRow:
    hidden = "/env" in change.pointer
    before, after = (HIDDEN if hidden else _short(raw) for raw in (change.before, change.after))
    return ChangeRow(place=change.pointer.strip("/"), before=before, after=after)


def _short(raw: object) -> str:
    value = msgspec.json.decode(bytes(raw))  # type: ignore[call-overload]  # what msgspec keeps as it came
    if value is None:
        return "nothing"
    text = msgspec.json.encode(plain(value)).decode()
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


@get("/jobs/{name:str}/rollback", opt={"permission": "author"}, name="ask to go back")
async def ask_rollback(request: HttpRequest, name: str) -> ASGIApp:
    """Ask before a job is made what it was."""
    row, wanted = await _revision(request, name, query_of(request).get("revision", ""))
    page = _question(request, name, "rollback", row.version)
    page = replace(
        page,
        title=f"Go back to revision {wanted.revision}?",
        lines=(
            f"{name}, as it was from {absolute(wanted.at)} on.",
            "It becomes the newest revision; runs that were requested keep theirs.",
        ),
        go="Go back",
        icon="history",
        inputs=(
            ActionInput(
                name="revision", label="Revision", value=str(wanted.revision), required=True
            ),
            REASON,
        ),
    )
    return ask_before(request, page, "jobs")


@post("/jobs/{name:str}/rollback", opt={"permission": "author"}, name="go back to a revision")
async def rollback(request: HttpRequest, name: str) -> ASGIApp:
    """Save an earlier definition as the newest revision."""
    fields = await read_form(request)
    _, wanted = await _revision(request, name, first(fields, "revision"))
    await services_of(request).jobs.revise(
        caller_of(request),
        name,
        Saved(definition=wanted.definition, source="ui"),
        expected_version=whole_number(first(fields, "expected_version")),
        rolled_back_to=wanted.revision,
        reason=reason_of(fields),
    )
    return lead_on(request, f"/jobs/{name}")


@get("/jobs/{name:str}/delete", opt={"permission": "author"}, name="ask to delete a job")
async def ask_delete(request: HttpRequest, name: str) -> ASGIApp:
    """Ask before a job is deleted."""
    pool, tenant = services_of(request).database.pool, caller_of(request).tenant
    row, _ = await jobs.find_job(pool, tenant, name)
    own = len(await schedules.schedules_of(pool, tenant, name))
    page = _question(request, name, "delete", row.version)
    page = replace(
        page,
        title=f"Delete job {name}?",
        lines=(f"It goes with {counted(own, 'schedule')}. Its runs stay.",),
        go="Delete",
        icon="x",
        tone="danger",
        inputs=(REASON,),
    )
    return ask_before(request, page, "jobs")


@post("/jobs/{name:str}/delete", opt={"permission": "author"}, name="delete a job")
async def delete(request: HttpRequest, name: str) -> ASGIApp:
    """Delete a job with its schedules, and go to the others."""
    services, by, fields = services_of(request), caller_of(request), await read_form(request)
    await services.jobs.delete(
        by,
        name,
        await schedules.schedules_of(services.database.pool, by.tenant, name),
        reason=reason_of(fields),
        expected_version=whole_number(first(fields, "expected_version")),
    )
    return lead_on(request, "/jobs")


async def _revision(request: HttpRequest, name: str, text: str) -> tuple[StreamRow, RevisionView]:
    pool, tenant = services_of(request).database.pool, caller_of(request).tenant
    row, _ = await jobs.find_job(pool, tenant, name)
    for revision in await jobs.revisions(pool, row):
        if revision.revision == whole_number(text):
            return row, revision
    raise NotFoundError(text)


def _question(request: HttpRequest, name: str, action: str, version: int) -> ActionPage:
    return ActionPage(
        title="",
        lines=(),
        href=f"/jobs/{name}/{action}",
        back=f"/jobs/{name}",
        keep="Leave it",
        go="",
        icon="",
        tone="primary",
        csrf=csrf_of(request),
        expected_version=version,
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [ask_rollback, rollback, ask_delete, delete]
