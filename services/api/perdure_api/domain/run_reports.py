"""What an executor's reports change: who is believed, what was heard before, what follows.

A report counts only for the open attempt with its fence. One exception: an attempt that may work on
while it is cut off (`when_cut_off: continue`) still counts after it was lost, until a newer attempt
or the end of the run. A repetition of what was heard is confirmed again; anything else from an
attempt that is over is refused, once as an event, then only counted. An attempt that never was
leaves no event: nobody may fill the log by making up numbers.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from perdure_api.domain.attempt_ends import after_failure, items_of
from perdure_api.domain.item_reports import NewOutcomes, recorded
from perdure_api.domain.run import OWN_ENDS, Run
from perdure_contract.facts import (
    AttemptFailed,
    AttemptReleased,
    Failure,
    Json,
    ReportRefused,
    RunCancelled,
    RunCheckpointed,
    RunCompleted,
    RunFact,
    RunPartiallyCompleted,
    RunProgressed,
    RunQueued,
)
from perdure_contract.specs import BlobRef
from perdure_contract.wire import (
    Attempt,
    Checkpoint,
    Ended,
    Finding,
    ItemsRecorded,
    LogChunk,
    ProgressMade,
    Verdict,
)

Kind = Literal["checkpoint", "items", "progress", "log", "ended"]
KINDS: dict[type[Finding], Kind] = {
    Checkpoint: "checkpoint",
    ItemsRecorded: "items",
    ProgressMade: "progress",
    LogChunk: "log",
    Ended: "ended",
}


class Heard(Struct, frozen=True):
    """What a report brought about."""

    verdict: Verdict
    facts: tuple[RunFact, ...] = ()
    why: str | None = None


def hear(
    run: Run,
    attempt: Attempt,
    finding: Finding,
    now: datetime,
    *,
    result_blob: BlobRef | None = None,
    new: NewOutcomes | None = None,
) -> Heard:
    """Decide about one report; `new` is what a report on items tells that was not known."""
    current = run.attempt
    if (
        current is None
        or (current.number, current.fence) != (attempt.number, attempt.fence)
        or not (run.is_open or _counts_late(run, finding))
    ):
        return _not_open(run, attempt, KINDS[type(finding)])
    match finding:
        case Checkpoint():
            return _checkpoint(run, attempt, finding)
        case ItemsRecorded():
            return _items(run, attempt, finding, new)
        case ProgressMade():
            return _progress(run, attempt, finding)
        case LogChunk():
            return Heard("accepted")
        case Ended():
            return Heard("accepted", _ended(run, attempt, finding, now, result_blob))


def _counts_late(run: Run, finding: Finding) -> bool:
    """Tell whether the latest attempt, though lost, may still say this: it was let work on."""
    return (
        run.attempt is not None
        and run.attempt.state == "lost"
        and not run.is_final
        and run.request.limits.when_cut_off == "continue"
        and not (isinstance(finding, Ended) and finding.outcome != "completed")
    )


def _not_open(run: Run, attempt: Attempt, kind: Kind) -> Heard:
    ends = dict(run.past)
    how = ends.get(attempt.number)
    known_fence = (
        run.attempt is None
        or run.attempt.number != attempt.number
        or (run.attempt.fence == attempt.fence)
    )
    if how in OWN_ENDS and known_fence:
        return Heard("duplicate", why=f"attempt {attempt.number} had ended ({how})")
    if not 1 <= attempt.number <= (0 if run.attempt is None else run.attempt.number):
        return Heard("refused", why=f"attempt {attempt.number} never was")
    why = f"attempt {attempt.number} is {how or 'not the open one'}"
    if f"{attempt.number}:{kind}" in run.refused:
        return Heard("refused", why=why)
    fact = ReportRefused(run=run.id, attempt=attempt.number, kind=kind, why=why)
    return Heard("refused", (fact,), why)


def _checkpoint(run: Run, attempt: Attempt, finding: Checkpoint) -> Heard:
    if run.items is not None:
        # The checkpoints of a batch are its items'; what a single one marks is lost with it.
        return Heard("accepted")
    last = 0 if run.checkpoint is None else run.checkpoint.number
    if finding.number <= last:
        return Heard("duplicate", why=f"checkpoint {finding.number} was known")
    fact = RunCheckpointed(
        run=run.id,
        attempt=attempt.number,
        number=finding.number,
        cursor=finding.cursor,
        state=finding.state,
    )
    return Heard("accepted", (fact,))


def _items(run: Run, attempt: Attempt, said: ItemsRecorded, new: NewOutcomes | None) -> Heard:
    if run.items is None or new is None:
        return Heard("refused", why="the run is no batch")
    last = 0 if run.checkpoint is None else run.checkpoint.number
    if said.number <= last:
        return Heard("duplicate", why=f"checkpoint {said.number} was known")
    return Heard("accepted", recorded(run, attempt, said, new))


def _progress(run: Run, attempt: Attempt, finding: ProgressMade) -> Heard:
    if not finding.milestone:
        return Heard("accepted")
    if finding.number == 0 and finding.progress == run.progress:
        return Heard("accepted")
    if 0 < finding.number <= run.milestones:
        return Heard("duplicate", why=f"milestone {finding.number} was known")
    fact = RunProgressed(run=run.id, attempt=attempt.number, progress=finding.progress)
    return Heard("accepted", (fact,))


def _ended(
    run: Run, attempt: Attempt, end: Ended, now: datetime, result_blob: BlobRef | None
) -> tuple[RunFact, ...]:
    usage = end.usage
    common: dict[str, Json] = {
        "lines": usage.lines,
        "bytes": usage.bytes,
        "log_sha256": usage.log_sha256,
        "cpu_seconds": usage.cpu_seconds,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "progress": end.progress,
        "metrics": end.metrics,
        "items": items_of(run),
    }
    result: dict[str, Json] = {"result": end.result, "result_blob": result_blob}
    number = attempt.number
    match end.outcome:
        case "completed" | "partial" if run.items is not None:
            # Only what did all there was to do is complete: nothing leads back from there.
            whole = run.items.pending + run.items.failed == 0
            fact = RunCompleted if whole else RunPartiallyCompleted
            return (fact(run=run.id, attempt=number, **common, **result),)
        case "completed":
            return (RunCompleted(run=run.id, attempt=number, **common, **result),)
        case "partial":
            return (RunPartiallyCompleted(run=run.id, attempt=number, **common, **result),)
        case "cancelled":
            cancelled = RunCancelled(
                run=run.id, attempt=number, reason=run.cancel_reason, **common, **result
            )
            return (cancelled,)
        case "released":
            if run.phase == "cancelling":
                return (
                    RunCancelled(run=run.id, attempt=number, reason=run.cancel_reason, **common),
                )
            mark = run.checkpoint.number if run.checkpoint is not None else None
            return (
                AttemptReleased(run=run.id, attempt=number, checkpoint=mark),
                RunQueued(run=run.id, why="attempt-released"),
            )
        case "failed":
            failure = end.failure or Failure(reason="error", message="The executor gave no reason.")
            failed = AttemptFailed(run=run.id, attempt=number, failure=failure, **common)
            if run.phase == "cancelling":
                cancelled = RunCancelled(
                    run=run.id, attempt=number, reason=run.cancel_reason, items=items_of(run)
                )
                return (failed, cancelled)
            return (failed, after_failure(run, failure, now, lost_in_a_row=0))
