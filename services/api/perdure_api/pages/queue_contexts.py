"""What a queue is rendered from."""

from dataclasses import dataclass

from perdure_api.pages.form_contexts import FormSecrets
from perdure_contract.objects import QueueView


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCard(FormSecrets):
    """A queue."""

    queue: QueueView
    """The queue."""
    words: str
    """What goes on in it."""
