"""Jobs over many items as people save them in the dashboard: written, uploaded, changed, run."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance


def test_a_job_over_written_items_is_saved_run_and_changed(someone: Visitor) -> None:
    page = someone.page
    someone.goes_to("/jobs/new")
    page.locator("#f-name").fill("over-items")
    page.get_by_label("One argument a line").fill("echo\n{town}")
    page.get_by_role("radiogroup", name="Do it").get_by_text("For each of many items").click()
    page.get_by_label("Written as").select_option("csv")
    page.get_by_role("textbox", name="Items", exact=True).fill("town\nBonn\nUlm")
    expect(page.locator("#preview")).to_contain_text("Goes through 2 items one by one.")
    someone.finds_no_barrier()
    page.get_by_role("button", name="Save job").click()
    page.wait_for_url(re.compile(r"/jobs/over-items$"))

    someone.goes_to("/jobs/over-items/edit")
    expect(page.get_by_role("textbox", name="Items", exact=True)).to_have_value(
        '{"town":"Bonn"}\n{"town":"Ulm"}'
    )
    page.get_by_label("One argument a line").fill("echo\n{city}")
    page.get_by_role("button", name="Save job").click()
    expect(page.get_by_role("alert")).to_contain_text("Not every item has a field `city`")
    page.get_by_role("radiogroup", name="Items from").get_by_text("A file").click()
    page.get_by_label("File", exact=True).fill("/etc/passwd")
    page.get_by_role("button", name="Save job").click()
    someone.allowed.append("422")
    expect(page.get_by_role("alert")).to_contain_text("outside of the directories")
    expect(page.get_by_label("File", exact=True)).to_have_value("/etc/passwd")


def test_an_upload_becomes_the_items_of_a_job_without_scripts(
    browser: Browser, running_system: System, cookies: list[dict[str, str]], tmp_path: Path
) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("town\nBonn\nUlm,2\n")
    good.write_text("town\n" + "".join(f"town {n}\n" for n in range(1200)))
    url = running_system.endpoint.url
    with visitor(browser, url, cookies, java_script_enabled=False) as someone:
        someone.allowed.append("422")
        page = someone.page
        someone.goes_to("/jobs/new")
        page.locator("#f-name").fill("over-upload")
        page.get_by_label("One argument a line").fill("echo\n{town}")
        page.get_by_role("radiogroup", name="Do it").get_by_text("For each of many items").click()
        page.get_by_role("radiogroup", name="Items from").get_by_text("Upload").click()
        page.get_by_label("File to upload").set_input_files(bad)
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Row 3, column 2")
        expect(page.locator("#f-name")).to_have_value("over-upload")
        page.get_by_label("File to upload").set_input_files(good)
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.locator(".from-upload")).to_contain_text("Uploaded: 1\xa0200 items")
        page.get_by_role("button", name="Save job").click()
        page.wait_for_url(re.compile(r"/jobs/over-upload$"))
        expect(page.locator("main")).to_contain_text("1\xa0200 items")

        someone.goes_to("/jobs/over-upload/edit")
        page.locator("#f-description").fill("Every town.")
        page.get_by_role("button", name="Save job").click()
        page.wait_for_url(re.compile(r"/jobs/over-upload$"))
        with running_system.client() as client:
            job = client.get("/api/jobs/over-upload").json()
            assert (job["revision"], job["spec"]["input"]["total"]) == (2, 1200)
