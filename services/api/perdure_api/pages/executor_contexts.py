"""What an executor is rendered from."""

from dataclasses import dataclass

from perdure_contract.objects import ExecutorView


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorCard:
    """An executor."""

    executor: ExecutorView
    """The executor."""
    slots: tuple[bool, ...]
    """Whether each slot is in use; empty when there are too many to draw."""
