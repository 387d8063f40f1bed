"""What the strict policy and the rules of the house ask of every template and script."""

import re
import tomllib
from pathlib import Path

import pytest

import perdure_web
from tests.support.vendored import LOCKS, check

WEB = Path(perdure_web.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
STYLES = (WEB / "static/app.css").read_text()
PLANS = (WEB / "static/plans.css").read_text()
WORK = (WEB / "static/work.css").read_text()
SCRIPT = (WEB / "static/app.js").read_text()
SCRIPTS = sorted((WEB / "static").glob("*.js"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_nothing_inline(template: Path) -> None:
    text = template.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text) == []
    assert re.findall(r"hx-on|hx-vals=.js:|hx-trigger=\"[^\"]*\[", text) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_trusts_no_text(template: Path) -> None:
    assert re.findall(r"\|\s*safe|autoescape|Markup", template.read_text()) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_request_of_htmx_says_what_it_replaces_and_how(template: Path) -> None:
    for element in re.findall(r"<[a-z-]+ [^>]*hx-(?:get|post)=[^>]*>", template.read_text()):
        assert "hx-target=" in element, element
        assert "hx-swap=" in element, element


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_the_sessions_token(template: Path) -> None:
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", template.read_text(), re.DOTALL):
        assert '"_csrf"' in form or "secrets(" in form, form[:120]


def test_every_icon_that_is_named_is_in_the_sprite() -> None:
    sprite = (WEB / "static/vendor/lucide-static@1.62.0/icons.svg").read_text()
    drawn = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = {
        name for path in TEMPLATES for name in re.findall(r'icon\("([^"]+)"', path.read_text())
    }
    assert named <= drawn


def test_scripts_and_styles_stay_within_their_budget() -> None:
    locks = [tomllib.loads(lock.read_text()) for lock in LOCKS]
    vendored = sum(
        file["bytes"]
        for lock in locks[:1]
        for p in lock["package"]
        for file in p["files"]
        if file["path"].endswith(".js")
    )
    assert len(SCRIPT.encode()) <= 12_000
    assert sum(script.stat().st_size for script in SCRIPTS) + vendored <= 60_000
    assert len(STYLES.encode()) <= 30_000
    assert len(PLANS.encode()) <= 8_000
    assert len(WORK.encode()) <= 8_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_our_scripts_write_text_and_never_html(script: Path) -> None:
    assert (
        re.findall(
            r"\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|eval\(|new Function",
            script.read_text(),
        )
        == []
    )


def test_vendored_files_are_what_was_published() -> None:
    assert [line for lock in LOCKS for line in check(lock)] == []
