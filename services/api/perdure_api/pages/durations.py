"""How long the runs of a job took: half of them, nineteen of twenty, and each as a bar."""

from collections.abc import Sequence
from typing import Final

from perdure_api.pages.job_contexts import DurationBar, Durations
from perdure_api.pages.words import moment
from perdure_contract.objects import RunView

WIDTH: Final = 600.0
HEIGHT: Final = 100.0
BARS: Final = 30
COUNTED: Final = frozenset({"completed", "partial", "failed"})
"""States whose runs took the time that they needed; one that was cancelled says nothing."""


def durations_of(newest_first: Sequence[RunView]) -> Durations | None:
    """Count the runs that ended by themselves; none when there is none."""
    took = [(run, _seconds(run)) for run in newest_first if run.state in COUNTED and run.started_at]
    if not took:
        return None
    ordered = sorted(seconds for _, seconds in took)
    p50, p95 = share(ordered, 0.5), share(ordered, 0.95)
    shown = took[:BARS][::-1]
    most = max([seconds for _, seconds in shown] + [p95]) or 1.0
    step = WIDTH / BARS
    bars = (
        DurationBar(
            x=round(n * step, 1),
            height=round(max(2.0, seconds / most * HEIGHT), 1),
            run=run,
            seconds=seconds,
        )
        for n, (run, seconds) in enumerate(shown)
    )
    return Durations(
        p50=p50,
        p95=p95,
        count=len(took),
        bars=tuple(bars),
        p50_y=round(HEIGHT * (1 - p50 / most), 1),
        p95_y=round(HEIGHT * (1 - p95 / most), 1),
        width=round(step - 3, 1),
    )


def share(ordered: Sequence[float], part: float) -> float:
    """Give the least value that so large a part of all does not exceed."""
    return ordered[max(0, -int(-part * len(ordered) // 1) - 1)]


def _seconds(run: RunView) -> float:
    if run.started_at is None or run.ended_at is None:
        return 0.0
    return max(0.0, (moment(run.ended_at) - moment(run.started_at)).total_seconds())
