"""What carries one item at a time; a driver has as many as its concurrency."""

import os
from collections.abc import Callable
from selectors import BaseSelector
from typing import Literal, NamedTuple, Protocol
from uuid import UUID, uuid5

from perdure_contract.wire import ItemToDo
from perdure_executor.batch.ear import Said
from perdure_executor.batch.plan import Plan
from perdure_executor.batch.supply import Ending
from perdure_executor.warden.words import signal_name


class NothingCanRun(Exception):
    """No item can be carried; the text is for people."""

    def __init__(self, message: str, reason: Literal["rejected", "error"] = "rejected") -> None:
        """Take it as it is: rejected is what is not there or not allowed."""
        super().__init__(message)
        self.reason = reason


class Surroundings(NamedTuple):
    """What every lane needs."""

    plan: Plan
    selector: BaseSelector
    pass_on: Callable[[bytes], None]
    """Writes a line to the PERDURE_FD of the run."""

    def environment(self, item: ItemToDo) -> dict[str, str]:
        """Give the environment of an item; its key is the same whenever it is run again."""
        plan = self.plan
        return plan.env | {"PERDURE_IDEMPOTENCY_KEY": str(uuid5(UUID(plan.run), item.key))}


class Lane(Protocol):
    """Carries one item after the other; its descriptors are in the selector with itself as data."""

    def begin(self, item: ItemToDo) -> Ending | None:
        """Begin an item; give how it ended when it could not even be begun."""
        ...

    def hear(self, file: int) -> Ending | None:
        """One of its descriptors can be read; give how the item ended, if it did.

        Raises:
            NothingCanRun: and no other item can.
        """
        ...


def succeeded(said: Said | None) -> Ending:
    """Give the ending of what ended well, by what it said of itself."""
    if said is None or not isinstance(said.outcome, str):
        return Ending("done")
    return Ending(said.outcome, said.message)


def exited(code: int) -> Ending:
    """Give the ending of what ended with an exit code other than 0."""
    return Ending("failed", f"exit code {code}", "exit", code)


def failed_by_status(status: int) -> Ending:
    """Give the ending of what ended badly, by its status."""
    if os.WIFSIGNALED(status):
        return Ending("failed", f"signal {signal_name(os.WTERMSIG(status))}", "signal")
    return exited(os.WEXITSTATUS(status))
