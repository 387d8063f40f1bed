"""One action on many runs: settled when it is asked for, then done run by run, each with its outcome."""

from typing import Annotated, Literal, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from perdure_api.domain import run_commands as commands
from perdure_api.domain.run_commands import Command
from perdure_contract.facts import BulkFact, BulkFinished, BulkRequested, BulkStopRequested, Json

BulkAction = Literal[
    "cancel", "resume", "restart", "retry-now", "hold", "release", "fail", "priority", "delete"
]
WITH_CANARY: frozenset[str] = frozenset({"resume", "restart", "retry-now", "release"})
"""Actions after which a run goes on to an end by which the others can be judged."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of the action; what does not belong to it is ignored by it."""

    reason: Annotated[str, Meta(max_length=500)] | None = None
    force: bool = False
    origin: Literal["beginning", "checkpoint"] | None = None
    message: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    priority: Annotated[int, Meta(ge=-100, le=100)] | None = None


class Bulk(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a bulk operation."""

    id: str
    action: BulkAction
    options: dict[str, Json] = {}
    matched: int
    canary: bool = False
    state: Literal["running", "stopping", "finished"] = "running"
    done: int = 0
    refused: int = 0
    why: str | None = None


def evolve(bulk: Bulk | None, fact: BulkFact) -> Bulk:
    """Fold one fact into the state."""
    if isinstance(fact, BulkRequested):
        return Bulk(
            id=fact.bulk,
            action=fact.action,  # type: ignore[arg-type]  # the event keeps the word as text
            options=fact.options,
            matched=fact.matched,
            canary=fact.canary,
        )
    if bulk is None:
        message = "a bulk operation went on before it was requested"
        raise ValueError(message)
    match fact:
        case BulkStopRequested():
            return replace(bulk, state="stopping") if bulk.state == "running" else bulk
        case BulkFinished():
            return replace(
                bulk, state="finished", done=fact.done, refused=fact.refused, why=fact.why
            )
        case _:
            assert_never(fact)


def command_for(action: BulkAction, options: Options) -> Command:
    """Give the command that is decided on each run."""
    reason = options.reason
    match action:
        case "cancel":
            return commands.Cancel(force=options.force, reason=reason)
        case "resume":
            return commands.Resume(reason=reason)
        case "restart":
            return commands.Restart(origin=options.origin, reason=reason)
        case "retry-now":
            return commands.RetryNow(reason=reason)
        case "hold":
            return commands.Hold(reason=reason)
        case "release":
            return commands.Release(reason=reason)
        case "fail":
            return commands.Fail(
                message=options.message or "Declared failed by hand.", reason=reason
            )
        case "priority":
            return commands.Reprioritise(priority=options.priority or 0, reason=reason)
        case "delete":
            return commands.Delete(removed=("input", "output", "result"), reason=reason)
        case _:
            assert_never(action)
