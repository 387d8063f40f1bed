"""What people do in the dashboard when many runs, or stuck ones, or late reports need them."""

import re
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.faults import events, log_held, names
from tests.support.system import System

pytestmark = pytest.mark.acceptance

FAILS = {"argv": ["/bin/sh", "-c", "exit 3"]}
SLEEPS = {"argv": ["/bin/sleep", "600"]}


@pytest.fixture
def failed(running_system: System, request_run: Callable[..., str]) -> Callable[..., list[str]]:
    """Give runs that failed under a tag."""

    def make(tag: str, count: int) -> list[str]:
        runs = [request_run(FAILS, name=f"fails {n}", tags=[tag]) for n in range(count)]
        for run in runs:
            running_system.run_that(run, lambda found: found["state"] == "failed")
        return runs

    return make


def test_ticked_runs_are_previewed_restarted_and_each_has_its_outcome(
    someone: Visitor, failed: Callable[..., list[str]], request_run: Callable[..., str]
) -> None:
    page = someone.page
    runs = failed("ticks", 2)
    sleeping = request_run(
        SLEEPS, name="scheduled one", tags=["ticks"], run_at="2099-01-01T00:00:00Z"
    )
    someone.goes_to("/runs?tag=ticks")
    expect(page.locator("#live-state")).to_have_text("Live")
    expect(page.locator("#bulk")).to_be_hidden()
    page.locator(f"#tick-{runs[0]}").check()
    expect(page.locator("#ticked")).to_have_text("1 selected")

    # Another run comes in and the list is morphed: what was ticked stays ticked.
    newcomer = request_run(SLEEPS, name="newcomer", tags=["ticks"], run_at="2099-01-01T00:00:00Z")
    expect(page.locator(f"#run-{newcomer}")).to_be_visible()
    expect(page.locator(f"#tick-{runs[0]}")).to_be_checked()
    expect(page.locator("#ticked")).to_have_text("1 selected")
    page.locator("#tick-all").check()
    expect(page.locator("#ticked")).to_have_text("4 selected")
    page.locator(f"#tick-{newcomer}").uncheck()
    expect(page.get_by_label("All 4 that match")).not_to_be_checked()
    someone.finds_no_barrier()

    page.locator("#bulk").get_by_role("button", name="Restart").click()
    expect(page.get_by_role("heading", name="Restart 3 runs?")).to_be_visible()
    expect(page.locator("#of-scheduled")).to_contain_text("restart needs one of")
    someone.finds_no_barrier()
    page.get_by_label("Reason").fill("the disk is back")
    page.get_by_role("button", name="Restart 2 runs").click()

    page.wait_for_url(re.compile(r"/bulk/[0-9a-f-]{36}$"))
    expect(page.locator("#bulk-state")).to_have_text("Finished")
    expect(page.locator("#bulk-words")).to_contain_text("1 run was refused")
    someone.finds_no_barrier()
    operation = page.url.rsplit("/", 1)[1]
    page.get_by_role("link", name="Actions on many").click()
    expect(page.locator(f"#bulk-{operation}")).to_contain_text("Restart of 3 runs")
    page.get_by_role("link", name="Restart of 3 runs").click()
    page.get_by_role("navigation", name="Outcome").get_by_text("Refused").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(f"#run-{sleeping}")).to_contain_text("The run is scheduled")


def test_restart_all_failed_asks_first_and_can_try_one_first(
    someone: Visitor, failed: Callable[..., list[str]]
) -> None:
    page = someone.page
    failed("first", 2)
    someone.goes_to("/")
    page.get_by_role("link", name="Restart all failed").click()
    expect(page.get_by_role("heading", name=re.compile(r"Restart \d+ runs\?"))).to_be_visible()
    page.get_by_label("Try one first").check()
    page.get_by_role("button", name=re.compile(r"Restart \d+ runs")).click()
    expect(page.locator("#bulk-state")).to_have_text("Ended early")
    expect(page.locator("#bulk-words")).to_contain_text("did not complete")


def test_all_that_match_are_cancelled_without_scripts(
    browser: Browser,
    running_system: System,
    cookies: list[dict[str, str]],
    request_run: Callable[..., str],
) -> None:
    later = [request_run(SLEEPS, tags=["plain"], run_at="2099-01-01T00:00:00Z") for _ in range(2)]
    with visitor(
        browser, running_system.endpoint.url, cookies, java_script_enabled=False
    ) as someone:
        page = someone.page
        someone.goes_to("/runs?tag=plain")
        page.get_by_label("All 2 that match").check()
        page.locator("#bulk").get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Cancel 2 runs").click()
        page.wait_for_url(re.compile(r"/bulk/[0-9a-f-]{36}$"))
    for run in later:
        running_system.run_that(run, lambda found: found["state"] == "cancelled")


CHECKPOINTS = (
    "import json, os\n"
    "fd = int(os.environ['PERDURE_FD'])\n"
    "for n in (1, 2):\n"
    "    os.write(fd, json.dumps({'checkpoint': {'cursor': n}}).encode() + b'\\n')\n"
    "raise SystemExit(4)\n"
)


def test_a_run_is_resumed_from_a_checkpoint_and_tells_where_it_came_from(
    someone: Visitor, running_system: System, request_run: Callable[..., str]
) -> None:
    page = someone.page
    run = request_run({"argv": [sys.executable, "-c", CHECKPOINTS]}, retry={"max_attempts": 1})
    running_system.run_that(run, lambda found: found["state"] == "failed")
    with running_system.client() as client:
        assert client.post(f"/api/runs/{run}/hold", json={}).status_code == 409
        again = client.post(f"/api/runs/{run}/rerun", json={}).raise_for_status().json()["id"]

    someone.goes_to(f"/runs/{run}")
    expect(page.locator("#did-not-count")).to_contain_text("The run is failed; hold needs")
    expect(page.locator("#run-why")).to_contain_text("It is over: ")
    page.locator("#more summary").click()
    expect(page.locator("#more").get_by_role("button", name="Hold")).to_be_disabled()
    expect(page.locator("#why-not-hold")).to_contain_text("hold needs one of")
    someone.finds_no_barrier()
    page.locator("#more summary").click()

    page.get_by_role("link", name="Resume from checkpoint 1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("From checkpoint")).to_have_value("1")
    dialog.get_by_role("button", name="Resume this run").click()
    expect(page.locator("#toasts")).to_contain_text("It goes on from its checkpoint")
    running_system.run_that(run, lambda found: found["attempt"] == 2 and found["state"] == "failed")
    page.get_by_role("link", name="Attempts").click()
    expect(page.locator("#attempt-2")).to_contain_text("Resumed from checkpoint 1 by admin")

    page.locator("#run-facts").get_by_role("link", name=again[-6:]).click()
    expect(page.locator("#run-facts dd a").first).to_have_text(run[-6:])


def test_who_acts_on_a_page_out_of_date_is_told_and_nothing_is_done(
    someone: Visitor, running_system: System, request_run: Callable[..., str]
) -> None:
    someone.allowed.append("409")
    page = someone.page
    run = request_run(SLEEPS)
    running_system.run_that(run, lambda found: found["state"] == "running")
    someone.goes_to(f"/runs/{run}")
    page.locator("#more summary").click()
    page.locator("#more").get_by_role("link", name="Restart").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    with running_system.client() as other:
        other.post(f"/api/runs/{run}/cancel", json={"force": True}).raise_for_status()
    cancelled = running_system.run_that(run, lambda found: found["state"] == "cancelled")

    dialog.get_by_role("button", name="Restart").click()
    expect(page.locator("#toasts .bad")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.locator("#run-state")).to_have_text("Cancelled")
    expect(page.locator("#did-not-count")).to_contain_text("Refused: restart")
    after = running_system.run_that(run, lambda found: True)
    assert after["version"] == cancelled["version"]


def test_a_priority_is_set_and_a_run_declared_failed_from_the_menu(
    someone: Visitor, running_system: System, request_run: Callable[..., str]
) -> None:
    page = someone.page
    run = request_run(SLEEPS, labels={"none": "has-it"})
    someone.goes_to("/")
    attention = page.locator("#panel-attention li", has_text="No executor has none=has-it")
    expect(attention).to_contain_text("1 run waits for it in queue default.")
    someone.goes_to(f"/runs/{run}")
    page.locator("#more summary").click()
    page.locator("#more").get_by_role("link", name="Priority").click()
    page.get_by_role("dialog").get_by_label("Priority").fill("-7")
    page.get_by_role("button", name="Set priority").click()
    running_system.run_that(run, lambda found: found["priority"] == -7)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("#more summary").click()
    page.locator("#more").get_by_role("link", name="Declare failed").click()
    page.get_by_role("dialog").get_by_label("What went wrong").fill("it never fits")
    page.get_by_role("dialog").get_by_role("button", name="Declare failed").click()
    expect(page.locator("#run-story")).to_contain_text("it never fits")


def test_the_page_of_stuck_runs_shows_what_a_sweep_would_end(
    someone: Visitor, running_system: System, request_run: Callable[..., str]
) -> None:
    page = someone.page
    someone.goes_to("/stuck")
    expect(page.locator("#stuck")).to_contain_text("No run is stuck")
    someone.finds_no_barrier()
    run = request_run(SLEEPS, name="stands still", limits={"stuck_after_seconds": 1})
    running_system.run_that(run, lambda found: found["state"] == "running")
    with log_held(running_system):  # so that the sweep finds it and cannot end it yet
        someone.goes_to("/stuck")
        expect(page.locator(f"#stuck-{run}")).to_contain_text("Start", timeout=15_000)
        expect(page.get_by_role("heading", name="A sweep would end this one")).to_be_visible()
        someone.finds_no_barrier()
    ended = running_system.run_that(run, lambda found: found["state"] == "failed")
    assert ended["failure"]["reason"] == "stuck"  # type: ignore[index]
    expect(page.locator("#stuck")).to_contain_text("No run is stuck", timeout=15_000)


def test_of_two_browsers_the_one_with_the_stale_page_is_told_and_nothing_is_done_twice(
    browser: Browser,
    someone: Visitor,
    running_system: System,
    cookies: list[dict[str, str]],
    request_run: Callable[..., str],
) -> None:
    someone.allowed.append("409")
    page, url = someone.page, running_system.endpoint.url
    run = request_run(SLEEPS, name="for two", retry={"max_attempts": 3})
    running_system.run_that(run, lambda found: found["state"] == "running")
    someone.goes_to(f"/runs/{run}")
    page.locator("#more summary").click()
    page.locator("#more").get_by_role("link", name="Restart").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    with visitor(browser, url, cookies) as other:
        other.goes_to(f"/runs/{run}")
        other.page.get_by_role("link", name="Cancel", exact=True).click()
        other.page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
        expect(other.page.locator("#run-state")).to_have_text("Cancelled")
        other.is_content()

    dialog.get_by_role("button", name="Restart").click()
    expect(page.locator("#toasts .bad")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.locator("#run-state")).to_have_text("Cancelled")
    after = running_system.run_that(run, lambda found: True)
    assert (after["state"], after["attempt"]) == ("cancelled", 1)
    with running_system.client() as client:
        told = names(events(client, run))
    assert told == ["requested", "attempt-started", "cancel-requested", "cancelled"]
