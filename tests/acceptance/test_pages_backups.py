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


def test_a_host_is_saved_named_changed_and_deleted(
    someone: Visitor, running_system: System, places: Path
) -> None:
    someone.allowed += ["422", "Autofocus processing was blocked"]
    page = someone.page
    someone.goes_to("/backups")
    page.get_by_role("link", name="Hosts").click()
    page.get_by_role("link", name="New host").first.click()
    page.get_by_label("Name", exact=True).fill("offsite")
    page.get_by_label("Key file").fill("relative")
    page.get_by_role("button", name="Save host").click()
    expect(page.locator("#problems")).to_contain_text("Address: This is needed.")
    page.get_by_label("Address").fill("backup.example.org")
    page.get_by_label("User").fill("backup")
    page.get_by_label("Key file").fill("/etc/perdure/offsite")
    page.get_by_label("The machine's public key").fill(f"backup.example.org ssh-ed25519 {'A' * 68}")
    page.get_by_label("Where backups may lie there").fill("/srv")
    page.get_by_role("button", name="Save host").click()
    expect(page.locator("#host-offsite")).to_contain_text("backup@backup.example.org")
    expect(page.locator("#host-offsite")).to_contain_text("none names it")

    someone.goes_to(f"/backups/new?source={places}/photos&destination=/srv/photos")
    page.get_by_label("Other machine").select_option("offsite")
    page.get_by_label("Name", exact=True).fill("far")
    page.get_by_role("button", name="Save as job").click()
    page.wait_for_url("**/backups/far")
    someone.goes_to("/jobs/far/edit")
    expect(page.locator("#f-max_attempts")).to_have_value("6")
    page.get_by_role("link", name="the builder").click()
    expect(page.locator("#f-destination")).to_have_value("/srv/photos")

    someone.goes_to("/hosts")
    page.get_by_role("link", name="Change").click()
    page.get_by_label("Port").fill("2222")
    with running_system.client() as client:
        host = client.get("/api/hosts/offsite").json()
        assert (host["port"], host["host_key"]) == (22, f"ssh-ed25519 {'A' * 68}")
        moved = {k: v for k, v in host.items() if k not in ("name", "version")}
        client.put("/api/hosts/offsite", json=moved | {"user": "other"}).raise_for_status()
        page.get_by_role("button", name="Save host").click()
        expect(page.locator("#problems")).to_contain_text("It changed while you looked")
        someone.goes_to("/hosts")
        page.get_by_role("link", name="Delete").click()
        expect(page.locator("#dialog")).to_contain_text("1 backup names it: far.")
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#hosts")).to_contain_text("No hosts yet")
        someone.goes_to("/backups/far")
        expect(page.locator("#backup")).to_contain_text("Its host is not saved any more.")
        page.get_by_role("button", name="Run now").click()
        expect(page.get_by_role("alert")).to_have_text("There is no saved host so named.")
        someone.goes_to("/")
        page.locator("#attention-backup-far").get_by_role("link", name="Change").click()
        expect(page.locator("#f-host")).to_have_value("offsite")
        expect(page.locator("#preview")).to_contain_text("There is no saved host so named.")
        client.delete("/api/jobs/far").raise_for_status()


def test_a_run_of_a_backup_is_done_again_in_the_builder(
    someone: Visitor, running_system: System, places: Path
) -> None:
    page = someone.page
    spec = {"kind": "rsync", "source": f"{places}/photos/", "destination": f"{places}/again"}
    with running_system.client() as client:
        body = {"spec": spec, "limits": {"timeout_seconds": 60}}
        first = client.post("/api/runs", json=body).raise_for_status().json()["id"]
        someone.goes_to(f"/runs/new?from={first}")
        expect(page.locator("#f-destination")).to_have_value(f"{places}/again")
        expect(page.locator("#f-timeout")).to_have_value("1 min")
        page.get_by_role("button", name="Run now").click()
        page.wait_for_url(RUN)
        run = client.get(f"/api/runs/{page.url.rpartition('/')[2]}").json()
    assert (run["rerun_of"], run["spec"]["destination"]) == (first, f"{places}/again")
    running_system.run_that(run["id"], lambda found: found["state"] == "completed")


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
            someone.goes_to("/backups/late")
            expect(someone.page.locator("#backup")).to_contain_text("yet. It is overdue.")
            someone.goes_to("/")
            expect(someone.page.locator("#attention-backup-late")).to_contain_text("Overdue")
            someone.finds_no_barrier()
        finally:
            client.delete("/api/jobs/late").raise_for_status()
            cancel = {"action": "cancel", "filter": {"job": ["late"]}}
            client.post("/api/bulk", json=cancel).raise_for_status()
