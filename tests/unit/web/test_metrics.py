"""The chart of a number over the last runs that are alike."""

from datetime import timedelta

from msgspec.structs import replace

from perdure_api.domain.run import Run
from perdure_api.pages.metrics import chart_of, value_of
from perdure_api.pages.run_result import SHOWN_CHARACTERS, result_of
from perdure_api.pages.words import figure
from perdure_contract.specs import BlobRef
from tests.support.given import NOW, completed, given, requested, started


def ended(number: int, seconds: float, **metrics: float) -> Run:
    """Give a run that took so long and reported these numbers."""
    run = given(requested(name="nightly"), started(), completed())
    id_ = f"01950000-0000-7000-8000-{number:012}"
    return replace(run, id=id_, metrics=metrics, ended_at=NOW + timedelta(seconds=seconds))


def test_bars_stand_on_zero_and_the_largest_reaches_the_top() -> None:
    runs = [ended(1, 10), ended(2, 40), ended(3, 20)]
    chart = chart_of(runs[1], runs, "")
    assert [(point.y, point.height) for point in chart.points] == [(75, 25), (0, 100), (50, 50)]
    assert [point.here for point in chart.points] == [False, True, False]
    assert (chart.top, chart.bottom, chart.zero) == ("40 s", "0", 100)
    assert chart.words == "Time taken over 3 runs: from 10 s to 40 s, 20 s in the middle."


def test_numbers_below_zero_hang_from_the_axis() -> None:
    runs = [ended(1, 1, gain=-1.0), ended(2, 1, gain=3.0)]
    chart = chart_of(runs[0], runs, "gain")
    assert chart.zero == 75
    assert [(point.y, point.height) for point in chart.points] == [(75, 25), (0, 75)]
    assert chart.bottom == "-1"


def test_runs_without_the_number_are_left_out_and_zeros_can_be_seen() -> None:
    runs = [ended(1, 1), ended(2, 1, cost=0.0)]
    (point,) = chart_of(runs[0], runs, "cost").points
    assert point.run == runs[1].id
    assert point.height > 0
    assert chart_of(runs[0], [], "cost").points == ()
    assert value_of(given(requested()), "") is None


def test_small_figures_keep_their_digits() -> None:
    assert [figure(value) for value in (0, 0.00123456, 12.3456, 1234567.0, 2e18)] == [
        "0",
        "0.001235",
        "12.35",
        "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567",
        "2e+18",
    ]


def test_a_large_result_is_a_file() -> None:
    run = given(requested(), started(), completed())
    assert result_of(run) is None
    short = result_of(replace(run, result={"best": 1}))
    assert short is not None
    assert short.text == '{\n  "best": 1\n}'
    long = result_of(replace(run, result="x" * SHOWN_CHARACTERS))
    assert long is not None
    assert long.text is None
    apart = result_of(replace(run, result_blob=BlobRef(sha256="0" * 64, bytes=30_000)))
    assert apart is not None
    assert (apart.text, apart.bytes) == (None, 30_000)
