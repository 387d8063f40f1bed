"""The dashboard in a browser that runs no scripts: everything is still there, only not live."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance


@pytest.fixture
def page(browser: Browser, running_system: System, cookies: list[dict[str, str]]) -> Iterator[Page]:
    with visitor(
        browser, running_system.endpoint.url, cookies, java_script_enabled=False
    ) as someone:
        someone.goes_to("/")
        yield someone.page


def test_a_run_is_requested_looked_at_and_cancelled(page: Page, running_system: System) -> None:
    page.get_by_role("link", name="New run").first.click()
    page.get_by_label("One argument a line").fill("/bin/sleep\n600")
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    run = page.url.rpartition("/")[2]
    running_system.run_that(run, lambda found: found["state"] == "running")

    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Reason").fill("by hand")
    page.get_by_role("button", name="Cancel run").click()
    running_system.run_that(run, lambda found: found["state"] == "cancelled")
    page.get_by_role("link", name="Summary").click()
    expect(page.locator("#run-state")).to_have_text("Cancelled")


def test_a_form_with_a_fault_comes_back_with_what_was_typed(page: Page) -> None:
    page.get_by_role("link", name="New run").first.click()
    page.get_by_label("Name", exact=True).fill("kept")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("alert")).to_contain_text("1 field needs attention")
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")


def test_the_list_is_filtered_by_a_plain_form(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()
    page.locator("#f-q").fill("there is no such run")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#runs h2")).to_contain_text("0 runs with “there is no such run”")


def test_colours_are_chosen_by_a_plain_form(page: Page) -> None:
    page.locator("#menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
