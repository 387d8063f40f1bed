"""Words and parts of the pages of many runs and of stuck ones."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from perdure_api.pages.bulk import rows_of
from perdure_api.pages.bulk_words import how_far, state_of, title_of
from perdure_api.pages.rendering import render
from perdure_api.pages.stuck import words_of
from perdure_api.pages.stuck_contexts import StuckPage
from perdure_contract.objects import BulkPreview, BulkView, RefusedCount, StuckView

BULK = BulkView(
    id="01910000-0000-7000-8000-000000000001",
    action="restart",
    state="running",
    matched=41,
    done=1,
    refused=0,
    left=40,
    canary=False,
    why=None,
    requested_at="2026-03-01T14:00:00Z",
    requested_by="user:admin",
)


def test_an_operation_is_named_by_what_it_does_to_how_many() -> None:
    assert title_of(BULK) == "Restart of 41 runs"
    assert title_of(replace(BULK, action="priority", matched=1)) == "Priority of 1 run"


@pytest.mark.parametrize(
    ("bulk", "badge", "words"),
    [
        (BULK, "Under way", "40 runs to go."),
        (replace(BULK, canary=True), "Under way", "One run went first."),
        (replace(BULK, state="stopping"), "Stopping", "It stops after the runs under way."),
        (replace(BULK, state="finished", why="stopped"), "Stopped", "40 runs stayed as they were"),
        (replace(BULK, state="finished", why="canary-failed"), "Ended early", "did not complete"),
        (
            replace(BULK, state="finished", why="all-done", refused=1),
            "Finished",
            "1 run was refused",
        ),
    ],
)
def test_how_far_an_operation_is_and_why_it_ended_is_said_in_words(
    bulk: BulkView, badge: str, words: str
) -> None:
    assert state_of(bulk)[1] == badge
    assert words in how_far(bulk)


def test_a_preview_says_of_each_state_how_many_would_be_touched_and_why_not_the_others() -> None:
    refused = (RefusedCount(state="failed", count=2, why="No checkpoint was written."),)
    preview = BulkPreview(matched=9, by_state={"queued": 1, "failed": 8}, refused=refused)
    first, second = rows_of(preview)
    assert (first.state, first.count, first.touched) == ("failed", 8, 6)
    assert first.whys == ("2 runs: No checkpoint was written.",)
    assert (second.state, second.touched, second.whys) == ("queued", 1, ())


def test_a_stuck_run_is_shown_with_its_evidence() -> None:
    stuck = StuckView(
        run=BULK.id,
        name="<copies>",
        attempt=2,
        executor="north",
        last_sign="output",
        last_sign_at="2026-03-01T13:00:00Z",
        silent_seconds=3600.0,
        allowed_seconds=1800.0,
    )
    page = StuckPage(items=(stuck,), words=words_of(7, 1800), allowed_seconds=1800)
    frame = {"now": datetime(2026, 3, 1, 14, tzinfo=UTC)}
    html = render("_stuck.html", {"stuck": page, "frame": frame})
    for words in ("would end these 7", "&lt;copies&gt;", "2 on north", "Output", "30 min"):
        assert words in html
