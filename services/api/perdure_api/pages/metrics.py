"""The numbers of a run: by themselves, and as a chart over the last runs that are alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from perdure_api.domain.run import Run
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.metric_contexts import MetricChart, MetricPoint, MetricsPane
from perdure_api.pages.visit import with_query
from perdure_api.pages.words import counted, duration, figure, size
from perdure_api.projections.run_history import runs_alike
from perdure_api.store.database import Database
from perdure_contract.objects import RunView
from perdure_runtime.clock import rfc3339

MOST_RUNS: Final = 60
FEWEST_COLUMNS: Final = 12
"""The chart has room for so many runs at least, so that two bars are not two walls."""
COLUMN: Final = 10
HEIGHT: Final = 100
VISIBLE: Final = 1.5


async def metrics_pane(
    db: Database, run: Run, view: RunView, query: Mapping[str, str]
) -> MetricsPane:
    """Read the runs like this one, and put its numbers beside theirs."""
    alike = await runs_alike(db, run, limit=MOST_RUNS)
    names = sorted({name for one in alike for name in one.metrics} | view.metrics.keys())
    chosen = query.get("metric", "")
    chosen = chosen if chosen in names else ""
    return MetricsPane(
        own=tuple(
            (name, words_for(name)(value), _address(run.id, name))
            for name, value in view.metrics.items()
        ),
        choices=tuple(
            Link(label=name or "Time taken", href=_address(run.id, name), chosen=name == chosen)
            for name in ("", *names)
        ),
        chart=chart_of(run, alike, chosen),
    )


def _address(run: str, metric: str) -> str:
    return with_query(f"/runs/{run}", {"tab": "metrics", "metric": metric})


def chart_of(run: Run, alike: Sequence[Run], metric: str) -> MetricChart:
    """Draw one number of runs that have ended as bars from zero; an empty name is the time taken."""
    found = [(one, value) for one in alike if (value := value_of(one, metric)) is not None]
    say = words_for(metric)
    values = [value for _, value in found]
    top, bottom = max([0.0, *values]), min([0.0, *values])
    scale = HEIGHT / ((top - bottom) or 1.0)
    zero = top * scale
    points = []
    for place, (one, value) in enumerate(found):
        size = max(abs(value) * scale, VISIBLE)
        points.append(
            MetricPoint(
                run=one.id,
                href=_address(one.id, metric),
                state=one.phase,
                at=rfc3339(one.ended_at or one.created_at),
                words=say(value),
                here=one.id == run.id,
                x=place * COLUMN,
                y=round(min(zero - size if value >= 0 else zero, HEIGHT - size), 1),
                height=round(size, 1),
            )
        )
    name = f"job {run.request.job}" if run.request.job else f"the name {run.request.name}"
    label = metric or "Time taken"
    return MetricChart(
        label=label,
        alike=name,
        points=tuple(points),
        width=max(len(points), FEWEST_COLUMNS) * COLUMN,
        zero=round(zero, 1),
        top=say(top),
        bottom=say(bottom) if bottom < 0 else "0",
        words=_words(label, values, say),
    )


def words_for(metric: str) -> Callable[[float], str]:
    """Give what says a number with its unit: its name tells, or with an empty name it is a time."""
    if metric.endswith("_bytes"):
        return lambda value: size(int(value))
    return figure if metric else duration


def value_of(run: Run, metric: str) -> float | None:
    """Give a number that a run reported, or with an empty name the seconds it took."""
    if metric:
        return run.metrics.get(metric)
    if run.started_at is None or run.ended_at is None:
        return None
    return max(0.0, (run.ended_at - run.started_at).total_seconds())


def _words(label: str, values: Sequence[float], say: Callable[[float], str]) -> str:
    if not values:
        return "No run like this one that has ended has this number."
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return (
        f"{label} over {counted(len(values), 'run')}: from {say(ordered[0])} to {say(ordered[-1])}, "
        f"{say(middle)} in the middle."
    )
