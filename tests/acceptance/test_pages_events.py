"""The page of events: the end of the log as it grows, and consumers that work as they are copied."""

import json
import re
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitor
from tests.support.programs import clean_environment
from tests.support.system import System

pytestmark = pytest.mark.acceptance

LATER = {"run_at": "2099-01-01T00:00:00Z"}
REQUESTED = "perdure.run.requested.v1"


def test_the_end_of_the_log_grows_and_leads_to_what_each_type_holds(
    someone: Visitor, request_run: Callable[..., str]
) -> None:
    page = someone.page
    someone.goes_to("/events")
    expect(page.locator("#live-state")).to_have_text("Live")
    run = request_run({"argv": ["/bin/true"], "env": {"PASSWORD": "told-nobody"}}, **LATER)
    told = page.locator("#tail li", has=page.get_by_title(f"run-{run}"))
    expect(told).to_contain_text(f"run {run[-6:]}")
    expect(told).to_contain_text(REQUESTED)
    told.get_by_text("Data").click()
    expect(told.locator("pre")).to_contain_text("/bin/true")
    expect(told.locator("pre")).not_to_contain_text("told-nobody")

    told.get_by_role("link", name=REQUESTED).click()
    sample = json.loads(
        page.locator("section", has_text="An event of this type")
        .inner_text()[len("An event of this type\n") :]
        .removeprefix("Copy\n")
    )
    assert (sample["type"], sample["specversion"]) == (REQUESTED, "1.0")
    expect(page.get_by_text("perdure.events.v1.*.run.*.requested").first).to_be_visible()


def test_the_consumers_of_the_page_work_as_they_are_copied(
    someone: Visitor, running_system: System, request_run: Callable[..., str]
) -> None:
    page, endpoint = someone.page, running_system.endpoint
    run = request_run({"argv": ["/bin/true"]}, **LATER)
    someone.goes_to(f"/events/{REQUESTED}")
    program = page.locator("#follow-python pre").inner_text()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=clean_environment(PERDURE_NATS_URL=endpoint.nats_url),
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        try:
            line = next(line for line in follower.stdout if run in line)
        finally:
            follower.kill()
    assert REQUESTED in line

    command = page.locator("#follow-curl pre").inner_text()
    found = re.search(r"'(http[^']+)'", command)
    assert found is not None
    headers = {"Authorization": f"Bearer {endpoint.admin_token}"}
    with (
        httpx.Client(headers=headers, trust_env=False, timeout=30) as client,
        client.stream("GET", found[1]) as answer,
    ):
        frame = next(line for line in answer.iter_lines() if run in line)
    assert REQUESTED in frame
