"""What happens to a run now, or how it ended, in a sentence or two that anyone understands."""

from collections.abc import Sequence
from typing import Final

from perdure_api.pages.contexts import Story
from perdure_api.pages.words import ICON_OF_STATE, counted, duration, failure_words, moment, number
from perdure_contract.objects import AttemptView, ExecutorView, QueueView, RunView

PLAIN: Final = {
    "paused": "It is held. Nothing happens until it is released.",
    "waiting": "It waits for other runs.",
}


def story_of(
    run: RunView,
    attempts: Sequence[AttemptView],
    queue: QueueView | None,
    executors: Sequence[ExecutorView],
) -> Story:
    """Tell the state of a run; queue and executors say why a queued one does not start."""
    text, at, detail = _told(run, attempts, queue, executors)
    return Story(state=run.state, icon=ICON_OF_STATE[run.state], text=text, at=at, detail=detail)


def _told(  # noqa: PLR0911 -- one return a state
    run: RunView,
    attempts: Sequence[AttemptView],
    queue: QueueView | None,
    executors: Sequence[ExecutorView],
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
            return why_queued(run, queue, executors), None, _before(attempts)
        case "scheduled":
            return "It starts", run.next_attempt_at, None
        case "retrying":
            return "It will be tried again", run.next_attempt_at, _before(attempts)
        case "completed":
            tries = f" with attempt {run.attempt}" if run.attempt > 1 else ""
            return f"It completed{tries}{_took(run)},", run.ended_at, None
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


def why_queued(run: RunView, queue: QueueView | None, executors: Sequence[ExecutorView]) -> str:
    """Say what a queued run waits for: a paused queue, a limit, an executor, or a free slot."""
    live = [executor for executor in executors if executor.state == "live"]
    able = [executor for executor in live if _fits(run, executor)]
    if queue is not None and queue.paused:
        return f"Queue {queue.name} is paused. It starts when the queue is resumed."
    if not live:
        return "No executor is connected. It starts as soon as one joins."
    if not able:
        labels = ", ".join(f"{name}={value}" for name, value in run.labels.items())
        needs = f" with {labels}" if labels else ""
        return f"No live executor{needs} serves queue {run.queue}. It starts as soon as one joins."
    if queue is not None and queue.concurrency is not None and queue.running >= queue.concurrency:
        return f"Queue {queue.name} runs {queue.running} of at most {queue.concurrency}. It waits for one to end."
    slots = sum(executor.slots for executor in able)
    if sum(executor.running for executor in able) >= slots:
        ahead = (
            f"; {number(queue.queued - 1)} others wait in the queue"
            if queue and queue.queued > 1
            else ""
        )
        return f"All {counted(slots, 'slot')} of the executors that fit are in use{ahead}."
    return "It is about to start."


def _fits(run: RunView, executor: ExecutorView) -> bool:
    served = not executor.queues or run.queue in executor.queues
    return served and all(executor.labels.get(name) == value for name, value in run.labels.items())


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
