"""The numbers: what each is called, in which unit, and how they are told."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from perdure_cli.output import Output

OURS: Final = "perdure"

Results = dict[str, dict[str, list[float]]]
"""Figure → system → one number a round."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is measured."""

    title: str
    unit: str
    more_is_better: bool = True


FIGURES: Final[Mapping[str, Figure]] = {
    "true": Figure("/bin/true, 4 at once, log and states kept", "runs/s"),
    "drain": Figure("no-op Python runs, log and states kept", "runs/s"),
    "request": Figure("requests one by one over HTTP, 32 in flight", "runs/s"),
    "bulk": Figure("one bulk request of 10,000 runs over HTTP", "runs/s"),
    "latency_p50": Figure("idle: request sent → program runs, p50", "ms", more_is_better=False),
    "latency_p99": Figure("idle: request sent → program runs, p99", "ms", more_is_better=False),
    "function_p50": Figure("idle: request sent → function runs, p50", "ms", more_is_better=False),
    "function_p99": Figure("idle: request sent → function runs, p99", "ms", more_is_better=False),
    "rebuild": Figure("rebuild of a view", "events/s"),
    "flood": Figure("a program that prints 1 GB", "MB/s"),
    "flood_executor": Figure("… executor's memory at most", "MB", more_is_better=False),
    "flood_api": Figure("… api's memory at most", "MB", more_is_better=False),
    "idle_cpu": Figure("idle: api + executor", "% of a core", more_is_better=False),
    "idle_memory": Figure("idle: api + executor", "MB", more_is_better=False),
    "start": Figure("`perdure up`, warm, to ready", "s", more_is_better=False),
}


def add(results: Results, system: str, measured: Mapping[str, float]) -> None:
    """Take in what one round of one measure gave."""
    for name, value in measured.items():
        results.setdefault(name, {}).setdefault(system, []).append(value)


def as_json(results: Results) -> dict[str, object]:
    """Give the results as documented: each number, and the ratio of the medians to each peer."""
    told: dict[str, object] = {"machine": machine()}
    for name, by_system in results.items():
        told[name] = {**by_system, "ratio": _ratios(name, by_system)}
    return told


def show(out: Output, results: Results) -> None:
    """Print the results as a table: median, and the least and most of all rounds."""
    peers = sorted({name for by_system in results.values() for name in by_system} - {OURS})
    rows = []
    for name, figure in FIGURES.items():
        by_system = results.get(name)
        if by_system is None:
            continue
        ratios = _ratios(name, by_system)
        cells: list[object] = [figure.title, figure.unit, _spread(by_system.get(OURS, []))]
        for peer in peers:
            ratio = f" ({ratios[peer]:.2f} x)" if peer in ratios else ""
            cells.append(_spread(by_system.get(peer, [])) + ratio)
        rows.append(cells)
    out.columns(["MEASURE", "UNIT", OURS.upper(), *(peer.upper() for peer in peers)], rows)
    facts = machine()
    out.note(", ".join(f"{name} {value}" for name, value in facts.items()))


def machine() -> dict[str, object]:
    """Say where it was measured."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "perdure": version("perdure"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _ratios(name: str, by_system: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Give how many times better we are than each peer; 1 is equal, more is better."""
    ours = by_system.get(OURS)
    if not ours:
        return {}
    mine = statistics.median(ours)
    ratios = {}
    for peer, values in by_system.items():
        theirs = statistics.median(values)
        if peer != OURS and theirs and mine:
            better = FIGURES[name].more_is_better
            ratios[peer] = round(mine / theirs if better else theirs / mine, 2)
    return ratios


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    middle = statistics.median(values)
    if len(values) == 1:
        return _short(middle)
    return f"{_short(middle)} ({_short(min(values))} to {_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004 - three digits say enough
