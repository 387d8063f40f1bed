"""Runs and fire times as marks on one axis: geometry only, in percent, the template draws it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from perdure_api.pages.axis_contexts import Lane, Mark, Tick
from perdure_api.pages.schedule_words import WAITING, WHYS
from perdure_api.pages.visit import with_query
from perdure_api.pages.words import counted, duration, failure_words, moment
from perdure_api.projections.timeline import LeftOut, Planned
from perdure_contract.objects import RunView
from perdure_runtime.clock import rfc3339

SLOTS: Final = 48
"""Marks of one kind that are closer than this part of the axis become one."""
SLOT: Final = 100 / SLOTS
MOST_ROWS: Final = 3
ROW_PIXELS: Final = 20
MOST_LANES: Final = 30

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
ZOOMS: Final[dict[str, tuple[timedelta, timedelta, str]]] = {
    "1h": (HOUR, HOUR / 6, "hm"),
    "6h": (6 * HOUR, HOUR, "hm"),
    "1d": (DAY, 4 * HOUR, "hm"),
    "7d": (7 * DAY, DAY, "day"),
    "30d": (30 * DAY, 5 * DAY, "day"),
}
"""How much time an axis shows, from line to line, and how times are written there."""
SMALLER: Final = {"30d": "7d", "7d": "1d", "1d": "6h", "6h": "1h"}
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
WORDS: Final = {"planned": "Planned", "missed": "Missed", "skipped": "Skipped", "waiting": "Waits"}


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time that is drawn."""

    begin: datetime
    end: datetime
    zoom: str

    def x(self, time: datetime) -> float:
        """Give the place of a time in percent, within the axis."""
        part = (time - self.begin) / (self.end - self.begin)
        return round(min(1.0, max(0.0, part)) * 100, 2)

    def ticks(self) -> tuple[Tick, ...]:
        """Give round times within the axis, but for the last piece, where no label fits."""
        _, step, _ = ZOOMS[self.zoom]
        first = EPOCH + -((EPOCH - self.begin) // step) * step
        times = [first + n * step for n in range(14)]
        return tuple(Tick(x=self.x(t), at=t) for t in times if self.begin <= t and self.x(t) < 96)  # noqa: PLR2004 -- percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to be drawn, before it has a place."""

    job: str
    state: str
    at: datetime
    until: datetime | None
    label: str
    detail: str
    href: str
    count: int = 1
    more: bool = False
    """Whether there are more that were not counted."""


def items_of_runs(runs: Iterable[RunView], axis: Axis, now: datetime) -> Iterator[Item]:
    """Give the runs that can be seen: from their start, or while they wait from when they may."""
    for run in runs:
        begin = run.started_at or run.next_attempt_at or run.ended_at or run.created_at
        at = moment(begin)
        ended = moment(run.ended_at) if run.ended_at is not None else None
        until = ended or (now if run.started_at is not None else at)
        if at > axis.end or until < axis.begin:
            continue
        took = f"{run.state}, {duration((until - at).total_seconds())}"
        detail = failure_words(run.failure) if run.failure is not None else ""
        yield Item(
            job=run.job or "",
            state=run.state,
            at=at,
            until=until,
            label=took.capitalize(),
            detail=f"{run.name}. {detail}" if detail else run.name,
            href=f"/runs/{run.id}",
        )


def items_left_out(found: Iterable[LeftOut]) -> Iterator[Item]:
    """Give the fire times that started nothing."""
    for left in found:
        fire = left.fire
        whys = WAITING if fire.outcome == "waiting" else WHYS
        times = 1 if fire.count is None else fire.count
        page = f"/jobs/{left.job}" if left.schedule is None else f"/schedules/{left.schedule}"
        yield Item(
            job=left.job,
            state=fire.outcome,
            at=moment(fire.fire_at),
            until=moment(fire.until) if fire.until is not None else None,
            label=WORDS[fire.outcome] if times == 1 else f"{WORDS[fire.outcome]}, {times} times",
            detail=whys.get(fire.why, fire.why),
            href=page if left.schedule is None else with_query(page, {"outcome": fire.outcome}),
            count=times,
        )


def items_planned(found: Iterable[Planned]) -> Iterator[Item]:
    """Give the fire times ahead."""
    for plan in found:
        yield Item(
            job=plan.job,
            state="planned",
            at=plan.at,
            until=None,
            label="Planned",
            detail="And more close after it." if plan.more else "",
            href=f"/schedules/{plan.schedule}",
            more=plan.more,
        )


def lanes_of(items: Iterable[Item], axis: Axis) -> tuple[Lane, ...]:
    """Lay items out, a lane a job by name; what has no job comes last."""
    by_job: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_job[item.job].append(item)
    return tuple(_lane(job, by_job[job], axis) for job in sorted(by_job, key=lambda j: (not j, j)))


def _lane(job: str, items: Sequence[Item], axis: Axis) -> Lane:
    merged = sorted(_merged(items, axis), key=lambda item: item.at)
    ends: list[float] = []
    marks = []
    for item in merged:
        x = axis.x(item.at)
        width = axis.x(item.until) - x if item.until is not None else 0.0
        width = width if width >= SLOT else 0.0
        row = next((n for n, end in enumerate(ends) if end <= x), len(ends))
        row = min(row, MOST_ROWS - 1)
        ends[row : row + 1] = [x + max(width, SLOT * 0.8)]
        marks.append(
            Mark(
                state=item.state,
                x=x,
                width=round(width, 2),
                y=ROW_PIXELS // 2 + 4 + row * ROW_PIXELS,
                at=item.at,
                until=item.until,
                label=item.label,
                detail=item.detail,
                href=item.href,
                count=item.count,
            )
        )
    height = max(1, len(ends)) * ROW_PIXELS + 8
    return Lane(job=job, words=_counted(items), height=height, marks=tuple(marks))


def _merged(items: Sequence[Item], axis: Axis) -> Iterator[Item]:
    """Draw short ones of one state together where they would cover each other."""
    slots: dict[tuple[int, str], list[Item]] = defaultdict(list)
    slot = (axis.end - axis.begin) / SLOTS
    for item in items:
        if item.until is not None and item.until - item.at >= slot:
            yield item
        else:
            slots[(item.at - axis.begin) // slot, item.state].append(item)
    for (_, state), group in slots.items():
        if len(group) == 1:
            yield group[0]
            continue
        first, last = min(i.at for i in group), max(i.until or i.at for i in group)
        count = sum(item.count for item in group)
        word = WORDS.get(state, state.capitalize())
        yield replace(
            min(group, key=lambda item: item.at),
            until=last,
            label=f"{word}, {counted(count, 'time')}",
            detail="Close together.",
            href=_closer(axis, group[0].job, first, last),
            count=count,
        )


def _closer(axis: Axis, job: str, first: datetime, last: datetime) -> str:
    zoom = SMALLER.get(axis.zoom)
    if zoom is None:
        return with_query("/runs", {"job": job}) if job else "/runs"
    begin = first + (last - first) / 2 - ZOOMS[zoom][0] / 2
    return with_query("/timeline", {"zoom": zoom, "from": rfc3339(begin), "job": job})


def _counted(items: Sequence[Item]) -> str:
    states: Counter[str] = Counter()
    for item in items:
        states[item.state] += item.count
    more = {item.state for item in items if item.more}
    left = {name: states.pop(name, 0) for name in WORDS}
    words = [counted(sum(states.values()), "run")] if states else []
    words += [f"{states['failed']} failed"] if states["failed"] else []
    words += [
        f"{count}{'+' if name in more else ''} {WORDS[name].lower()}"
        for name, count in left.items()
        if count
    ]
    return ", ".join(words)


def legend_of(lanes: Iterable[Lane]) -> tuple[tuple[str, str], ...]:
    """Give every state that can be seen, with its word."""
    seen: Mapping[str, None] = dict.fromkeys(mark.state for lane in lanes for mark in lane.marks)
    return tuple((state, WORDS.get(state, state.capitalize())) for state in sorted(seen))
