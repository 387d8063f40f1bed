"""What people do in the dashboard, in a real browser against the whole system."""

import re
from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance

COUNTING: Final = """\
for i in $(seq 600); do
  echo "line $i"
  echo "{\\"progress\\": {\\"done\\": $i, \\"total\\": 600, \\"unit\\": \\"lines\\"}}" >&$PERDURE_FD
  sleep 0.05
done"""


def test_a_script_from_the_form_is_watched_live_and_cancelled(someone: Visitor) -> None:
    page = someone.page
    someone.goes_to("/runs/new")
    page.get_by_role("radiogroup").get_by_text("Script").click()
    page.get_by_role("textbox", name="Script").fill(COUNTING)
    page.get_by_label("Shell").fill("bash")
    page.get_by_label("Name", exact=True).fill("counting aloud")
    expect(page.locator("#preview")).to_contain_text("One attempt; nothing is tried again.")
    page.get_by_role("button", name="Start run").click()

    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    expect(page.get_by_role("heading", name="counting aloud")).to_be_visible()
    expect(page.locator("#run-state")).to_have_text("Running")
    expect(page.locator("#live-state")).to_have_text("Live")
    expect(page.locator("#L60")).to_be_visible()
    expect(page.locator("#progress")).to_contain_text("of 600 lines")

    # A line that comes at the same moment takes the log down once more: go up again, as people do.
    page.wait_for_function(
        """() => {
            const follow = document.querySelector("#follow");
            if (follow.hidden) document.querySelector("#log").scrollTop = 100;
            return !follow.hidden;
        }"""
    )
    expect(page.locator("#follow")).to_contain_text("new")
    assert page.locator("#log").evaluate("log => log.scrollTop") == 100
    page.locator("#follow").click()
    expect(page.locator("#follow")).to_be_hidden()
    numbers = page.locator("#log-lines .l").evaluate_all("lines => lines.map(l => +l.id.slice(1))")
    assert numbers == list(range(1, len(numbers) + 1))

    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("seen enough")
    dialog.get_by_role("button", name="Cancel run").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#run-state")).to_have_text("Cancelled")
    expect(page.locator("#do-cancel")).to_have_count(0)

    page.locator("#tab-events").click()
    expect(page.locator(".ev").filter(has_text="Cancel requested")).to_contain_text("seen enough")


def test_a_form_with_faults_comes_back_with_what_was_typed(someone: Visitor) -> None:
    someone.allowed.append("422")
    page = someone.page
    someone.goes_to("/runs/new")
    page.get_by_label("One argument a line").fill("./relative\n--flag")
    page.get_by_label("Name", exact=True).fill("keep me")
    page.get_by_label("Time limit of an attempt").fill("banana")
    page.get_by_role("button", name="Start run").click()

    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("2 fields need attention")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("keep me")
    expect(page.get_by_label("One argument a line")).to_have_value("./relative\n--flag")
    fault = page.get_by_label("Time limit of an attempt")
    expect(fault).to_have_attribute("aria-invalid", "true")
    described = (fault.get_attribute("aria-describedby") or "").split()[0]
    expect(page.locator(f"#{described}")).to_contain_text("Write a time like")

    page.get_by_label("One argument a line").fill("/bin/true")
    fault.fill("1 min")
    page.get_by_role("button", name="Start run").click()
    expect(page.locator("#run-state")).to_have_text("Completed")


def test_the_list_shows_a_new_run_without_a_reload_and_keeps_its_filter_in_the_address(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    someone.goes_to("/runs?tag=noticed")
    expect(page.locator("#runs")).to_contain_text("No run matches")
    expect(page.locator("#live-state")).to_have_text("Live")
    run = request_run({"argv": ["/bin/true"]}, name="noticed at once", tags=["noticed"])
    expect(page.locator(f"#run-{run}")).to_contain_text("Completed")

    page.locator("#f-q").fill("at once")
    page.wait_for_url(re.compile(r"q=at\+once"))
    expect(page.locator("#runs h2")).to_have_text("1 run tagged noticed with “at once”")
    page.reload()
    expect(page.locator("#f-q")).to_have_value("at once")
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(run))
    page.go_back()
    expect(page.locator("#f-q")).to_have_value("at once")


def test_a_run_that_fails_tells_the_story_of_its_attempts_and_can_be_seen_as_it_was(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    run = request_run(
        {"argv": ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]},
        name="always fails",
        retry={"max_attempts": 2, "initial_seconds": 0.1},
    )
    someone.goes_to(f"/runs/{run}")
    expect(page.locator("#run-state")).to_have_text("Failed")
    expect(page.locator("#run-story")).to_contain_text("Exit code 7 after 2 attempts")
    expect(page.locator("#tries .try")).to_have_count(2)
    expect(page.locator(".l.e")).to_contain_text("err")

    page.get_by_role("link", name="Attempts").click()
    expect(page.locator(".tries tbody tr")).to_have_count(2)
    page.locator("#tab-events").click()
    expect(page.locator(".ev").filter(has_text="Will be tried again")).to_have_count(1)
    page.get_by_label("See the run as of event 4").click()
    expect(page.locator("#run-head")).to_contain_text("after event 4 of")
    expect(page.locator("#run-state")).to_have_text("Retrying")
    expect(page.locator(".acts")).to_have_count(0)
    page.get_by_role("link", name="Return to now").click()
    expect(page.locator("#run-state")).to_have_text("Failed")


def test_a_queue_is_limited_paused_and_resumed(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    someone.goes_to("/queues")
    page.get_by_role("link", name="New queue").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("narrow")
    dialog.get_by_label("Running at once").fill("1")
    dialog.get_by_role("button", name="Make queue").click()
    queue = page.locator("#queue-narrow")
    expect(queue).to_contain_text("of 1")

    queue.get_by_role("link", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(queue).to_contain_text("Paused")
    run = request_run({"argv": ["/bin/true"]}, queue="narrow")
    expect(queue).to_contain_text("1\nwaiting", use_inner_text=True)
    someone.goes_to(f"/runs/{run}")
    expect(page.locator("#run-story")).to_contain_text("Queue narrow is paused.")
    someone.goes_to("/queues")
    queue.get_by_role("button", name="Resume").click()
    expect(queue).to_contain_text("0\nwaiting", use_inner_text=True)


def test_a_cancel_that_comes_too_late_says_so_and_changes_nothing(
    someone: Visitor, request_run: Callable[..., str], running_system: System
) -> None:
    someone.allowed.append("409")
    page = someone.page
    run = request_run({"argv": ["/bin/sleep", "600"]})
    someone.goes_to(f"/runs/{run}")
    expect(page.locator("#run-state")).to_have_text("Running")
    page.locator("#do-cancel").click()
    with running_system.client() as client:
        client.post(f"/api/runs/{run}/cancel", json={"force": True}).raise_for_status()
    running_system.run_that(run, lambda found: found["state"] == "cancelled")
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(page.locator(".toast.bad")).to_be_visible()
    expect(page.locator("#run-state")).to_have_text("Cancelled")


def test_what_a_browser_prefers_is_kept(someone: Visitor) -> None:
    page = someone.page
    someone.goes_to("/executors")
    page.locator("#menu summary").click()
    with page.expect_response("**/preferences") as answer:
        page.get_by_role("button", name="Dark").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert answer.value.status == 204
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_someone_without_a_session_is_sent_to_the_way_in(someone: Visitor) -> None:
    page = someone.page
    page.context.clear_cookies()
    someone.goes_to("/runs?state=failed")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("main")).to_contain_text("perdure login")
    assert "next=/runs" in page.url
