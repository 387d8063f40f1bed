"""Numbers and times as people read them, and read back what people write."""

from datetime import UTC, datetime, timedelta

import pytest

from perdure_api.pages import words
from perdure_api.pages.quantities import read_bytes, read_seconds, write_bytes, write_seconds

NOW = datetime(2026, 3, 1, 14, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "no limit"),
        (0.0724, "72 ms"),
        (6.3, "6.3 s"),
        (42, "42 s"),
        (252, "4 min 12 s"),
        (7200, "2 h"),
        (93784, "1 d 2 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (0.2, "now"),
        (3, "3 s ago"),
        (200, "3 min ago"),
        (-41, "in 42 s"),
        (200_000, "2 days ago"),
        (90_000, "1 day ago"),
    ],
)
def test_a_time_is_said_by_its_distance(ago: float, said: str) -> None:
    assert words.relative(NOW - timedelta(seconds=ago), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4, "a few seconds left"), (42, "35–55 s left"), (215, "3–5 min left"), (9000, "2–3 h left")],
)
def test_what_is_left_is_a_range(seconds: float, said: str) -> None:
    assert words.eta(seconds) == said


def test_progress_is_not_done_before_it_is() -> None:
    assert words.percent(0.9999) == "99 %"
    assert words.percent(1) == "100 %"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("90 s", 90),
        ("15min", 900),
        ("1.5 h", 5400),
        ("2 days", 172800),
        ("250 ms", 0.25),
        ("soon", None),
        ("-1 s", None),
        ("", None),
    ],
)
def test_times_are_read_as_people_write_them(written: str, seconds: float | None) -> None:
    assert read_seconds(written) == seconds


@pytest.mark.parametrize(
    ("written", "count"),
    [("512 MB", 512_000_000), ("2GiB", 2 << 30), ("4096", 4096), ("many", None)],
)
def test_sizes_are_read_as_people_write_them(written: str, count: int | None) -> None:
    assert read_bytes(written) == count


@pytest.mark.parametrize("seconds", [0.5, 1, 60, 90, 3600, 86400, 100_000])
def test_a_time_that_is_shown_in_a_field_reads_back_as_itself(seconds: float) -> None:
    assert read_seconds(write_seconds(seconds)) == seconds


@pytest.mark.parametrize("count", [1, 999, 1000, 1 << 20, 50_000_000, 1 << 30, 10**9 + 1])
def test_a_size_that_is_shown_in_a_field_reads_back_as_itself(count: int) -> None:
    assert read_bytes(write_bytes(count)) == count


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (4, 5, "80.0"),
        (2, 3, "66.7"),
        (399, 500, "79.8"),
        (5, 5, "100.0"),
        (99_999, 100_000, "99.9"),
        (0, 3, "0.0"),
    ],
)
def test_a_share_keeps_its_form_and_is_whole_only_when_nothing_is_left(
    part: int, whole: int, said: str
) -> None:
    assert words.share(part, whole) == said


def test_whole_numbers_of_a_json_value_have_no_decimal() -> None:
    value = {
        "limits": {"timeout_seconds": 3600.0, "jitter": 0.1},
        "waits": [1.0, True, "2.0", None],
    }
    assert words.plain(value) == {
        "limits": {"timeout_seconds": 3600, "jitter": 0.1}, "waits": [1, True, "2.0", None]
    }  # fmt: skip
    assert repr(words.plain(3600.0)) == "3600"
