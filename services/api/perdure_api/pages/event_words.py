"""Events in words: one sentence each, as the page of a run tells them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from perdure_api.kinds.kind import hidden
from perdure_api.pages.rendering import pretty
from perdure_api.pages.run_history_contexts import EventRow
from perdure_api.pages.words import absolute, counted, duration, failure_words, moment, number
from perdure_api.store import codec
from perdure_contract.envelope import Event
from perdure_contract.facts import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    Fact,
    Progress,
    ReportRefused,
    RetryScheduled,
    RunCancelled,
    RunCheckpointed,
    RunCompleted,
    RunDeleted,
    RunFailed,
    RunHeld,
    RunItemsPlanned,
    RunItemsRecorded,
    RunItemsRetried,
    RunPartiallyCompleted,
    RunProgressed,
    RunQueued,
    RunReleased,
    RunReprioritised,
    RunRequested,
    RunRestarted,
    RunResumed,
    Usage,
)
from perdure_contract.items import ItemCounts

Told = tuple[str, str, str, str]
"""Icon, tone, title, detail."""

WHY_QUEUED: Final = {
    "dependencies-met": "the runs it waited for are over",
    "released": "it was released",
    "attempt-released": "its executor stopped and gave it back",
    "retry-now": "someone asked not to wait",
}


def event_rows(events: Sequence[Event], *, before: Event | None = None) -> tuple[EventRow, ...]:
    """Tell events of one run; `before` is the one ahead of the first, if there is one."""
    rows = []
    last = before
    for event in events:
        icon, tone, title, detail = tell(codec.decode(event.type, event.data))
        after = None if last is None else (moment(event.time) - moment(last.time)).total_seconds()
        rows.append(
            EventRow(
                version=event.version,
                type=event.type,
                icon=icon,
                tone=tone,
                title=title,
                detail=detail,
                actor=actor_words(event.actor),
                time=event.time,
                after=after,
                json=event_json(event),
            )
        )
        last = event
    return tuple(rows)


def event_json(event: Event) -> str:
    """Give an event's data over several lines."""
    return pretty(_without_values(msgspec.json.decode(event.data)))


def actor_words(actor: str | None) -> str:
    """Say who did it: `user:admin` is admin, `executor:a` is executor a."""
    kind, _, name = (actor or "system").partition(":")
    return {"user": name, "token": f"token {name}", "executor": f"executor {name}"}.get(
        kind, "Perdure"
    )


def tell(fact: Fact) -> Told:  # noqa: C901, PLR0912, PLR0911 -- one arm a fact
    """Give icon, tone, title and detail of a fact."""
    match fact:
        case RunRequested():
            detail = f"in queue {fact.queue}"
            if fact.run_at is not None:
                detail += f", to start at {absolute(fact.run_at)}"
            return "flag", "queued", "Requested", detail
        case RunQueued():
            return "list-start", "queued", "Queued again", WHY_QUEUED[fact.why]
        case AttemptStarted():
            detail = f"on executor {fact.executor}"
            if fact.from_checkpoint is not None:
                detail += f", from checkpoint {fact.from_checkpoint}"
            return "play", "running", f"Attempt {fact.attempt} started", detail
        case RunProgressed():
            return (
                "activity",
                "running",
                f"Reached {progress_words(fact.progress)}",
                fact.progress.message or "",
            )
        case RunCheckpointed():
            return "flag", "running", f"Checkpoint {fact.number}", f"in attempt {fact.attempt}"
        case RunItemsPlanned():
            return "flag", "queued", f"{counted(fact.total, 'item')} stored", ""
        case RunItemsRecorded():
            items = sum(span.last - span.first + 1 for span in fact.spans)
            failed = sum(s.last - s.first + 1 for s in fact.spans if s.outcome == "failed")
            detail = f"in attempt {fact.attempt}" + (f"; {failed} failed" if failed else "")
            return "flag", "running", f"{counted(items, 'item')} ended", detail
        case RunItemsRetried():
            title = f"{counted(fact.count, 'item')} to be tried again"
            return "rotate-cw", "queued", title, fact.reason or ""
        case RunPartiallyCompleted():
            what = "some files were not copied"
            if isinstance(fact.items, ItemCounts):
                what = f"{counted(fact.items.failed, 'item')} failed"
            title = f"Completed, but {what}"
            return "circle-alert", "partial", title, usage_words(fact)
        case AttemptFailed():
            title = f"Attempt {fact.attempt} failed"
            return (
                "circle-x",
                "failed",
                title,
                f"{failure_words(fact.failure)}. {usage_words(fact)}",
            )
        case AttemptLost():
            evidence = fact.evidence
            who, silence = f"executor {evidence.executor}", duration(evidence.silent_seconds or 0)
            words = {
                "lease-ended": f"{who} was silent for {silence}",
                "executor-returned-without-it": f"{who} came back without it",
                "executor-forgot-it": f"{who} does not know it",
            }
            return "unplug", "lost", f"Attempt {fact.attempt} lost", words[evidence.rule]
        case AttemptReleased():
            detail = "its executor stopped; it does not count as a try"
            return "hand", "queued", f"Attempt {fact.attempt} given back", detail
        case RetryScheduled():
            return (
                "rotate-cw",
                "retrying",
                "Will be tried again",
                f"after {duration(fact.wait_seconds)}",
            )
        case CancelRequested():
            title = "Kill requested" if fact.force else "Cancel requested"
            return "ban", "cancelling", title, fact.reason or ""
        case RunHeld():
            return "pause", "paused", "Held", fact.reason or ""
        case RunReleased():
            return "play", "queued", "Released", fact.reason or ""
        case RunReprioritised():
            return "gauge", "queued", f"Priority set to {fact.priority}", fact.reason or ""
        case RunResumed():
            return (
                "skip-forward",
                "running",
                f"Resumed from checkpoint {fact.checkpoint}",
                fact.reason or "",
            )
        case RunRestarted():
            where = (
                "the beginning"
                if fact.from_checkpoint is None
                else f"checkpoint {fact.from_checkpoint}"
            )
            return "rotate-cw", "queued", f"Restarted from {where}", fact.reason or ""
        case ReportRefused():
            return (
                "flag",
                "lost",
                f"Late {fact.kind} report of attempt {fact.attempt} refused",
                fact.why,
            )
        case RunCompleted():
            return "circle-check", "completed", "Completed", usage_words(fact)
        case RunCancelled():
            detail = fact.reason or ("its executor did not answer in time" if fact.forced else "")
            return "ban", "cancelled", "Cancelled", detail
        case RunFailed():
            return "circle-x", "failed", "Failed", failure_words(fact.failure)
        case RunDeleted():
            return "x", "cancelled", "Content removed", ", ".join(fact.removed)
        case _:
            return "info", "queued", type(fact).event, ""


def progress_words(progress: Progress) -> str:
    """Say how far something is."""
    if progress.done is None:
        return "a new phase"
    unit = f" {progress.unit}" if progress.unit else ""
    if progress.total:
        return f"{number(progress.done)} of {number(progress.total)}{unit}"
    return f"{number(progress.done)}{unit}"


def usage_words(usage: Usage) -> str:
    """Say what an attempt left and used."""
    return f"{counted(usage.lines, 'line')} of output, {duration(usage.cpu_seconds)} of CPU"


def _without_values(data: dict[str, object]) -> dict[str, object]:
    """Leave out the values of the environment: names are enough to understand what happened."""
    spec = data.get("spec")
    return {**data, "spec": hidden(spec)} if isinstance(spec, dict) else data
