"""What a filled form would do, in words: shown beside it while one types."""

from collections.abc import Sequence
from typing import Final

from perdure_api.kinds.items import BadItemError, key_of
from perdure_api.pages.calls import bound_words, names_nothing, words_of
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.preview_contexts import Preview, PreviewedItem
from perdure_api.pages.words import absolute, counted, duration, number
from perdure_contract.binding import UnknownField
from perdure_contract.specs import BatchSpec, CommandSpec, Json, PythonSpec, Retry, RunRequest

SHOWN_ITEMS: Final = 3
NOTHING_BOUND: Final = (
    "Nothing of an item is passed on: write {item} or the name of a field in braces as an argument."
)


def preview_of(
    request: RunRequest, items: Sequence[Json] = (), *, read_when: str = "start it"
) -> Preview:
    """Say what would be executed, when, where, and how long it can take at worst.

    Args:
        request: What the form asks for.
        items: The first items of a batch, where they are known.
        read_when: What someone does when a file of items is read.
    """
    spec = request.spec
    lines = [*_batch_lines(spec, read_when)] if isinstance(spec, BatchSpec) else []
    start = (
        "as soon as there is room"
        if request.run_at is None
        else f"not before {absolute(request.run_at)}"
    )
    where = f"in queue {request.queue}"
    if request.labels:
        labels = ", ".join(f"{name}={value}" for name, value in request.labels.items())
        where += f", on an executor with {labels}"
    lines.append(f"Starts {start}, {where}.")
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
    unused = isinstance(spec, BatchSpec) and names_nothing(spec.each)
    return Preview(
        argv=words_of(spec),
        lines=tuple(lines),
        warnings=(NOTHING_BOUND,) if unused else (),
        items=_bound(spec.each, items) if isinstance(spec, BatchSpec) else (),
    )


def _batch_lines(spec: BatchSpec, read_when: str) -> list[str]:
    if spec.input is not None:
        what = f"Goes through {counted(spec.input.total, 'item')}"
    elif spec.items is not None:
        what = f"Goes through {counted(len(spec.items), 'item')}"
    elif spec.file is not None:
        what = f"Goes through the items of {spec.file}, which is read when you {read_when},"
    else:
        what = "Goes through the uploaded items"
    at_once = "one by one" if spec.concurrency == 1 else f"{number(spec.concurrency)} at a time"
    kept = f"every {counted(spec.checkpoint_every, 'item')} and every 5 s"
    lines = [f"{what} {at_once}. What is done is kept {kept}."]
    if spec.item_retry is not None and spec.item_retry.max_attempts > 1:
        lines.append(f"Each item is tried up to {number(spec.item_retry.max_attempts)} times.")
    if spec.stop_after_failures is not None:
        lines.append(f"It stops after {counted(spec.stop_after_failures, 'failed item')}.")
    return lines


def _bound(each: CommandSpec | PythonSpec, items: Sequence[Json]) -> tuple[PreviewedItem, ...]:
    found = []
    for ordinal, value in enumerate(items[:SHOWN_ITEMS], 1):
        try:
            key = key_of(value)
            words = bound_words(each, ordinal, key, value)
        except (UnknownField, BadItemError) as error:
            found.append(PreviewedItem(title=f"Item {ordinal}", argv=(), problem=str(error)))
        else:
            title = f"Item {ordinal}" + (f", {key}" if key is not None else "")
            found.append(PreviewedItem(title=title, argv=words, problem=""))
    return tuple(found)


def longest_waits(retry: Retry) -> list[float]:
    """Give the waits between all attempts of a policy, in seconds."""
    waits, wait = [], retry.initial_seconds
    for _ in range(retry.max_attempts - 1):
        waits.append(min(wait, retry.max_seconds))
        wait = min(wait * retry.factor, retry.max_seconds)
    return waits


def preview_of_problems(problems: tuple[Problem, ...], *, empty: str | None) -> Preview:
    """Say what stands in the way; nothing is wrong with an empty form, which gets a hint."""
    if empty is not None:
        return Preview(lines=(empty,))
    return Preview(
        warnings=tuple(f"{p.label}: {p.message}" if p.label else p.message for p in problems)
    )
