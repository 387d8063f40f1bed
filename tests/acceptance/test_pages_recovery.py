"""What people do in the dashboard when many runs, or stuck ones, or late reports need them."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
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
