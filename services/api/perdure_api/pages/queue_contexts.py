"""What a queue is rendered from."""

from dataclasses import dataclass

from perdure_contract.objects import QueueView


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCard:
    """A queue."""

    queue: QueueView
    """The queue."""
    words: str
    """What goes on in it."""
    csrf: str
    """Token of the session."""
    idempotency_key: str
    """Makes a form that is sent twice act once."""
    expected_version: int | None = None
    """Version that its buttons were shown for."""
    seen: str = ""
    """State that its buttons were shown in."""
