"""An executor as its stream tells it: there, draining, lost or gone."""

from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_contract.facts import (
    ExecutorDraining,
    ExecutorFact,
    ExecutorJoined,
    ExecutorLeft,
    ExecutorLost,
)


class Executor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of an executor."""

    name: str
    state: Literal["live", "draining", "lost", "left"] = "live"
    session: str = ""
    slots: int = 0
    labels: dict[str, str] = {}
    queues: tuple[str, ...] = ()
    program: str = ""
    programs: dict[str, str] = {}


def evolve(executor: Executor | None, fact: ExecutorFact) -> Executor:
    """Fold one fact into the state."""
    executor = executor or Executor(name=fact.executor)
    match fact:
        case ExecutorJoined():
            return Executor(
                name=fact.executor,
                session=fact.session,
                slots=fact.slots,
                labels=fact.labels,
                queues=fact.queues,
                program=fact.program,
                programs=fact.programs,
            )
        case ExecutorLost():
            return replace(executor, state="lost") if fact.session == executor.session else executor
        case ExecutorDraining():
            return replace(executor, state="draining")
        case ExecutorLeft():
            return replace(executor, state="left") if fact.session == executor.session else executor
        case _:
            assert_never(fact)
