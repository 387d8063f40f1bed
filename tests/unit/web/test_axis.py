"""Marks on the timeline: in their place, apart from each other, drawn together where they are many."""

from datetime import UTC, datetime, timedelta

from perdure_api.pages.axis import Axis, Item, lanes_of

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
DAY = Axis(NOON, NOON + timedelta(days=1), "1d")


def item(hours: float, *, lasts: float | None = None, state: str = "completed") -> Item:
    at = NOON + timedelta(hours=hours)
    until = None if lasts is None else at + timedelta(hours=lasts)
    return Item(job="report", state=state, at=at, until=until, label="", detail="", href="/runs/1")


def test_a_mark_lies_where_its_time_is_and_never_outside() -> None:
    (lane,) = lanes_of([item(6, lasts=12), item(-3, lasts=6), item(23, lasts=99)], DAY)
    assert [(m.x, m.width) for m in lane.marks] == [(0.0, 12.5), (25.0, 50.0), (95.83, 4.17)]


def test_what_runs_at_the_same_time_lies_in_rows_of_its_own() -> None:
    (lane,) = lanes_of([item(1, lasts=5), item(2, lasts=5), item(8, lasts=2)], DAY)
    assert [m.y for m in lane.marks] == [14, 34, 14]
    assert lane.height == 48


def test_many_short_ones_of_a_state_become_one_that_leads_closer() -> None:
    (lane,) = lanes_of([*(item(3 + n / 100) for n in range(20)), item(3, state="failed")], DAY)
    assert sorted((m.state, m.count) for m in lane.marks) == [("completed", 20), ("failed", 1)]
    many = next(m for m in lane.marks if m.count > 1)
    assert many.href.startswith("/timeline?zoom=6h&from=2026-03-28T12%3A05")
    assert lane.words == "21 runs, 1 failed"


def test_lines_of_the_axis_stand_at_round_times() -> None:
    assert [tick.at.hour for tick in DAY.ticks()] == [12, 16, 20, 0, 4, 8]
