"""What people, programs and time may ask of a run; `run_decisions` says what each brings about."""

from typing import Literal

from msgspec import Struct

from perdure_contract.facts import Evidence, Silence
from perdure_contract.items import ItemCounts, Range


class Command(Struct, frozen=True, kw_only=True):
    """Something asked of one run."""


class Chosen(Struct, frozen=True, kw_only=True):
    """Failed items that were picked, as they were found in the store."""

    items: tuple[Range, ...]
    count: int


class LeftOutcomes(Struct, frozen=True, kw_only=True):
    """What a batch has of its outcomes when it goes back to an older checkpoint."""

    items: ItemCounts
    cursor: int


class Cancel(Command, frozen=True, kw_only=True):
    """End the run; with `force` its processes are killed at once."""

    force: bool = False
    reason: str | None = None


class CloseForced(Command, frozen=True, kw_only=True):
    """The executor did not answer a forced cancel in time: close the run and fence the attempt."""


class Resume(Command, frozen=True, kw_only=True):
    """Go on from a checkpoint, the last one by default."""

    checkpoint: int | None = None
    left: LeftOutcomes | None = None
    """Of a batch, when the checkpoint is an older one; looked up in the store."""
    reason: str | None = None


class Restart(Command, frozen=True, kw_only=True):
    """Start again; the budget of retries starts anew, an open attempt is fenced."""

    origin: Literal["beginning", "checkpoint"] | None = None
    reason: str | None = None


class RetryItems(Command, frozen=True, kw_only=True):
    """Do items of a batch again that failed: those chosen, or all, and no others."""

    chosen: Chosen | None = None
    """None for all that failed."""
    first_failed: int = 1
    """The first of those that failed, chosen or not; looked up in the store."""
    reason: str | None = None


class RetryNow(Command, frozen=True, kw_only=True):
    """Wait no more."""

    reason: str | None = None


class Hold(Command, frozen=True, kw_only=True):
    """Set the run aside."""

    reason: str | None = None


class Release(Command, frozen=True, kw_only=True):
    """Let a held run go on."""

    reason: str | None = None


class Fail(Command, frozen=True, kw_only=True):
    """Declare the run failed by hand."""

    message: str
    reason: str | None = None


class Reprioritise(Command, frozen=True, kw_only=True):
    """Give the run another priority."""

    priority: int
    reason: str | None = None


class Delete(Command, frozen=True, kw_only=True):
    """Remove input, output and result; the facts stay."""

    removed: tuple[str, ...] = ()
    reason: str | None = None


class Start(Command, frozen=True, kw_only=True):
    """Grant the next attempt to an executor."""

    executor: str


class EndStuck(Command, frozen=True, kw_only=True):
    """The open attempt lives but gave no sign of progress for longer than allowed."""

    silence: Silence
    attempt: int
    """Only this attempt is ended; if another is open by now, nothing happens."""


class Lose(Command, frozen=True, kw_only=True):
    """The executor of the open attempt is gone."""

    evidence: Evidence
    attempt: int
    """Only this attempt is lost; if another is open by now, nothing happens."""


class TakeBack(Command, frozen=True, kw_only=True):
    """The grant of the open attempt never reached its executor: nothing of it was begun."""

    attempt: int
    """Only this attempt is taken back; if another is open by now, nothing happens."""
