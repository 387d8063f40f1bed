"""Backups before they run: what would be run, and what it would change."""

from http import HTTPStatus
from typing import Annotated, Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.backup_drafts import dry_run_of, preview, read_backup
from perdure_api.domain.run import FINAL_PHASES, Run, state_at
from perdure_api.errors import NotFoundError
from perdure_api.once import StoredAnswer
from perdure_api.projections.dry_runs import get_dry_run
from perdure_api.routes.bodies import read_json
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.writing import (
    CREATES,
    POSITION,
    answered,
    as_run_id,
    idempotency_of,
    validated,
)
from perdure_contract.objects import BackupPreview, DryRunView
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.sentences import words
from perdure_contract.rsync.spec import RsyncSpec
from perdure_runtime import clock

LOOK_SECONDS: Final = 0.1


class Patience(Struct, frozen=True, kw_only=True):
    """How long the answer may wait for the end of a dry run."""

    wait_seconds: Annotated[
        float, Meta(ge=0, le=30, description="Answer when it has ended, or after so long.")
    ] = 10


@operation(
    "POST",
    "/api/rsync/preview",
    permission="author",
    summary="See what a backup would run",
    body=RsyncSpec,
    answer=BackupPreview,
)
async def preview_backup(call: Call) -> ASGIApp:
    """Give the exact command line, the same in words, and warnings; nothing is run."""
    body = await read_json(call.request)
    spec = validated(body, lambda b: read_backup(b.value, clean=b.clean))
    services = call.services
    roots = services.settings.backup_roots
    return json_reply(await preview(services.database, call.caller.tenant, roots, spec))


@operation(
    "POST",
    "/api/rsync/dry-run",
    permission="author",
    summary="See what a backup would change",
    query=Patience,
    body=RsyncSpec,
    answer=DryRunView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def dry_run(call: Call[Patience]) -> ASGIApp:
    """Start a dry run, which is a run of its own, and wait a little for what it finds.

    A request with an Idempotency-Key is answered at once.
    """
    body = await read_json(call.request)
    spec = validated(body, lambda b: read_backup(b.value, clean=b.clean))
    idempotency = idempotency_of(call.request, body, _started)
    done = await call.services.commands.request_run(
        call.caller, dry_run_of(spec), idempotency=idempotency
    )
    if isinstance(done.result, StoredAnswer) or idempotency is not None:
        return answered(done.result, _started)
    run = done.result
    view = await _ended(call, run.id, call.query.wait_seconds)
    headers = (
        (b"location", f"/api/rsync/dry-run/{run.id}".encode()),
        (POSITION.encode(), str(run.position).encode()),
    )
    return json_reply(view, status=HTTPStatus.CREATED, headers=headers)


@operation(
    "GET",
    "/api/rsync/dry-run/{run_id}",
    permission="view",
    summary="Read what a dry run has found",
    answer=DryRunView,
)
async def read_dry_run(call: Call) -> ASGIApp:
    """Give a dry run as it is now."""
    return json_reply(await _ended(call, as_run_id(call.path("run_id")), 0))


async def _ended(call: Call[Patience] | Call, run_id: str, patience: float) -> DryRunView:
    until = clock.monotonic() + patience
    while True:
        view = await get_dry_run(call.services.database, call.caller.tenant, run_id)
        if view is None:
            raise NotFoundError(run_id)
        if view.state in FINAL_PHASES or clock.monotonic() >= until:
            return view
        await clock.pause(LOOK_SECONDS)


def _started(run: Run) -> StoredAnswer:
    """Answer with a dry run that has just been requested."""
    spec = run.request.spec
    if not isinstance(spec, RsyncSpec):
        message = "a dry run is one of a backup"
        raise TypeError(message)
    view = DryRunView(
        id=run.id,
        state=state_at(run, run.created_at),
        argv=argv(spec),
        words=words(spec),
        result=None,
        failure=None,
    )
    headers = {"location": f"/api/rsync/dry-run/{run.id}", POSITION: str(run.position)}
    return StoredAnswer(status=HTTPStatus.CREATED, body=encode(view), headers=headers)


HANDLERS: Final[list[HTTPRouteHandler]] = [preview_backup, dry_run, read_dry_run]
