"""The page of a run while things happen: new attempts, bursts of output, an api that goes away."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Visitor, signed_in, visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance

TWO_ATTEMPTS = """\
for i in 1 2 3 4 5; do echo "attempt $PERDURE_ATTEMPT line $i"; sleep 0.3; done
[ "$PERDURE_ATTEMPT" = 2 ]"""
BURST = "echo first; sleep 2; seq 2 30000; sleep 1; echo the very end"
SLOW = "for i in $(seq 40); do echo line $i; sleep 0.3; done"


def numbers(page: Page) -> list[int]:
    """Give the numbers of the lines that are on the page."""
    found: list[int] = page.locator("#log-lines .l[id]").evaluate_all(
        "lines => lines.map(line => +line.id.slice(1))"
    )
    return found


def test_the_next_attempt_takes_the_place_of_the_one_before(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    run = request_run({"script": TWO_ATTEMPTS}, retry={"max_attempts": 2, "initial_seconds": 0.5})
    someone.goes_to(f"/runs/{run}")
    lines = page.locator("#log-lines")
    expect(lines).to_contain_text("attempt 1 line 5")
    expect(lines).to_contain_text("attempt 2 line 1", timeout=15_000)
    expect(lines).not_to_contain_text("attempt 1")
    expect(page.locator("#run-state")).to_have_text("Completed", timeout=15_000)
    expect(page.locator("#log-lines .l")).to_have_count(5)
    expect(page.locator("#tries .try")).to_have_count(2)


def test_a_burst_of_output_ends_at_its_end_and_can_be_read_backwards(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    run = request_run({"script": BURST})
    someone.goes_to(f"/runs/{run}?tab=log")
    expect(page.locator("#log-lines")).to_contain_text("the very end", timeout=30_000)
    shown = numbers(page)
    assert shown == list(range(shown[0], 30_002))
    assert len(shown) <= 2000

    page.locator("#log").evaluate("log => { log.scrollTop = 0 }")
    expect(page.locator(f"#L{shown[0] - 1}")).to_have_count(1)
    longer = numbers(page)
    assert longer == list(range(longer[0], longer[-1] + 1))

    page.locator("#log-q").fill(":15000")
    page.locator("#log-q").press("Enter")
    expect(page.locator("#L15000.hit")).to_be_in_viewport()
    page.locator("#log-q").fill("very")
    page.locator("#log-q").press("Enter")
    expect(page.locator("#log-panel")).to_contain_text("1 line with “very”.")


def test_a_page_that_was_cut_off_comes_back_and_misses_nothing(
    browser: Browser, system: System
) -> None:
    endpoint = system.endpoint
    with system.client() as client:
        body = {"spec": {"kind": "command", "script": SLOW}}
        run = client.post("/api/runs", json=body).raise_for_status().json()["id"]
    with visitor(browser, endpoint.url, signed_in(endpoint.url, endpoint.login_url)) as someone:
        page = someone.page
        someone.goes_to(f"/runs/{run}")
        expect(page.locator("#L3")).to_be_visible()
        before = system.kill("api")
        expect(page.locator("#live-state")).to_have_text("Reconnecting", timeout=15_000)
        system.runs_again(before)
        expect(page.locator("#live-state")).to_have_text("Live", timeout=30_000)
        expect(page.locator("#run-state")).to_have_text("Completed", timeout=40_000)
        expect(page.locator("#L40")).to_have_count(1)
        assert numbers(page) == list(range(1, 41))


def test_who_has_scrolled_down_the_list_is_told_of_newer_runs_and_no_row_moves(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    later = {"run_at": "2099-01-01T00:00:00Z", "tags": ["scrolled"]}
    runs = [request_run({"argv": ["/bin/true"]}, **later) for _ in range(42)]
    someone.goes_to("/runs?tag=scrolled")
    expect(page.locator("#live-state")).to_have_text("Live")
    row = page.locator(f"#run-{runs[20]}")
    row.scroll_into_view_if_needed()
    before = row.bounding_box()
    newcomers = [request_run({"argv": ["/bin/true"]}, **later) for _ in range(2)]
    expect(page.locator("#newer")).to_have_text("2 newer runs ↑")
    expect(page.locator(f"#run-{newcomers[0]}")).to_have_count(0)
    assert row.bounding_box() == before
    someone.finds_no_barrier()

    page.locator("#newer").click()
    expect(page.locator(f"#run-{newcomers[1]}")).to_be_in_viewport()
    expect(page.locator("#newer")).to_have_count(0)
    assert page.url.endswith("/runs?tag=scrolled")
