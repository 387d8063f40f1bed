"""Outcomes of items as facts: ranges that ended alike, the first failures by name. Pure.

An item gets one final outcome a try. Which of the outcomes that an executor tells are new, and how
far the leading items have come, was looked up in the store and stands in `NewOutcomes`.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_contract.facts import MAX_EVENT_BYTES, RunCheckpointed, RunFact, RunItemsRecorded
from perdure_contract.items import (
    MAX_EVENT_ERROR,
    MAX_NAMED_FAILURES,
    MAX_SPANS,
    FailedItem,
    OutcomeSpan,
)
from perdure_contract.wire import Attempt, ItemDone, ItemsRecorded

OTHER_BYTES = 4096
"""Of an event, beside its spans and failures: ids, numbers, items that were begun."""


class NewOutcomes(Struct, frozen=True, kw_only=True):
    """Outcomes that count, by ordinal, of items that had none."""

    outcomes: tuple[ItemDone, ...] = ()
    settled: int
    """With them, every item up to here has an outcome."""


def recorded(
    run: Run, attempt: Attempt, said: ItemsRecorded, new: NewOutcomes
) -> tuple[RunFact, ...]:
    """Give the facts of a report; none when it says nothing new."""
    if not new.outcomes:
        if said.begun == run.begun:
            return ()
        return (_fact(run, attempt, said, (), (), settled=run.settled),)
    spans = spans_of(new.outcomes)
    failed = [item for item in new.outcomes if item.outcome == "failed"]
    parts = [spans[at : at + MAX_SPANS] for at in range(0, len(spans), MAX_SPANS)]
    facts: list[RunFact] = []
    for part in parts:
        # Each part says how far the items have come with it; only the last can say more than before.
        settled = new.settled if part is parts[-1] else min(new.settled, part[-1].last)
        inside = (item for item in failed if part[0].first <= item.ordinal <= part[-1].last)
        facts.append(_fact(run, attempt, said, part, tuple(_named(inside, part)), settled=settled))
    facts.append(
        RunCheckpointed(run=run.id, attempt=attempt.number, number=said.number, cursor=new.settled)
    )
    return tuple(facts)


def spans_of(outcomes: Sequence[ItemDone]) -> tuple[OutcomeSpan, ...]:
    """Join neighbours that ended alike; outcomes come in order, one an item."""
    spans: list[OutcomeSpan] = []
    for item in outcomes:
        last = spans[-1] if spans else None
        if last is not None and (last.last + 1, last.outcome) == (item.ordinal, item.outcome):
            spans[-1] = OutcomeSpan(last.first, item.ordinal, item.outcome)
        else:
            spans.append(OutcomeSpan(item.ordinal, item.ordinal, item.outcome))
    return tuple(spans)


def _fact(
    run: Run,
    attempt: Attempt,
    said: ItemsRecorded,
    spans: tuple[OutcomeSpan, ...],
    failures: tuple[FailedItem, ...],
    *,
    settled: int,
) -> RunItemsRecorded:
    return RunItemsRecorded(
        run=run.id,
        attempt=attempt.number,
        number=said.number,
        cursor=settled,
        spans=spans,
        failures=failures,
        begun=said.begun,
    )


def _named(failed: Iterable[ItemDone], spans: tuple[OutcomeSpan, ...]) -> Iterator[FailedItem]:
    """Name as many of the first failures as the event has room for."""
    room = MAX_EVENT_BYTES - OTHER_BYTES - len(msgspec.json.encode(spans))
    for count, item in enumerate(failed):
        named = FailedItem(
            ordinal=item.ordinal,
            key=item.key,
            error=(item.error or "")[:MAX_EVENT_ERROR],
            tries=item.tries,
        )
        room -= len(msgspec.json.encode(named)) + 1
        if count == MAX_NAMED_FAILURES or room < 0:
            return
        yield named
