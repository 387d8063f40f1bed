"""Someone makes a backup in the browser: looks around, tries rules, sees what would go, saves it."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.system import System

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="!!! there is no rsync here"),
]
RUN = re.compile(r"/runs/[0-9a-f-]{36}$")


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with something to copy, and a copy with something too much."""
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "photos" / "2024" / "a.jpg").write_text("new")
    (tmp_path / "photos" / "b <b>.tmp").touch()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "gone.jpg").touch()
    return tmp_path


def test_a_backup_is_built_tried_saved_and_run(
    someone: Visitor, running_system: System, places: Path
) -> None:
    someone.allowed += ["422", "Autofocus processing was blocked"]
    page = someone.page
    someone.goes_to("/backups")
    page.get_by_role("link", name="New backup").first.click()

    page.get_by_label("Source", exact=True).fill(str(places))
    page.get_by_label("Browse for the source").click()
    page.get_by_role("button", name="photos").click()
    expect(page.locator(".way b")).to_have_text("photos")
    page.get_by_role("button", name="Take this directory").click()
    expect(page.locator("#f-source")).to_have_value(f"{places}/photos")
    page.locator("#f-destination").fill(f"{places}/copy")
    expect(page.locator("#tree-contents")).to_contain_text("2024/")
    expect(page.locator("#tree-itself")).to_contain_text("photos/")

    page.get_by_label("Pattern of rule 1").fill("*.tmp")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Pattern of rule 2")).to_have_value("")
    page.locator("#tester summary").click()
    page.get_by_role("button", name="Take paths from the source").click()
    expect(page.locator("#tested")).to_contain_text("rule 1: leave out *.tmp")

    page.get_by_label("Delete what is gone").check()
    expect(page.locator("#preview")).to_contain_text("press Dry run")
    expect(page.locator("#preview .argv")).to_contain_text("--filter=- *.tmp")
    page.get_by_label("Name", exact=True).fill("photos")
    page.get_by_label("by the clock").check()
    expect(page.locator("#preview")).to_contain_text("Every day at 02:30, UTC")
    page.get_by_role("button", name="Save as job").click()
    expect(page.locator("#problems")).to_contain_text("Press Dry run first")

    page.get_by_role("button", name="Dry run").click()
    expect(page.locator("#diff-deleted")).to_contain_text("gone.jpg", timeout=20_000)
    expect(page.locator("#diff-new")).to_contain_text("2024/a.jpg")
    assert (places / "copy" / "gone.jpg").exists()
    page.get_by_role("button", name="Show as jobs.yaml").click()
    expect(page.locator("#yaml")).to_contain_text("- id: photos")
    page.evaluate("scrollTo(0, 0)")
    someone.finds_no_barrier()

    page.get_by_role("button", name="Save as job").click()
    page.wait_for_url("**/backups/photos")
    expect(page.locator("#backup")).to_contain_text("There is no good backup yet")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url(RUN)
    running_system.run_that(
        page.url.rpartition("/")[2], lambda found: found["state"] == "completed"
    )
    assert (places / "copy" / "2024" / "a.jpg").read_text() == "new"
    assert not (places / "copy" / "gone.jpg").exists()
    expect(page.locator("#run-story")).to_contain_text("It deleted 1 at the destination.")
    someone.goes_to("/backups/photos")
    expect(page.locator("#backup")).to_contain_text("The last good backup is")
    with running_system.client() as client:
        client.delete("/api/jobs/photos").raise_for_status()


def test_without_scripts_a_directory_is_found_and_a_backup_is_run(
    browser: Browser, running_system: System, cookies: list[dict[str, str]], places: Path
) -> None:
    look = {"java_script_enabled": False, "viewport": {"width": 390, "height": 844}}
    with visitor(browser, running_system.endpoint.url, cookies, **look) as someone:
        page = someone.page
        someone.goes_to(f"/backups/new?source={places}&destination=/etc")
        page.get_by_label("Browse for the source").click()
        page.get_by_role("button", name="photos").click()
        page.get_by_role("button", name="Take this directory").click()
        page.get_by_label("Browse for the destination").click()
        expect(page.locator("#side-destination")).to_contain_text("outside of what backups may")
        page.locator("#f-destination").fill(f"{places}/other")
        page.get_by_role("button", name="Run now").click()
        page.wait_for_url(RUN)
        run = running_system.run_that(
            page.url.rpartition("/")[2], lambda found: found["state"] == "completed"
        )
    assert run["kind"] == "rsync"
    assert (places / "other" / "b <b>.tmp").exists()


def test_overdue_backups_need_attention(someone: Visitor, running_system: System) -> None:
    roots = running_system.folder.parent
    spec = {"kind": "rsync", "source": f"{roots}/nowhere/", "destination": f"{roots}/none"}
    with running_system.client() as client:
        job = {"name": "late", "spec": spec, "labels": {"gpu": "none-has-it"}}
        client.post("/api/jobs", json=job).raise_for_status()
        trigger = {"type": "interval", "seconds": 1}
        body = {"job": "late", "trigger": trigger}
        client.post("/api/schedules", json=body).raise_for_status()
        try:
            someone.goes_to("/backups")
            expect(someone.page.locator("#backup-late")).to_contain_text(
                "Overdue: there is no good backup yet.", timeout=40_000
            )
            someone.goes_to("/")
            expect(someone.page.locator("#attention-backup-late")).to_contain_text("Overdue")
            someone.finds_no_barrier()
        finally:
            client.delete("/api/jobs/late").raise_for_status()
            cancel = {"action": "cancel", "filter": {"job": ["late"]}}
            client.post("/api/bulk", json=cancel).raise_for_status()
