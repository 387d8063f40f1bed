"""What happens to a run now, or how it ended, in a sentence or two that anyone understands."""

from collections.abc import Sequence
from typing import Final

from perdure_api.pages.run_history_contexts import Story
from perdure_api.pages.words import ICON_OF_STATE, counted, duration, failure_words, moment, number
from perdure_contract.objects import AttemptView, RunView, WhyView

PLAIN: Final = {
    "paused": "It is held. Nothing happens until it is released.",
    "waiting": "It waits for other runs.",
}


def story_of(run: RunView, attempts: Sequence[AttemptView], why: WhyView | None) -> Story:
    """Tell the state of a run; `why` is that of a queued one; none in the past."""
    text, at, detail = _told(run, attempts, why)
    return Story(state=run.state, icon=ICON_OF_STATE[run.state], text=text, at=at, detail=detail)


def _told(
    run: RunView, attempts: Sequence[AttemptView], why: WhyView | None
) -> tuple[str, str | None, str | None]:
    last = attempts[-1] if attempts else None
    match run.state:
        case "running":
            started = last.started_at if last is not None else run.started_at
            return (
                f"Attempt {run.attempt} is running on executor {run.executor}. It started",
                started,
                _before(attempts[:-1]),
            )
        case "cancelling":
            return (
                f"It is being ended on executor {run.executor}.",
                None,
                "TERM was sent; KILL follows after its grace.",
            )
        case "queued":
            return (
                why.sentence if why is not None else "It waits to start.",
                None,
                _before(attempts),
            )
        case "scheduled":
            return "It starts", run.next_attempt_at, None
        case "retrying":
            return "It will be tried again", run.next_attempt_at, _before(attempts)
        case "completed":
            tries = f" with attempt {run.attempt}" if run.attempt > 1 else ""
            return f"It completed{tries}{_took(run)},", run.ended_at, None
        case "partial":
            counts = run.items
            words = "some files could not be copied" if run.kind == "rsync" else "some items failed"
            if counts is not None:
                words = f"{number(counts.failed)} of {counted(counts.total, 'item')} failed"
            return f"It came to its end{_took(run)}, and {words},", run.ended_at, None
        case "failed":
            words = failure_words(run.failure) if run.failure is not None else "It failed"
            tries = f" after {counted(run.attempt, 'attempt')}" if run.attempt > 1 else ""
            said = run.failure is not None and run.failure.reason not in ("exit", "timeout")
            message = run.failure.message if run.failure is not None and said else None
            return f"{words}{tries},", run.ended_at, message
        case "cancelled":
            return "It was cancelled", run.ended_at, None
        case _:
            return PLAIN.get(run.state, f"It is {run.state}."), None, None


def _took(run: RunView) -> str:
    if run.started_at is None or run.ended_at is None:
        return ""
    return f" in {duration((moment(run.ended_at) - moment(run.started_at)).total_seconds())}"


def _before(attempts: Sequence[AttemptView]) -> str | None:
    """Tell how the last of some attempts ended."""
    if not attempts:
        return None
    last = attempts[-1]
    if last.state == "released":
        return f"Attempt {last.number} was given back when its executor stopped."
    if last.failure is None:
        return None
    words = failure_words(last.failure)
    return f"Attempt {last.number} failed: {words[0].lower()}{words[1:]}."
