"""One attempt in the agent's hands: its grant, what was read of its output, how it ended."""

from binascii import a2b_base64
from collections.abc import Iterator
from typing import Literal, cast

import msgspec

from perdure_contract.facts import Failure, Usage
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import INLINE_BYTES, BatchSpec, FailureReason
from perdure_contract.wire import Attempt, Ended, Grant, ItemsRecorded
from perdure_executor.attempt import outcome_of
from perdure_executor.recorded import NO_OUTCOMES, Recorded
from perdure_executor.reported import Reported
from perdure_executor.runners import batch, rsync
from perdure_executor.runners.kinds import runner_of
from perdure_executor.segments import Chunk, LogTaker, new_lines
from perdure_executor.warden.lease import boottime
from perdure_executor.warden.order import Record


def key_of(attempt: Attempt) -> str:
    """Name an attempt in the spool and towards the warden."""
    return f"{attempt.run}.{attempt.number}"


class Carried:
    """An attempt that is granted and whose end is not reported yet."""

    def __init__(
        self,
        grant: Grant,
        work: str,
        next_line: int = 1,
        reported: Reported | None = None,
        *,
        started: bool = False,
    ) -> None:
        """Take it up.

        Args:
            grant: what was granted.
            work: directory of the files of attempts.
            next_line: first line of output that is not in a report.
            reported: what it has said on PERDURE_FD, when an agent before us has heard it.
            started: whether the warden was told to start it.
        """
        self.key = key_of(grant.attempt)
        self.grant = grant
        self.path = f"{work}/{self.key}"
        """What the names of its files begin with."""
        self.granted_at = boottime()
        self.started = started
        self.kept = False
        """Whether it has a row in the spool."""
        self.end_asked: str | None = None
        """Why the warden was told to end it, a word of `attempt`."""
        self.record: Record | None = None
        self.inputs: dict[str, bytes] = {}
        self.log = LogTaker(self.path, grant.request.limits.log_bytes, next_line)
        self.reported = reported or _nothing_reported(grant, boottime())
        self._rest: Iterator[Chunk] | None = None
        self._complaint: str | None = None
        self._inline_heard = False

    @property
    def until_lease(self) -> bool:
        """Whether it may not outlive the executor's lease."""
        return self.grant.request.limits.when_cut_off == "end"

    @property
    def has_files(self) -> bool:
        """Whether something of it lies in the work directory."""
        record = self.record
        return (
            runner_of(self.grant).writes(self.grant)
            or record is None
            or record.log is None
            or record.reported is None
        )

    @property
    def shown(self) -> bool:
        """Whether its output is worth showing live: it did not end before anyone could look."""
        return self.record is None or self.record.log is None

    def due(self, now: float) -> bool:
        """Tell whether something it said is to be reported by now."""
        moment = self.reported.wake_at()
        return moment is not None and moment <= now

    def take(self) -> tuple[bool, Chunk | None]:
        """Take what is new, at most a chunk of output; tell first whether it has said something."""
        record = self.record
        if record is not None and record.reported is not None:
            lines = b"" if self._inline_heard else a2b_base64(record.reported)
            self._inline_heard = True
        else:
            lines = new_lines(self.path, self.reported)
        if lines:
            self.reported.hear(lines)
        if record is None:
            return bool(lines), self.log.take()
        if self._rest is None:
            self._rest = self.log.finish(record.log, record.lines, record.size, record.ended)
        return bool(lines), next(self._rest, None)

    def complain(self) -> Chunk | None:
        """Give a last line of the log that tells what it said in vain, once all else was taken."""
        self._complaint = self.reported.complaint()
        if self.record is None or self._complaint is None:
            return None
        return self.log.add(self._complaint, self.record.ended)

    def take_items(self, now: float, *, ending: bool = False) -> ItemsRecorded | None:
        """Give the next report of outcomes of items that is due; at the end all are."""
        said = self.reported
        if said.items is None:
            return None
        report = said.items.take(
            self.path,
            said.next_checkpoint,
            said.items_done,
            now,
            ending=ending or self.record is not None,
        )
        if report is not None and report.outcomes != NO_OUTCOMES:
            said.next_checkpoint += 1
        return report

    def ended(self) -> Ended | None:
        """Give the last report, when all output was taken; none when the end is not to be told.

        Raises:
            ValueError: when it has not ended.
        """
        record, said, limits = self.record, self.reported, self.grant.request.limits
        if record is None:
            raise ValueError("the attempt goes on")
        outcome = outcome_of(
            why=record.why,
            exit_code=record.exit_code,
            signal=record.signal,
            rejected=record.rejected,
            broken=record.broken,
            timeout=limits.timeout_seconds,
            memory_bytes=limits.memory_bytes,
        )
        spec = self.grant.request.spec
        if isinstance(spec, RsyncSpec):
            outcome = rsync.judged(spec, outcome)
        elif isinstance(spec, BatchSpec):
            outcome = batch.judged(outcome, said.failure)
        if outcome.outcome == "gone":
            return None
        failure = None
        if outcome.reason is not None:
            failure = Failure(
                reason=cast(FailureReason, outcome.reason),
                message=outcome.message,
                exit_code=outcome.exit_code,
                signal=outcome.signal,
            )
        result = said.result
        large = result is not None and len(result) > INLINE_BYTES
        return Ended(
            outcome=cast(
                Literal["completed", "partial", "failed", "cancelled", "released"], outcome.outcome
            ),
            usage=Usage(
                lines=record.lines + (self._complaint is not None),
                bytes=record.size + len(self._complaint or ""),
                log_sha256=self.log.sha256,
                cpu_seconds=record.cpu,
                peak_memory_bytes=record.peak,
            ),
            failure=failure,
            progress=said.progress,
            metrics=said.metrics,
            result=None if result is None or large else msgspec.json.decode(result),
            result_blob=result if large else None,
            checkpoint=None
            if said.next_checkpoint == self.grant.first_checkpoint_number
            else said.next_checkpoint - 1,
        )


def _nothing_reported(grant: Grant, now: float) -> Reported:
    spec = grant.request.spec
    total = spec.input.total if isinstance(spec, BatchSpec) and spec.input is not None else None
    return Reported(
        next_checkpoint=grant.first_checkpoint_number,
        milestone_at=now,
        items=None if total is None else Recorded.of(total, grant.items_done, now),
    )
