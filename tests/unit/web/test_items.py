"""Items of a batch in words: their errors, and which of them were chosen."""

import pytest
from msgspec.structs import replace

from perdure_api.errors import Refused
from perdure_api.pages.chosen_items import read_ordinals, words_of
from perdure_api.pages.items import items_bar, row_of
from perdure_api.pages.words import items_words
from perdure_contract.objects import ItemCountsView, ItemView

FAILED = ItemView(ordinal=7, key="7", outcome="failed", tries=2, error="exit code 3", attempt=1)
COUNTS = ItemCountsView(total=313, pending=85, done=215, failed=11, skipped=2, filtered=0)


def test_how_far_a_batch_is_stands_in_few_words() -> None:
    assert items_words(COUNTS) == "228/313 · 11 failed"
    assert items_words(replace(COUNTS, failed=0, done=226)) == "228/313"
    bar = items_bar(COUNTS)
    assert bar is not None
    assert bar.words == "313 items: 215 done, 11 failed, 2 skipped, 85 pending"
    assert [piece.state for piece in bar.pieces] == ["done", "failed", "skipped", "free"]


def test_an_error_of_several_lines_unfolds_and_a_traceback_shows_its_last_line() -> None:
    row = row_of(FAILED, legal=True)
    assert (row.label, row.short, row.whole, row.tickable) == ("Failed", "exit code 3", "", True)
    error = "Traceback (most recent call last):\n  File x\nValueError: seven\n"
    row = row_of(replace(FAILED, error=error), legal=False)
    assert (row.short, row.whole, row.tickable) == ("ValueError: seven", error, False)


def test_an_item_that_was_passed_over_is_called_so() -> None:
    assert row_of(replace(FAILED, passed_over=True), legal=True).label == "Passed over"


def test_chosen_items_are_written_shortly_and_read_again() -> None:
    chosen = (1, 2, 7, 20, 21, 22, 23, 300)
    assert words_of(chosen) == "1 2 7 20–23 300"
    assert read_ordinals(words_of(chosen)) == chosen
    assert read_ordinals("9 ; 11 - 12,") == (9, 11, 12)


@pytest.mark.parametrize("text", ["", "  ", "one", "3 and 4", "1–99999999", "5-3", "-"])
def test_what_names_no_items_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        read_ordinals(text)
