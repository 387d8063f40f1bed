"""What a filled form would do, in words: shown beside it while one types."""

from perdure_api.kinds import kind
from perdure_api.pages.contexts import Preview
from perdure_api.pages.run_form import Problem
from perdure_api.pages.words import absolute, counted, duration
from perdure_contract.specs import Retry, RunRequest


def preview_of(request: RunRequest) -> Preview:
    """Say what would be executed, when, where, and how long it can take at worst."""
    start = (
        "as soon as there is room"
        if request.run_at is None
        else f"not before {absolute(request.run_at)}"
    )
    where = f"in queue {request.queue}"
    if request.labels:
        labels = ", ".join(f"{name}={value}" for name, value in request.labels.items())
        where += f", on an executor with {labels}"
    lines = [f"Starts {start}, {where}."]
    retry, limit = request.retry, request.limits.timeout_seconds
    if retry.max_attempts > 1:
        waits = longest_waits(retry)
        shown = ", ".join(duration(wait) for wait in waits[:4]) + (", …" if len(waits) > 4 else "")  # noqa: PLR2004 -- enough to see the rule
        lines.append(
            f"Up to {counted(retry.max_attempts, 'attempt')}, waiting {shown} between them."
        )
    else:
        lines.append("One attempt; nothing is tried again.")
    if limit is not None:
        lines.append(f"An attempt is ended after {duration(limit)}.")
        whole = limit * retry.max_attempts + sum(longest_waits(retry)) * (1 + retry.jitter)
        lines.append(f"At worst it is over {duration(whole)} after its start.")
    else:
        lines.append("An attempt may take as long as it wants.")
    return Preview(argv=kind.argv_of(request.spec), lines=tuple(lines))


def longest_waits(retry: Retry) -> list[float]:
    """Give the waits between all attempts of a policy, in seconds."""
    waits, wait = [], retry.initial_seconds
    for _ in range(retry.max_attempts - 1):
        waits.append(min(wait, retry.max_seconds))
        wait = min(wait * retry.factor, retry.max_seconds)
    return waits


def preview_of_problems(problems: tuple[Problem, ...], *, empty: bool) -> Preview:
    """Say what stands in the way; nothing is wrong with an empty form."""
    if empty:
        return Preview(lines=("Write a command to see what will be executed.",))
    return Preview(
        warnings=tuple(f"{p.label}: {p.message}" if p.label else p.message for p in problems)
    )
