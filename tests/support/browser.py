"""A real Chromium that notices everything that a person would not: errors, violations, barriers."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

AXE: Final = Path(__file__).parent / "vendor/axe-core@4.14.1/axe.min.js"
AXE_RULES: Final = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_RUN_AXE: Final = """
rules => axe.run(document, {runOnly: rules}).then(found => found.violations.map(v =>
  `${v.id}: ${v.nodes.map(n => n.html).slice(0, 3).join(' | ')}`))"""
_VIOLATIONS: Final = """
window.violations = [];
document.addEventListener('securitypolicyviolation', e =>
  window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));"""
_TWICE: Final = """
() => [...document.querySelectorAll('[id]')].map(e => e.id)
  .filter((id, at, all) => all.indexOf(id) !== at)"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser: PERDURE_TEST_BROWSER, else the machine's, else Playwright's own.

    Its loop occupies the thread until the end, so let it live no longer than a file of tests.
    """
    with sync_playwright() as playwright:
        path = os.environ.get("PERDURE_TEST_BROWSER") or next(
            filter(None, map(shutil.which, NAMES)), None
        )
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip(
                "NO BROWSER on this machine: the pages are not looked at (apt install chromium)"
            )
        # Chromium's own sandbox refuses to work for root.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


def signed_in(url: str, login_url: str) -> list[dict[str, str]]:
    """Use up a login link and give the cookie that it brought."""
    with httpx.Client(trust_env=False) as client:
        answer = client.get(login_url)
        assert answer.status_code == 303, answer.text
        return [{"name": c.name, "value": c.value or "", "url": url} for c in client.cookies.jar]


@dataclass
class Visitor:
    """Someone with a browser window who is signed in. What goes wrong is kept until `is_content`."""

    page: Page
    url: str
    allowed: list[str] = field(default_factory=list)
    """Parts of messages that a test expects."""
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_VIOLATIONS)
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.messages.append(f"page error: {error}"))

    def _noted(self, message: ConsoleMessage) -> None:
        self.messages.append(f"{message.type}: {message.text}")

    def goes_to(self, path: str) -> None:
        """Open a page."""
        self.page.goto(self.url + path)

    def is_content(self) -> None:
        """Fail when a message, a violation of the policy, or an id that is there twice was seen."""
        unexpected = [m for m in self.messages if not any(part in m for part in self.allowed)]
        assert unexpected == []
        assert self.page.evaluate("window.violations") == []
        assert self.page.evaluate(_TWICE) == []

    def finds_no_barrier(self) -> None:
        """Fail when axe finds a barrier, or the page is wider than the window."""
        self.page.evaluate(AXE.read_text())
        assert self.page.evaluate(_RUN_AXE, AXE_RULES) == [], self.page.url
        width = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{self.page.url} is {width} px too wide"


@contextmanager
def visitor(
    browser: Browser,
    url: str,
    cookies: list[dict[str, str]],
    **look: Any,  # noqa: ANN401 -- Playwright's own arguments
) -> Iterator[Visitor]:
    """Open a window of one's own; `look` goes to Playwright's context."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 820}, **look})
    context.add_cookies(cookies)  # type: ignore[arg-type]  # plain dicts have these keys
    try:
        yield Visitor(context.new_page(), url)
    finally:
        context.close()
