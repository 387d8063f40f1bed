"""Attempts as bars on one scale, and numbers as charts: geometry only, the templates draw it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from perdure_api.pages.chart_contexts import BarPiece, SparkBar
from perdure_api.pages.run_history_contexts import Segment, Timeline, TimelineRow
from perdure_api.pages.words import duration, moment
from perdure_contract.objects import AttemptView, RunView

WIDTH: Final = 1000.0
LEAST: Final = 8.0
"""Width at which a very short piece can still be seen."""
MOST_SLOTS: Final = 64
"""More slots than that are drawn as one bar."""
SHOWN_ATTEMPTS: Final = 12


def timeline(run: RunView, attempts: Sequence[AttemptView], now: datetime) -> Timeline:
    """Lay out the newest attempts between the request and the end of a run, or now."""
    start = moment(run.created_at)
    end = moment(run.ended_at) if run.ended_at is not None else now
    whole = max((end - start).total_seconds(), 0.001)

    def at(time: datetime) -> float:
        return min(WIDTH, max(0.0, (time - start).total_seconds() / whole * WIDTH))

    rows = []
    waited_from = start
    for attempt in attempts:
        began = moment(attempt.started_at)
        ended = moment(attempt.ended_at) if attempt.ended_at is not None else None
        left, right = at(began), at(ended or end)
        width = max(LEAST, right - left)
        left = min(left, WIDTH - width)
        wait_x = at(waited_from)
        pieces = []
        if left - wait_x > 1:
            pieces.append(Segment(kind="wait", x=round(wait_x, 1), width=round(left - wait_x, 1)))
        kind = "exec" if ended is not None else "exec open"
        pieces.append(Segment(kind=kind, x=round(left, 1), width=round(width, 1)))  # type: ignore[arg-type]  # one of the two
        took = duration(((ended or end) - began).total_seconds())
        rows.append(
            TimelineRow(
                number=attempt.number,
                state=attempt.state,
                words=f"{attempt.state}, {took}" if ended is not None else attempt.state,
                segments=tuple(pieces),
            )
        )
        waited_from = ended or end
    return Timeline(rows=tuple(rows[-SHOWN_ATTEMPTS:]))


def slots_of(running: int, slots: int) -> tuple[bool, ...]:
    """Tell for each slot whether it is in use; nothing when they are too many to draw."""
    return () if slots > MOST_SLOTS else tuple(n < running for n in range(max(slots, running)))


def spark_bars(good: Sequence[int], bad: Sequence[int]) -> tuple[SparkBar, ...]:
    """Lay out hourly counts as bars in 240 × 32; anything above nothing can be seen."""
    most = max([g + b for g, b in zip(good, bad, strict=True)], default=0)
    if most == 0:
        return ()
    return tuple(
        SparkBar(x=n * 10 + 1, good=_height(g, most), bad=_height(b, most))
        for n, (g, b) in enumerate(zip(good, bad, strict=True))
    )


def bar_pieces(counts: Sequence[tuple[str, int]], whole: int) -> tuple[BarPiece, ...]:
    """Lay out counts of states as pieces of a bar of 240; what is left of the whole is free."""
    used = sum(count for _, count in counts)
    whole = max(whole, used)
    if whole == 0:
        return (BarPiece(state="free", x=0, width=240),)
    pieces, x = [], 0.0
    for state, count in (*counts, ("free", whole - used)):
        width = count / whole * 240
        if width:
            pieces.append(BarPiece(state=state, x=round(x, 1), width=round(width, 1)))
        x += width
    return tuple(pieces)


def _height(count: int, most: int) -> float:
    return round(max(1.5, count / most * 28), 1) if count else 0


def spark_line(values: Sequence[float]) -> str:
    """Lay out values as a path in 240 × 32; nothing for a flat zero."""
    most = max(values, default=0)
    if most <= 0 or len(values) < 2:  # noqa: PLR2004 -- a line needs two ends
        return ""
    step = 240 / (len(values) - 1)
    points = [f"{n * step:.1f} {31 - value / most * 27:.1f}" for n, value in enumerate(values)]
    return "M" + " L".join(points)
