"""What can be done to a run. Each answers with the run after it; refusals are kept on record."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar, get_type_hints

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct, defstruct
from msgspec.structs import replace

from perdure_api.domain import run_commands as commands
from perdure_api.domain.rejections import Rejection, version_conflict
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import Command
from perdure_api.drafts import Draft, read_rerun
from perdure_api.errors import Rejected
from perdure_api.kinds import kind
from perdure_api.once import StoredAnswer
from perdure_api.projections import ledger
from perdure_api.projections.run_detail import Found, run_view
from perdure_api.routes.bodies import Body, read_json
from perdure_api.routes.inside import found
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queries import NoQuery
from perdure_api.routes.replies import encode, json_reply
from perdure_api.routes.runs import created
from perdure_api.routes.writing import (
    CREATES,
    POSITION,
    WRITES,
    answered,
    as_run_id,
    idempotency_of,
    position_header,
    read_clean,
    validated,
)
from perdure_contract.objects import RunView
from perdure_contract.specs import BlobRef, RunRequest
from perdure_runtime import clock

Reason = Annotated[str, Meta(max_length=500)]
Version = Annotated[
    int, Meta(ge=1, description="Refuse it when the run has another version by now.")
]


class Plain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of every action; it may be empty."""

    reason: Reason | None = None
    expected_version: Version | None = None


class Cancel(Plain, frozen=True, kw_only=True):
    """End a run: TERM, grace, KILL; with `force` KILL at once."""

    force: bool = False


class Resume(Plain, frozen=True, kw_only=True):
    """Go on from a checkpoint, the last one by default."""

    checkpoint: Annotated[int, Meta(ge=1)] | None = None


class Restart(Plain, frozen=True, kw_only=True, rename={"origin": "from"}):
    """Start again."""

    origin: Literal["beginning", "checkpoint"] | None = None


class Fail(Plain, frozen=True, kw_only=True):
    """Declare it failed."""

    message: Annotated[str, Meta(min_length=1, max_length=500)] = "Declared as failed by hand."


class Priority(Plain, frozen=True, kw_only=True):
    """Give it another place in its queue."""

    priority: Annotated[int, Meta(ge=-100, le=100)]


Rerun: Final = defstruct(
    "Rerun",
    [
        *(
            (name, hint | None, None)
            for name, hint in get_type_hints(Draft, include_extras=True).items()
        ),
        ("reason", Reason | None, None),
    ],
    kw_only=True,
    forbid_unknown_fields=True,
)
"""Any field of a request; what is left out is as in the old run. Read by `drafts.read_rerun`."""


class DeleteQuery(Struct, frozen=True, kw_only=True):
    """Why, and for which version."""

    reason: Reason | None = None
    expected_version: Version | None = None


class Deleted(Struct, frozen=True):
    """What went, and what stays."""

    removed: tuple[str, ...]
    kept: tuple[str, ...] = ("events",)


P = TypeVar("P", bound=Plain)


async def act(call: Call[NoQuery], kind: type[P], make: Callable[[P], Command]) -> ASGIApp:
    """Read an action's body, do it, answer with the run."""
    run_id = as_run_id(call.path("run_id"))
    body = await read_json(call.request, may_be_empty=True)
    said = validated(body, lambda b: read_clean(b, kind))
    idempotency = idempotency_of(call.request, body, shown)
    command = make(said)
    try:
        done = await call.services.commands.act(
            call.caller,
            run_id,
            command,
            expected_version=said.expected_version,
            idempotency=idempotency,
        )
    except Rejected as refusal:
        await note_refusal(call, run_id, refusal.rejection, type(command).__name__.lower())
        raise
    return answered(done.result, shown)


def shown(run: Run) -> StoredAnswer:
    """Answer with a run after an action."""
    headers = {POSITION: str(run.position)}
    return StoredAnswer(
        status=HTTPStatus.OK, body=encode(run_view(run, clock.now())), headers=headers
    )


async def note_refusal(call: Call[Any], run_id: str, rejection: Rejection, kind: str) -> None:
    """Keep on record that something was asked for and refused."""
    pool = call.services.database.pool
    await ledger.note_refusal(pool, call.caller, run_id, kind, rejection.message)


def _action(
    name: str, summary: str, kind: type[P], make: Callable[[P], Command]
) -> HTTPRouteHandler:
    @operation(
        "POST",
        f"/api/runs/{{run_id}}/{name}",
        permission="operate",
        summary=summary,
        body=kind,
        body_is_optional=True,
        answer=RunView,
        headers=WRITES,
    )
    async def handle(call: Call) -> ASGIApp:
        return await act(call, kind, make)

    return handle


@operation(
    "POST",
    "/api/runs/{run_id}/rerun",
    permission="author",
    summary="Request the same again as a new run",
    body=Rerun,
    body_is_optional=True,
    answer=RunView,
    status=HTTPStatus.CREATED,
    headers=CREATES,
)
async def rerun(call: Call) -> ASGIApp:
    """Request a new run like an old one, with what the body gives anew."""
    body = await read_json(call.request, may_be_empty=True)
    here = await found(call)
    changes, plain = _apart(body)
    check_version(here, plain.expected_version)
    original = await with_content(call, here.run)
    request = validated(body, lambda b: read_rerun(original, changes, here.run.id, clean=b.clean))
    request = await call.services.with_input(call.caller, request)
    idempotency = idempotency_of(call.request, body, created)
    done = await call.services.commands.request_run(call.caller, request, idempotency=idempotency)
    return answered(done.result, created)


def check_version(here: Found, expected: int | None) -> None:
    """Refuse what was meant for an older version."""
    if expected is not None and expected != here.run.version:
        state = state_at(here.run, here.now)
        raise Rejected(version_conflict(state=state, current=here.run.version, expected=expected))


def _apart(body: Body) -> tuple[object, Plain]:
    """Tell the fields of every action from those of a request."""
    if not isinstance(body.value, dict):
        return body.value, Plain()
    own = {name: body.value[name] for name in Plain.__struct_fields__ if name in body.value}
    rest = {name: value for name, value in body.value.items() if name not in own}
    return rest, read_clean(replace(body, value=own), Plain)


async def with_content(call: Call[Any], run: Run) -> RunRequest:
    """Give a run's request with script and input as they were; refuse when they were removed."""
    texts: dict[str, str | BlobRef] = {}
    for name, content in kind.texts_of(run.request.spec).items():
        if isinstance(content, BlobRef):
            data = await call.services.database.pool.fetchval(
                "SELECT data FROM perdure.blobs WHERE run_id = $1::text::uuid AND sha256 = $2",
                run.id,
                bytes.fromhex(content.sha256),
            )
            if data is None:
                raise Rejected(
                    Rejection(code="conflict", message=f"The {name} of this run was removed.")
                )
            texts[name] = data.decode()
    return replace(run.request, spec=kind.with_texts(run.request.spec, texts))


@operation(
    "DELETE",
    "/api/runs/{run_id}",
    permission="admin",
    summary="Remove input, output and result of a run; its events stay",
    query=DeleteQuery,
    answer=Deleted,
    headers=WRITES,
)
async def delete(call: Call[DeleteQuery]) -> ASGIApp:
    """Remove a run's content."""
    here = await found(call)
    removed = removable(here.run)
    command = commands.Delete(removed=removed, reason=call.query.reason)
    try:
        done = await call.services.commands.act(
            call.caller, here.run.id, command, expected_version=call.query.expected_version
        )
    except Rejected as refusal:
        await note_refusal(call, here.run.id, refusal.rejection, "delete")
        raise
    return json_reply(Deleted(removed), headers=(position_header(done.position),))


def removable(run: Run) -> tuple[str, ...]:
    """Name what of a run lies outside of its events."""
    has_input = bool(kind.texts_of(run.request.spec)) or run.items is not None
    has_result = run.result is not None or run.result_blob is not None
    parts = (("input", has_input), ("output", run.attempt is not None), ("result", has_result))
    return tuple(name for name, there in parts if there)


HANDLERS: Final[list[HTTPRouteHandler]] = [
    _action(
        "cancel", "End a run", Cancel, lambda b: commands.Cancel(force=b.force, reason=b.reason)
    ),
    _action(
        "resume",
        "Go on from a checkpoint",
        Resume,
        lambda b: commands.Resume(checkpoint=b.checkpoint, reason=b.reason),
    ),
    _action(
        "restart",
        "Start again",
        Restart,
        lambda b: commands.Restart(origin=b.origin, reason=b.reason),
    ),
    _action("retry-now", "Wait no more", Plain, lambda b: commands.RetryNow(reason=b.reason)),
    _action("hold", "Set a run aside", Plain, lambda b: commands.Hold(reason=b.reason)),
    _action("release", "Let a held run go on", Plain, lambda b: commands.Release(reason=b.reason)),
    _action(
        "fail",
        "Declare a run failed",
        Fail,
        lambda b: commands.Fail(message=b.message, reason=b.reason),
    ),
    _action(
        "priority",
        "Give a run another priority",
        Priority,
        lambda b: commands.Reprioritise(priority=b.priority, reason=b.reason),
    ),
    rerun,
    delete,
]
