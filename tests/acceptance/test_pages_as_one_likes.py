"""Pages as each person uses them: by keyboard alone, with times of where they are."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance


@pytest.fixture
def waiting(running_system: System, request_run: Callable[..., str]) -> Iterator[str]:
    run = request_run({"argv": ["/bin/true"]}, labels={"gpu": "none-has-it"})
    yield run
    with running_system.client() as client:
        client.post(f"/api/runs/{run}/cancel", json={}).raise_for_status()


def test_arrow_keys_go_from_mark_to_mark_of_the_timeline_and_enter_opens(
    someone: Visitor, request_run: Callable[..., str], running_system: System
) -> None:
    run = request_run({"argv": ["/bin/true"]})
    running_system.run_that(run, lambda found: found["state"] == "completed")
    page = someone.page
    someone.goes_to("/timeline?zoom=1h")
    expect(page.locator(".m[tabindex='0']")).to_have_count(1)
    page.locator(".m[tabindex='0']").focus()
    page.keyboard.press("End")
    marks = page.locator(".lanes li").first.locator(".m")
    expect(marks.last).to_be_focused()
    expect(page.locator("#mark-words")).to_contain_text("UTC")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    expect(marks.first).to_be_focused()
    expect(page.locator(".m[tabindex='0']")).to_have_count(1)
    target = marks.first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{running_system.endpoint.url}{target}")


def test_the_focus_goes_to_what_took_the_place_of_what_was_pressed(
    someone: Visitor, waiting: str
) -> None:
    page = someone.page
    someone.goes_to(f"/runs/{waiting}")
    page.get_by_role("button", name="Hold").focus()
    page.keyboard.press("Enter")
    release = page.locator("#do-release").get_by_role("button")
    expect(release).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#do-hold").get_by_role("button")).to_be_focused()
    page.locator("#do-cancel").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#do-cancel")).to_be_focused()


def test_a_time_of_where_one_is_says_how_far_that_is_from_utc(
    browser: Browser, running_system: System, cookies: list[dict[str, str]], waiting: str
) -> None:
    url = running_system.endpoint.url
    with visitor(browser, url, cookies, timezone_id="America/St_Johns") as someone:
        someone.goes_to(f"/runs/{waiting}")
        requested = someone.page.locator("#run-facts time").first
        expect(requested).to_have_text(re.compile(r" UTC$"))
        zones = someone.page.get_by_role("group", name="Times in").first
        zones.get_by_role("button", name="Local").click()
        expect(requested).to_have_text(re.compile(r" -0[23]:30$"))
        zones.get_by_role("button", name="UTC").click()
        expect(requested).to_have_text(re.compile(r" UTC$"))
        someone.is_content()
