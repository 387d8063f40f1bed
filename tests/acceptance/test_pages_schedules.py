"""Schedules as people meet them in a browser: found, paused with a reason, fired, caught up, told of."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def schedule(running_system: System) -> Iterator[dict[str, Any]]:
    with running_system.client() as client:
        spec = {"kind": "command", "argv": ["/bin/true"]}
        client.post("/api/jobs", json={"name": "paper", "spec": spec}).raise_for_status()
        plan = {
            "job": "paper",
            "trigger": {"type": "cron", "expression": "30 2 * * 1-5"},
            "timezone": "Europe/Berlin",
            "overlap": "queue_one",
        }
        made: dict[str, Any] = client.post("/api/schedules", json=plan).raise_for_status().json()
        yield made
        client.delete("/api/jobs/paper").raise_for_status()


def test_a_schedule_is_found_paused_and_resumed_from_the_list(
    someone: Visitor, schedule: dict[str, Any]
) -> None:
    page = someone.page
    someone.goes_to("/schedules")
    page.get_by_label("Job contains").fill("pape")
    row = page.locator(f"#schedule-{schedule['id']}")
    expect(page.get_by_role("heading", name="1 schedule of jobs with “pape”")).to_be_visible()
    assert "q=pape" in page.url
    expect(row).to_contain_text("Every weekday at 02:30, Europe/Berlin")
    expect(row).to_contain_text("Overlap: waits, one at a time")
    row.get_by_role("link", name="Pause").click()
    page.get_by_label("Reason").fill("No <paper>")
    page.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("No <paper>")
    row.get_by_role("button", name="Resume").click()
    expect(row).to_contain_text("Active")
    someone.finds_no_barrier()


def test_a_schedule_is_fired_and_backfilled_and_its_page_tells_of_both(
    someone: Visitor, schedule: dict[str, Any]
) -> None:
    page = someone.page
    someone.goes_to(f"/schedules/{schedule['id']}")
    expect(page.locator("ol.times li")).to_have_count(10)
    page.get_by_role("link", name="Fire now").click()
    page.get_by_role("button", name="Fire now").click()
    page.wait_for_url("**/runs/*")
    someone.goes_to(f"/schedules/{schedule['id']}")
    expect(page.get_by_role("cell", name="By hand.")).to_be_visible()
    page.get_by_role("link", name="Backfill").click()
    page.get_by_label("From").fill("some day")
    page.get_by_label("Until").fill("2026-01-01")
    page.get_by_role("button", name="Backfill").click()
    expect(page.get_by_role("alert")).to_have_text("Write a time like 2026-03-29 02:30.")
    week_ago = datetime.now(UTC) - timedelta(days=7)
    page.get_by_label("From").fill(f"{week_ago:%Y-%m-%d}")
    page.get_by_label("Until").fill(f"{week_ago + timedelta(days=6):%Y-%m-%d}")
    page.get_by_role("button", name="Backfill").click()
    expect(page.get_by_role("cell", name="By a backfill.").first).to_be_visible()
    page.get_by_role("navigation", name="Outcome").get_by_role("link", name="Missed").click()
    expect(page.get_by_text("None of these")).to_be_visible()
    someone.allowed.append("422")
    someone.finds_no_barrier()


def test_the_timeline_shows_what_was_and_what_comes_and_leads_there(
    someone: Visitor, schedule: dict[str, Any], running_system: System
) -> None:
    page = someone.page
    with running_system.client() as client:
        client.post(f"/api/schedules/{schedule['id']}/trigger", json={}).raise_for_status()
    someone.goes_to("/timeline?zoom=7d&job=paper")
    lane = page.locator("#lane-paper")
    expect(lane).to_contain_text("run")
    expect(lane.locator(".m-planned").first).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row").filter(has_text="Planned").first).to_be_visible()
    someone.finds_no_barrier()
    page.get_by_role("navigation", name="How much time").get_by_text("1\xa0h", exact=True).click()
    assert "zoom=1h" in page.url
    mark = lane.locator("a[href^='/runs']").first
    mark.click()
    page.wait_for_url(re.compile("/runs"))
    someone.goes_to("/timeline?zoom=1h&from=1999-01-01T00:00:00Z")
    expect(page.get_by_role("link", name="Now", exact=True)).to_be_visible()


def test_a_run_is_saved_as_a_job_with_a_schedule_that_is_previewed_as_one_types(
    someone: Visitor, request_run: Callable[..., str], running_system: System
) -> None:
    page = someone.page
    run = request_run({"argv": ["/bin/echo", "{who}"]}, name="Greet people")
    someone.goes_to(f"/runs/{run}?tab=definition")
    page.get_by_role("link", name="Save as a job").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("greet-people")
    page.get_by_text("Cron expression", exact=True).first.click()
    page.locator("#f-expression").fill("30 2 29 3 *")
    page.locator("#f-timezone").fill("Europe/Berlin")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("On the 29th of March at 02:30")
    expect(preview).to_contain_text("There is no parameter who")
    page.locator("#f-p0-name").fill("who")
    page.locator("#f-p0-type").select_option("choice")
    page.locator("#f-p0-choices").fill("all, few")
    page.locator("#f-p0-default").fill("all")
    expect(preview).not_to_contain_text("There is no parameter who")
    someone.finds_no_barrier()
    page.get_by_role("button", name="Save job").click()
    expect(page.get_by_role("heading", name="greet-people")).to_be_visible()
    page.get_by_label("who").select_option("few")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    someone.goes_to("/jobs/greet-people")
    expect(page.locator("#job-live")).to_contain_text("Completed", timeout=20_000)
    someone.finds_no_barrier()
    with running_system.client() as client:
        client.delete("/api/jobs/greet-people").raise_for_status()
    expect(page.get_by_text("This job was deleted")).to_be_visible()
