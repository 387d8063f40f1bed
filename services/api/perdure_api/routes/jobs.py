"""Saved jobs: what they are, what they were, and running them."""

from http import HTTPStatus
from typing import Annotated, Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_api.job_commands import Saved
from perdure_api.job_drafts import (
    JobChange,
    JobDraft,
    JobRun,
    Reason,
    Version,
    definition_of,
    read_job,
    read_job_run,
)
from perdure_api.once import StoredAnswer
from perdure_api.projections import jobs
from perdure_api.projections.schedules import schedules_of
from perdure_api.routes.bodies import read_json
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queues import name_of
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.runs import created
from perdure_api.routes.writing import (
    CREATES,
    POSITION,
    WRITES,
    answered,
    idempotency_of,
    position_header,
    read_fields,
    validated,
)
from perdure_api.store.state import StreamRow
from perdure_api.store.work import Done
from perdure_contract.identifiers import stream_key
from perdure_contract.jobs import JobView, RevisionView
from perdure_contract.objects import RunView


class JobPage(Struct, frozen=True):
    """Some of the jobs; `next` leads on, null at the end."""

    items: tuple[JobView, ...]
    next: str | None


class JobList(Struct, frozen=True, kw_only=True):
    """Which jobs are listed, by name."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    after: Annotated[str, Meta(max_length=63)] = ""
    min_position: Annotated[int, Meta(ge=0)] | None = None


class Revisions(Struct, frozen=True):
    """All revisions of a job, the newest first."""

    items: tuple[RevisionView, ...]
    next: None = None


class Deletion(Struct, frozen=True, kw_only=True):
    """Why a job or schedule is deleted, and which version of it."""

    reason: Reason | None = None
    expected_version: Version | None = None


class Rollback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which revision a job shall be like again."""

    revision: Annotated[int, Meta(ge=1)]
    reason: Reason | None = None
    expected_version: Version | None = None


class Gone(Struct, frozen=True):
    """What was deleted."""

    deleted: str


@operation(
    "POST",
    "/api/jobs",
    permission="author",
    summary="Save a job",
    body=JobDraft,
    answer=JobView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def create(call: Call) -> ASGIApp:
    """Save a job under a free name."""
    body = await read_json(call.request)
    draft = validated(body, lambda b: read_job(b.value, JobDraft, clean=b.clean))
    definition = await call.services.with_job_input(call.caller, draft.name, definition_of(draft))
    done = await call.services.jobs.create(
        call.caller,
        draft.name,
        Saved(definition=definition, source="api"),
        idempotency=idempotency_of(call.request, body, _created),
    )
    return answered(done.result, _created)


@operation(
    "GET",
    "/api/jobs",
    permission="view",
    summary="List the jobs",
    query=JobList,
    answer=JobPage,
)
async def list_all(call: Call[JobList]) -> ASGIApp:
    """Give jobs by name."""
    limit = call.query.limit
    found = await jobs.list_jobs(
        call.services.database.pool, call.caller.tenant, after=call.query.after, limit=limit + 1
    )
    following = found[limit - 1].name if len(found) > limit else None
    return json_reply(JobPage(tuple(found[:limit]), following))


@operation("GET", "/api/jobs/{name}", permission="view", summary="Read a job", answer=JobView)
async def read_one(call: Call) -> ASGIApp:
    """Give a job as it is now."""
    row, _ = await jobs.find_job(call.services.database.pool, call.caller.tenant, name_of(call))
    return json_reply(jobs.job_view(row))


@operation(
    "PUT",
    "/api/jobs/{name}",
    permission="author",
    summary="Revise a job",
    body=JobChange,
    answer=JobView,
    headers=WRITES,
)
async def revise(call: Call) -> ASGIApp:
    """Give a job another definition; the runs that were requested keep theirs."""
    body = await read_json(call.request)
    change = validated(body, lambda b: read_job(b.value, JobChange, clean=b.clean))
    name = name_of(call)
    definition = await call.services.with_job_input(call.caller, name, definition_of(change))
    done = await call.services.jobs.revise(
        call.caller,
        name,
        Saved(definition=definition, source="api"),
        expected_version=change.expected_version,
        reason=change.reason,
    )
    return _changed(done)


@operation(
    "DELETE",
    "/api/jobs/{name}",
    permission="author",
    summary="Delete a job and its schedules",
    query=Deletion,
    answer=Gone,
    headers=WRITES,
)
async def delete(call: Call[Deletion]) -> ASGIApp:
    """Delete a job; its runs stay."""
    name = name_of(call)
    pool, tenant = call.services.database.pool, call.caller.tenant
    done = await call.services.jobs.delete(
        call.caller,
        name,
        await schedules_of(pool, tenant, name),
        reason=call.query.reason,
        expected_version=call.query.expected_version,
    )
    return json_reply(Gone(name), headers=(position_header(done.position),))


@operation(
    "GET",
    "/api/jobs/{name}/revisions",
    permission="view",
    summary="List the revisions of a job with what they changed",
    answer=Revisions,
)
async def list_revisions(call: Call) -> ASGIApp:
    """Give every revision, the newest first."""
    pool = call.services.database.pool
    row, _ = await jobs.find_job(pool, call.caller.tenant, name_of(call))
    return json_reply(Revisions(tuple(await jobs.revisions(pool, row))))


@operation(
    "POST",
    "/api/jobs/{name}/rollback",
    permission="author",
    summary="Make a job what it was in an earlier revision",
    body=Rollback,
    answer=JobView,
    headers=WRITES,
)
async def roll_back(call: Call) -> ASGIApp:
    """Save an earlier definition as the newest revision."""
    asked = await read_fields(call.request, Rollback)
    name, pool = name_of(call), call.services.database.pool
    row, _ = await jobs.find_job(pool, call.caller.tenant, name)
    known = {revision.revision: revision for revision in await jobs.revisions(pool, row)}
    if asked.revision not in known:
        words = "The job has no such revision."
        raise invalid((FieldError("/revision", "unknown-revision", words),))
    done = await call.services.jobs.revise(
        call.caller,
        name,
        Saved(definition=known[asked.revision].definition, source="api"),
        expected_version=asked.expected_version,
        rolled_back_to=asked.revision,
        reason=asked.reason,
    )
    return _changed(done)


@operation(
    "POST",
    "/api/jobs/{name}/run",
    permission="operate",
    summary="Run a job",
    body=JobRun,
    body_is_optional=True,
    answer=RunView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def run(call: Call) -> ASGIApp:
    """Run a job now with values for its parameters."""
    body = await read_json(call.request, may_be_empty=True)
    _, job = await jobs.find_job(call.services.database.pool, call.caller.tenant, name_of(call))
    request = validated(body, lambda b: read_job_run(job, b.value, clean=b.clean))
    done = await call.services.commands.request_run(
        call.caller, request, idempotency=idempotency_of(call.request, body, created)
    )
    return answered(done.result, created)


def _created(row: StreamRow) -> StoredAnswer:
    headers = {
        "location": f"/api/jobs/{stream_key(row.stream)}",
        POSITION: str(row.last_position),
    }
    body = encode(jobs.job_view(row))
    return StoredAnswer(status=HTTPStatus.CREATED, body=body, headers=headers)


def _changed(done: Done[StreamRow | StoredAnswer]) -> ASGIApp:
    assert isinstance(done.result, StreamRow)  # noqa: S101 -- no idempotency key was given
    view = jobs.job_view(done.result)
    return json_reply(view, headers=(position_header(done.position),))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    create, list_all, read_one, revise, delete, list_revisions, roll_back, run,
]  # fmt: skip
