"""What people and programs write is shown as the text it is, whatever it tries to be."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}\"'--"
PRINTED = [
    "<script>alert(1)</script>",
    "data: x",
    "event: perdure:reset",
    "\\033]0;title\\007after the title",
    "\\033[2Jafter the clearing",
    "\\033]8;;javascript:alert(1)\\007link\\033]8;;\\007",
    "\\033[31mred\\033[0m",
    "gpj.\\342\\200\\256exe",
    "\\377\\376",
    "<hx-partial hx-target=body>gone</hx-partial>",
]


def test_names_tags_and_output_are_only_text(
    someone: Visitor, request_run: Callable[..., str], running_system: System
) -> None:
    page = someone.page
    script = (
        "".join(f"printf '{line}\\n'\n" for line in PRINTED)
        + "sleep 2\n"
        + ("printf 'late <b>bold</b>\\n'\n")
    )
    run = request_run({"script": script}, name=MARKUP, tags=["<i>tag</i>"])
    someone.goes_to(f"/runs/{run}")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    assert page.title() == f"{MARKUP} · Perdure"
    lines = page.locator("#log-lines")
    expect(lines).to_contain_text("late <b>bold</b>")
    for text in (
        "<script>alert(1)</script>",
        "event: perdure:reset",
        "␛after the title",
        "⟨U+202E⟩",
    ):
        expect(lines).to_contain_text(text)
    expect(lines.locator(".f1")).to_have_text("red")
    expect(lines.locator("a[href*=javascript]")).to_have_count(0)
    expect(page.locator("#run-state")).to_have_text("Completed")
    for path in (
        "/",
        "/runs",
        f"/runs/{run}?tab=events",
        f"/runs/{run}?tab=definition",
        f"/runs/new?from={run}",
    ):
        someone.goes_to(path)
        expect(page.locator("img, main script")).to_have_count(0)
        someone.is_content()


def test_every_answer_to_a_browser_carries_the_strict_policy(
    running_system: System, cookies: list[dict[str, str]]
) -> None:
    with httpx.Client(
        base_url=running_system.endpoint.url,
        cookies={c["name"]: c["value"] for c in cookies},
        trust_env=False,
    ) as client:
        page = client.get("/runs").text
        assets = re.findall(r'(?:href|src)="(/static/[^"#]+)', page)
        assert len(assets) >= 5
        for path in ("/", "/runs/new", "/login", "/nothing", "/static/nothing.js", *assets):
            policy = client.get(path).headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert "require-trusted-types-for 'script'" in policy
        for path in assets:
            assert "immutable" in client.get(path).headers["cache-control"]


def test_a_download_is_never_a_page(
    running_system: System, cookies: list[dict[str, str]], request_run: Callable[..., str]
) -> None:
    run = request_run({"argv": ["/bin/echo", "<h1>not a page</h1>"]})
    running_system.run_that(run, lambda found: found["state"] == "completed")
    with httpx.Client(
        base_url=running_system.endpoint.url,
        cookies={c["name"]: c["value"] for c in cookies},
        trust_env=False,
    ) as client:
        answer = client.get(f"/runs/{run}/log.txt")
    assert answer.text == "<h1>not a page</h1>\n"
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize(
    "forgery",
    [
        {"headers": {}, "csrf": "wrong"},
        {"headers": {"origin": "https://elsewhere.example"}, "csrf": None},
        {"headers": {"sec-fetch-site": "cross-site"}, "csrf": None},
    ],
)
def test_a_form_of_another_site_changes_nothing(
    running_system: System, cookies: list[dict[str, str]], forgery: dict[str, object]
) -> None:
    with httpx.Client(
        base_url=running_system.endpoint.url,
        cookies={c["name"]: c["value"] for c in cookies},
        trust_env=False,
    ) as client:
        found = re.search(r'name="_csrf" value="([^"]+)"', client.get("/runs/new").text)
        assert found is not None
        body = {"_csrf": forgery["csrf"] or found[1], "mode": "argv", "argv": "/bin/true"}
        answer = client.post("/runs/new", data=body, headers=forgery["headers"])  # type: ignore[arg-type]  # one of the three above
        assert answer.status_code == 403
