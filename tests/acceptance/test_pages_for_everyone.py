"""Every page in both colours and on both a desk and a phone: no barrier, no overflow, nothing broken."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance

SCRIPT = "echo out; echo err >&2; printf '\\033[31mred\\033[0m\\n'; exit 3"
EACH = {"kind": "python", "func": "perdure.demo:fail", "args": ["{text}"]}
ITEMS = [
    {"key": "<img src=x onerror=alert(1)>", "text": "several\nlines <script>alert(1)</script>"},
    {"key": "long " * 30, "text": "x" * 1000},
]
PAGES = (
    "/",
    "/runs",
    "/runs?state=nonsense",
    "/runs?q=nothing-like-it",
    "/runs/new",
    "/runs/new?kind=batch",
    "/runs/{run}",
    "/runs/{run}?tab=log&times=1&wrap=1",
    "/runs/{run}?tab=log&q=out",
    "/runs/{run}?tab=events&at=2",
    "/runs/{run}?tab=attempts",
    "/runs/{run}?tab=definition",
    "/runs/{run}?tab=metrics",
    "/runs/{run}/restart",
    "/runs/{batch}",
    "/runs/{batch}?tab=items",
    "/runs/{batch}?tab=definition",
    "/runs/{batch}/items/2",
    "/runs/{batch}/retry-items?chosen=1&item=2",
    "/runs/{waiting}",
    "/runs/{waiting}/cancel",
    "/bulk/new?action=cancel&all=1",
    "/bulk",
    "/backups",
    "/backups/new",
    "/hosts",
    "/hosts/new",
    "/stuck",
    "/refusals",
    "/events",
    "/events/perdure.run.requested.v1",
    "/jobs",
    "/jobs/new",
    "/schedules",
    "/timeline",
    "/queues",
    "/queues/default/limits",
    "/executors",
    "/login",
    "/nothing-is-here",
)


@pytest.fixture(scope="module")
def runs(running_system: System) -> Iterator[dict[str, str]]:
    with running_system.client() as client:
        asked = [
            {
                "spec": {"kind": "command", "script": SCRIPT},
                "retry": {"max_attempts": 2, "initial_seconds": 0.1},
            },
            {"spec": {"kind": "command", "argv": ["/bin/true"]}, "labels": {"gpu": "none-has-it"}},
            {"spec": {"kind": "batch", "items": ITEMS, "each": EACH}},
        ]
        run, waiting, batch = (
            client.post("/api/runs", json=body).raise_for_status().json()["id"] for body in asked
        )
    running_system.run_that(run, lambda found: found["state"] == "failed")
    running_system.run_that(batch, lambda found: found["state"] == "partial")
    yield {"run": run, "waiting": waiting, "batch": batch}
    with running_system.client() as client:
        client.post(f"/api/runs/{waiting}/cancel", json={}).raise_for_status()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_has_a_barrier(  # noqa: PLR0917 -- fixtures and parameters
    browser: Browser,
    running_system: System,
    cookies: list[dict[str, str]],
    runs: dict[str, str],
    colours: str,
    width: int,
) -> None:
    look = {"color_scheme": colours, "viewport": {"width": width, "height": 844}}
    with visitor(browser, running_system.endpoint.url, cookies, **look) as someone:
        someone.allowed.append("404")
        for path in PAGES:
            someone.goes_to(path.format(**runs))
            expect(someone.page.locator("h1")).to_have_count(1)
            someone.is_content()
            someone.finds_no_barrier()


def test_pages_stay_within_their_budget(
    browser: Browser, running_system: System, cookies: list[dict[str, str]], runs: dict[str, str]
) -> None:
    with visitor(browser, running_system.endpoint.url, cookies) as someone:
        for path in ("/", "/runs", f"/runs/{runs['run']}"):
            answer = someone.page.request.get(running_system.endpoint.url + path)
            assert len(answer.body()) <= 60_000, path
