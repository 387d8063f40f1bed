"""What stands behind the state of a run: the rules, where attempts began, what did not count."""

from collections.abc import Mapping, Sequence
from typing import Final

from perdure_api.pages.event_words import actor_words
from perdure_api.pages.run_history_contexts import LedgerRow, WhyRow
from perdure_api.pages.words import absolute, counted, moment
from perdure_api.store import codec
from perdure_contract.envelope import Event
from perdure_contract.facts import AttemptStarted, Json, RunRestarted, RunResumed
from perdure_contract.objects import LedgerEntry, WhyView

RULES: Final = {
    "queue-paused": "The queue is paused",
    "queue-full": "The queue is full",
    "queue-rate": "The queue's limit of starts a minute is reached",
    "no-executor": "No executor is connected",
    "no-executor-fits": "No executor fits",
    "draining": "The executors are draining",
    "slots-taken": "All slots are taken",
    "runs-ahead": "Other runs come first",
    "run-at": "Its time has not come",
    "retry-policy": "It is retried by its rule",
    "attempt-open": "An attempt is at work",
    "by-hand": "Someone asked for it",
    "outcome": "It is over",
}
"""The rules of a reason in words; one that is not here is shown by its name."""


def why_rows(why: WhyView, events: Sequence[Event]) -> tuple[WhyRow, ...]:
    """Give the rules behind a state, with the values that they saw and the event that shows them."""
    version_at = {event.position: event.version for event in events}
    return tuple(
        WhyRow(
            rule=RULES.get(because.rule, because.rule),
            values=_values(because.values),
            version=version_at.get(because.event) if because.event is not None else None,
        )
        for because in why.because
    )


def _values(values: Mapping[str, Json]) -> str:
    said = ((name.replace("_", " "), value) for name, value in values.items() if value is not None)
    return ", ".join(f"{name} {_value(value)}" for name, value in said)


def _value(value: Json) -> str:
    if isinstance(value, str):
        try:
            return absolute(moment(value)) if value[4:5] == "-" and "T" in value else value
        except ValueError:
            return value
    return str(value)


def origins_of(events: Sequence[Event]) -> dict[int, str]:
    """Say of each attempt that did not begin at the beginning, or was asked for, how it came about."""
    found: dict[int, str] = {}
    asked = ""
    for event in events:
        match fact := codec.decode(event.type, event.data):
            case RunResumed():
                by = actor_words(event.actor)
                asked = f"Resumed from checkpoint {fact.checkpoint} by {by}"
            case RunRestarted():
                at = fact.from_checkpoint
                where = "the beginning" if at is None else f"checkpoint {at}"
                asked = f"Restarted from {where} by {actor_words(event.actor)}"
            case AttemptStarted():
                mark = fact.from_checkpoint
                words = asked or (f"From checkpoint {mark}" if mark is not None else "")
                if words:
                    found[fact.attempt] = words
                asked = ""
            case _:
                pass
    return found


def ledger_rows(entries: Sequence[LedgerEntry]) -> tuple[LedgerRow, ...]:
    """Tell what was said about a run and changed nothing."""
    return tuple(
        LedgerRow(
            title=refusal_words(entry),
            why=entry.why,
            by=actor_words(entry.by)
            + (f", attempt {entry.attempt}" if entry.attempt is not None else ""),
            at=entry.at,
        )
        for entry in entries
    )


def refusal_words(entry: LedgerEntry) -> str:
    """Say what did not count, and how often."""
    return _kind(entry) + (f", {counted(entry.times, 'time')}" * (entry.times > 1))


def _kind(entry: LedgerEntry) -> str:
    words = entry.kind.removeprefix("duplicate-").replace("-", " ")
    if entry.kind.startswith("duplicate-"):
        return f"Heard before: {words}"
    return f"Refused: {words}" if entry.attempt is None else f"Too late: {words}"
