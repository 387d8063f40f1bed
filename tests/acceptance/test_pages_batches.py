"""What people do in the dashboard with functions and batches: ask for them, watch items, run some again."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.system import System

pytestmark = pytest.mark.acceptance

FAILS_ON_TWO: Final = 'test -e "$1" || case "$2" in two|four) echo "no $2" >&2; exit 3;; esac'
"""Fails on two of the items until a file is there."""
ITEMS: Final = ("one", "two", "three", "four", "<b>five</b>")


@pytest.fixture
def partial(running_system: System, tmp_path: Path) -> Callable[[], tuple[str, Path]]:
    """Give a batch that ended with two failed items, and the file that mends them."""

    def make() -> tuple[str, Path]:
        mended = tmp_path / "mended"
        each = {
            "kind": "command",
            "argv": ["sh", "-c", FAILS_ON_TWO, "sh", str(mended), "{word}"],
        }
        items = [{"key": f"k {word}", "word": word} for word in ITEMS]
        spec = {"kind": "batch", "items": items, "each": each}
        with running_system.client() as client:
            body = {"spec": spec, "name": "words"}
            run: str = client.post("/api/runs", json=body).raise_for_status().json()["id"]
        running_system.run_that(run, lambda found: found["state"] == "partial")
        return run, mended

    return make


def test_a_batch_from_the_form_is_previewed_and_its_failed_items_run_again(
    someone: Visitor, tmp_path: Path
) -> None:
    page = someone.page
    mended = tmp_path / "mended"
    someone.goes_to("/runs/new")
    page.get_by_role("radiogroup", name="Kind", exact=True).get_by_text("Batch").click()
    page.get_by_label("Written as").select_option("csv")
    rows = "\n".join(f"k {word},{word}" for word in ITEMS)
    page.get_by_role("textbox", name="Items", exact=True).fill(f"key,word\n{rows}")
    page.get_by_label("One argument a line").fill(f"sh\n-c\n{FAILS_ON_TWO}\nsh\n{mended}\n{{word}}")
    expect(page.locator("#preview")).to_contain_text("Goes through 5 items one by one.")
    expect(page.locator("#preview")).to_contain_text("Item 3, k three")
    someone.finds_no_barrier()
    page.get_by_role("button", name="Start run").last.click()

    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    expect(page.locator("#run-state")).to_have_text("Partial", timeout=20_000)
    expect(page.locator("#run-story")).to_contain_text("2 of 5 items failed")
    expect(page.locator("#checkpoints")).to_contain_text("all up to item 5 of 5")
    page.get_by_role("link", name="show the failed").click()
    expect(page.locator("#items tbody tr")).to_have_count(2)
    someone.finds_no_barrier()

    mended.touch()
    page.locator("#tick-4").check()
    expect(page.locator("#ticked")).to_have_text("1 selected")
    page.get_by_role("button", name="Retry the chosen").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Items")).to_have_value("4")
    dialog.get_by_role("button", name="Retry items").click()
    expect(page.locator("#toasts")).to_contain_text("The failed items run again")
    expect(page.locator("#outcome-failed b")).to_have_text("1", timeout=20_000)
    expect(page.locator("#retry-all")).to_have_text("Retry all failed (1)", timeout=20_000)

    page.locator("#retry-all").click()
    expect(dialog).to_contain_text("Retry 1 failed item?")
    dialog.get_by_role("button", name="Retry items").click()
    expect(page.locator("#run-state")).to_have_text("Completed", timeout=20_000)
    page.locator("#outcome-all").click()
    expect(page.locator("#item-4")).to_contain_text("Done")
    expect(page.locator("#item-1").get_by_role("link", name="1", exact=True)).to_be_visible()
    expect(page.locator("#item-5")).to_contain_text("k <b>five</b>")


def test_items_are_found_taken_along_and_looked_at_without_scripts(
    browser: Browser,
    running_system: System,
    cookies: list[dict[str, str]],
    partial: Callable[[], tuple[str, Path]],
) -> None:
    run, mended = partial()
    with visitor(
        browser, running_system.endpoint.url, cookies, java_script_enabled=False
    ) as someone:
        page = someone.page
        someone.goes_to("/runs?state=partial")
        expect(page.locator(f"#run-{run}")).to_contain_text("5/5 · 2 failed")
        someone.goes_to("/")
        expect(page.locator(f"#attention-{run}")).to_contain_text("2 of 5 items failed")
        page.locator(f"#attention-{run}").get_by_role("link", name="Show items").click()
        expect(page.locator("#items tbody tr")).to_have_count(2)
        someone.goes_to(f"/runs/{run}?tab=items")
        page.get_by_label("Key or error contains").fill("k t")
        page.get_by_role("button", name="Find").click()
        expect(page.locator("#items h2")).to_have_text("Items with “k t”")
        expect(page.locator("#items tbody tr")).to_have_count(2)
        href = page.get_by_role("link", name="CSV").get_attribute("href")
        file = page.request.get(running_system.endpoint.url + str(href)).text().splitlines()
        assert [line.split(",")[1] for line in file] == ["key", "k two", "k three"]
        further = f"{running_system.endpoint.url}/runs/{run}/items/search?q=k+t&after=2"
        rows = page.request.get(further).text()
        assert ("k three" in rows, "k two" in rows, "<html" in rows) == (True, False, False)

        page.get_by_role("link", name="Item 2").click()
        expect(page.locator("h1")).to_have_text("Item 2, k two")
        expect(page.locator(".argv li").last).to_have_text("two")
        page.get_by_role("link", name="Items").click()
        mended.touch()
        page.locator("#tick-2").check()
        page.get_by_role("button", name="Retry the chosen").click()
        page.get_by_role("button", name="Retry items").click()
        running_system.run_that(
            run, lambda found: found["attempt"] == 2 and bool(found["ended_at"])
        )
        page.get_by_role("link", name="Definition").click()
        expect(page.locator("#h-what")).to_have_text("For each item: program and arguments")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_upload_keeps_what_was_typed_and_says_what_is_wrong_with_a_file(
    browser: Browser,
    running_system: System,
    cookies: list[dict[str, str]],
    tmp_path: Path,
    scripts: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("a,b\n1,2\n3\n")
    good.write_text("a,b\n" + "".join(f'{n},"x, y"\n' for n in range(1200)))
    url = running_system.endpoint.url
    with visitor(browser, url, cookies, java_script_enabled=scripts) as someone:
        someone.allowed.append("422")
        page = someone.page
        someone.goes_to("/runs/new?kind=batch")
        page.get_by_label("One argument a line").fill("echo\n{b}")
        page.get_by_label("Name", exact=True).fill("kept")
        page.get_by_role("radiogroup", name="Items from").get_by_text("Upload").click()
        page.get_by_label("File to upload").set_input_files(bad)
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Row 3, column 2")
        expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
        page.get_by_label("File to upload").set_input_files(good)
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.locator(".from-upload")).to_contain_text("Uploaded: 1\xa0200 items")
        expect(page.locator("#preview")).to_contain_text("x, y")
        expect(page.get_by_label("Name", exact=True)).to_have_value("kept")


def test_a_file_cannot_be_sent_with_another_sessions_token(
    running_system: System, cookies: list[dict[str, str]], browser: Browser
) -> None:
    url = running_system.endpoint.url
    with visitor(browser, url, cookies) as someone:
        answer = someone.page.request.post(
            url + "/runs/new/upload",
            multipart={
                "_csrf": "not-it",
                "upload_file": {"name": "a.csv", "mimeType": "text/csv", "buffer": b"a\n1\n"},
            },
            headers={"Origin": url},
        )
        assert answer.status == 403


def test_a_function_from_the_form_is_called_and_its_numbers_are_charted(someone: Visitor) -> None:
    page = someone.page
    for count in (2, 5):
        someone.goes_to("/runs/new?kind=python")
        page.get_by_label("Function", exact=True).fill("perdure.demo:items")
        page.get_by_label("Arguments", exact=True).fill(str(count))
        page.get_by_label("Named arguments").fill("seconds=0")
        page.get_by_label("Name", exact=True).fill("charted function")
        expect(page.locator("#preview")).to_contain_text(f"perdure.demo:items({count}, seconds=0)")
        page.get_by_role("button", name="Start run").last.click()
        page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
        expect(page.locator("#run-state")).to_have_text("Completed", timeout=20_000)
    page.get_by_role("link", name="Chart of items").click()
    expect(page.locator("#chart h2")).to_have_text("items")
    expect(page.locator("#chart svg a")).to_have_count(2)
    expect(page.locator("#chart")).to_contain_text("from 2 to 5")
    page.locator("#chart-table summary").click()
    expect(page.locator("#chart-table tbody tr").first).to_contain_text("this run")
    someone.finds_no_barrier()
    here = page.url
    page.locator("#chart svg a").first.click()
    page.wait_for_url(lambda url: url != here)
    expect(page.locator(".figures")).to_contain_text("2")
    page.get_by_role("link", name="Definition").click()
    expect(page.locator("#h-what")).to_have_text("Function call")
    expect(page.locator(".argv")).to_contain_text("perdure.demo:items(2, seconds=0)")
