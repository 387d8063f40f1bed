"""What is said beside the form of a job while it is filled."""

from datetime import UTC, datetime

from perdure_api.pages.job_form import DEFAULTS
from perdure_api.pages.job_preview import preview_of_form

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FORM = {**DEFAULTS, "name": "thumbnails", "argv": "convert {item}", "over": "batch", "when": ""}


def test_nothing_is_wrong_with_items_before_any_is_written() -> None:
    assert preview_of_form(FORM, [], NOW).warnings == ()


def test_items_that_were_written_are_counted() -> None:
    seen = preview_of_form({**FORM, "items": "a.png\nb.png"}, [], NOW)

    assert seen.warnings == ()
    assert any("2 items" in line for line in seen.lines)
