"""What the page of stuck runs is rendered from."""

from dataclasses import dataclass

from perdure_contract.objects import StuckView


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckPage:
    """The runs that a sweep would end now."""

    items: tuple[StuckView, ...]
    """The runs, with the evidence."""
    words: str
    """How many, in words."""
    allowed_seconds: float
    """How long an attempt may be silent when its run says nothing else."""
