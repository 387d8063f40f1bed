from datetime import UTC, datetime, timedelta

import click
import pytest

from perdure_cli.quantities import DURATION, MOMENT, PAIR, SIZE, value_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("5m", 300.0), ("1.5h", 5400.0), ("2d", 172800.0)],
)
def test_a_duration_is_seconds_unless_it_has_a_unit(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("500M", 500_000_000), ("2GiB", 2 << 30), ("1k", 1000), ("3KiB", 3072)],
)
def test_a_size_is_bytes_unless_it_has_a_unit(text: str, size: int) -> None:
    assert SIZE.convert(text, None, None) == size


def test_a_moment_is_brought_to_utc() -> None:
    assert MOMENT.convert("2030-01-31T02:30:00+02:00", None, None) == "2030-01-31T00:30:00Z"


def test_a_moment_may_be_told_from_now_on() -> None:
    before = datetime.now(UTC)
    due = datetime.fromisoformat(MOMENT.convert("+30s", None, None))
    assert before + timedelta(seconds=30) <= due <= datetime.now(UTC) + timedelta(seconds=30)


def test_a_pair_keeps_further_equals_signs_in_its_value() -> None:
    assert PAIR.convert("OPTIONS=-x a=b", None, None) == ("OPTIONS", "-x a=b")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (DURATION, "soon"),
        (DURATION, "-3"),
        (SIZE, "big"),
        (MOMENT, "tomorrow"),
        (MOMENT, "2030-01-31T02:30:00"),
        (PAIR, "site"),
        (PAIR, "=b"),
    ],
)
def test_what_is_no_quantity_is_refused_with_an_example(
    kind: click.ParamType[object], text: str
) -> None:
    with pytest.raises(click.BadParameter, match="write"):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("[1,null]", [1, None]), ("north", "north"), ('"3"', "3"), ("", ""), ("a b", "a b")],
)
def test_a_value_is_json_or_else_a_text(text: str, value: object) -> None:
    assert value_of(text) == value
