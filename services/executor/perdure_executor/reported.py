"""What a program says on PERDURE_FD, folded: progress, checkpoints, metrics, result. Pure.

The state is one struct that the spool keeps, so a new agent goes on where the old one was killed.
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from perdure_contract.facts import Json, Progress
from perdure_contract.specs import FailureReason
from perdure_contract.wire import Checkpoint, ProgressMade
from perdure_executor.recorded import Recorded

CHECKPOINT_SECONDS = 5.0
MILESTONE_SECONDS = 10.0
MILESTONE_FRACTION = 0.1 - 1e-9
NEWEST_SECONDS = 1.0
LIVE_SECONDS = 0.25
RESULT_BYTES = 65536
CHECKPOINT_BYTES = 49152
MAX_METRICS = 100
MAX_METRIC_NAME = 100
MAX_MESSAGE = 500
MAX_UNIT = 32
MAX_FIGURES = 20


class SaidProgress(Struct):
    """`{"progress": {...}}` as programs write it."""

    done: float | None = None
    total: float | None = None
    unit: str | None = None
    message: str | None = None
    figures: dict[str, float] | None = None


class SaidCheckpoint(Struct):
    """`{"checkpoint": {...}}` as programs write it."""

    cursor: Json = None
    state: Json = None


class SaidFailure(Struct):
    """`{"failure": {...}}` as a driver of ours writes it; from other programs it means nothing."""

    reason: FailureReason
    message: str


class Said(Struct):
    """One line."""

    progress: SaidProgress | UnsetType = UNSET
    checkpoint: SaidCheckpoint | UnsetType = UNSET
    metrics: dict[str, float] | UnsetType = UNSET
    result: msgspec.Raw | UnsetType = UNSET
    failure: SaidFailure | UnsetType = UNSET
    outcome: msgspec.Raw | UnsetType = UNSET
    """Of an item; a function may name it outside of a batch as well, where it means nothing."""


_NOTHING = Said()
_decoder = msgspec.json.Decoder(Said)


class Reported(Struct, kw_only=True):
    """All that an attempt has said so far, and what of it was reported when (seconds since boot)."""

    piece: int = 0
    """File and place in it up to which lines were read."""
    offset: int = 0
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    result: bytes | None = None
    """As JSON."""
    failure: SaidFailure | None = None
    items: Recorded | None = None
    """Of a batch."""
    ignored: int = 0
    """Lines that made no sense or were too large."""
    next_checkpoint: int = 1
    checkpoint: SaidCheckpoint | None = None
    """The newest one, while it is not reported."""
    checkpoint_at: float = 0.0
    milestone_at: float = 0.0
    milestone_fraction: float = 0.0
    milestone_message: str | None = None
    milestones: int = 0
    newest_at: float = 0.0
    live_at: float = 0.0
    unsaid: bool = False
    """Progress that is not reported yet."""
    unseen: bool = False
    """Progress that was not published live yet."""

    def hear(self, lines: bytes) -> None:
        """Take whole lines; what makes no sense is ignored and counted."""
        for line in lines.splitlines():
            try:
                said = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.ignored += bool(line.strip())
                continue
            self._take(said)

    def complaint(self) -> str | None:
        """Say what of it all was left out, for those who read the log; none when nothing was."""
        if not self.ignored:
            return None
        lines = "1 line" if self.ignored == 1 else f"{self.ignored:,} lines"
        were = "was" if self.ignored == 1 else "were"
        return (
            f"perdure: {lines} written to PERDURE_FD {were} not understood or too large, and left out"
            f" (a result may have {RESULT_BYTES >> 10} KiB, a checkpoint {CHECKPOINT_BYTES >> 10} KiB)"
        )

    def _take(self, said: Said) -> None:
        if said == _NOTHING:
            self.ignored += 1
        if isinstance(said.progress, SaidProgress):
            heard = said.progress
            self.progress = Progress(
                done=heard.done,
                total=heard.total,
                unit=heard.unit and heard.unit[:MAX_UNIT],
                message=heard.message and heard.message[:MAX_MESSAGE],
                figures=_few(heard.figures or {}),
            )
            self.unsaid = self.unseen = True
            if self.items is not None:
                self.items.fresh = True
        if isinstance(said.checkpoint, SaidCheckpoint):
            if len(msgspec.json.encode(said.checkpoint)) <= CHECKPOINT_BYTES:
                self.checkpoint = said.checkpoint
            else:
                self.ignored += 1
        if isinstance(said.metrics, dict):
            for name, value in said.metrics.items():
                if len(name) <= MAX_METRIC_NAME and (
                    name in self.metrics or len(self.metrics) < MAX_METRICS
                ):
                    self.metrics[name] = value
        if isinstance(said.failure, SaidFailure):
            self.failure = said.failure
        if isinstance(said.result, msgspec.Raw):
            result = msgspec.json.format(bytes(said.result), indent=-1)
            if len(result) <= RESULT_BYTES:
                self.result = result
            else:
                self.ignored += 1

    def due(self, now: float, *, ending: bool = False) -> list[Checkpoint | ProgressMade]:
        """Give what is to be reported now; at the end the last checkpoint always is."""
        found: list[Checkpoint | ProgressMade] = []
        if self.checkpoint is not None and (
            ending or not self.checkpoint_at or now - self.checkpoint_at >= CHECKPOINT_SECONDS
        ):
            found.append(
                Checkpoint(
                    number=self.next_checkpoint,
                    cursor=self.checkpoint.cursor,
                    state=self.checkpoint.state,
                )
            )
            self.next_checkpoint += 1
            self.checkpoint = None
            self.checkpoint_at = now
        if self.unsaid and self.progress is not None and not ending:
            if self._milestone(self.progress, now):
                self.milestones += 1
                found.append(
                    ProgressMade(progress=self.progress, milestone=True, number=self.milestones)
                )
            elif now - self.newest_at >= NEWEST_SECONDS:
                found.append(ProgressMade(progress=self.progress))
            else:
                return found
            self.newest_at = now
            self.unsaid = False
        return found

    def live(self, now: float) -> Progress | None:
        """Give progress to publish now, at most 4 a second."""
        if not self.unseen or now - self.live_at < LIVE_SECONDS:
            return None
        self.unseen = False
        self.live_at = now
        return self.progress

    def wake_at(self) -> float | None:
        """Give the time at which `due` or `live` has something to give, or none."""
        due = [self.checkpoint_at + CHECKPOINT_SECONDS] if self.checkpoint is not None else []
        if self.unsaid:
            due.append(self.newest_at + NEWEST_SECONDS)
        if self.unseen:
            due.append(self.live_at + LIVE_SECONDS)
        items_at = None if self.items is None else self.items.wake_at(self.items_done)
        if items_at is not None:
            due.append(items_at)
        return min(due) if due else None

    @property
    def items_done(self) -> float:
        """How many items of a batch are done."""
        return 0.0 if self.progress is None else self.progress.done or 0.0

    def _milestone(self, progress: Progress, now: float) -> bool:
        if now - self.milestone_at < MILESTONE_SECONDS:
            return False
        fraction = progress.done / progress.total if progress.done and progress.total else 0.0
        new_phase = progress.message is not None and progress.message != self.milestone_message
        if not new_phase and abs(fraction - self.milestone_fraction) < MILESTONE_FRACTION:
            return False
        self.milestone_at = now
        self.milestone_fraction = fraction
        self.milestone_message = progress.message
        return True


def _few(figures: dict[str, float]) -> dict[str, float]:
    return {name[:MAX_METRIC_NAME]: figures[name] for name in list(figures)[:MAX_FIGURES]}
