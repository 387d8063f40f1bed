"""The pages of jobs and schedules, without scripts: read, run, planned and paused."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support import stack
from tests.support.http_api import Api, running_api
from tests.support.stack import Database, Servers

PARAMS = {"site": {"type": "string", "pattern": "[a-z]+", "default": "north"}}


@pytest.fixture(scope="module")
def api(
    servers: Servers, module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    stack.delete_streams(servers.nats.api)
    with running_api(module_database, servers.nats.api, tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture(scope="module")
def browser(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        spec = {"kind": "command", "argv": ["/bin/echo", "{site}"]}
        body = {
            "name": "report",
            "description": "<b>The report</b>",
            "spec": spec,
            "params": PARAMS,
        }
        client.post("/api/jobs", json=body).raise_for_status()
    with httpx.Client(base_url=api.url, trust_env=False, timeout=30) as browser:
        browser.get(api.login_url)
        yield browser


def csrf(page: str) -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf(browser.get("/jobs/report").text)
    headers = {"Origin": str(browser.base_url).rstrip("/")}
    return browser.post(path, data={"_csrf": token, **fields}, headers=headers)


def test_the_list_shows_jobs_and_lets_no_markup_through(browser: httpx.Client) -> None:
    page = browser.get("/jobs")
    assert page.status_code == 200
    assert "&lt;b&gt;The report&lt;/b&gt;" in page.text
    assert "schedules last looked at" in page.text


def test_a_job_is_run_from_its_form(api: Api, browser: httpx.Client) -> None:
    answer = send(browser, "/jobs/report/run", **{"param-site": "south"})
    assert answer.status_code == 303
    with api.client() as client:
        run = client.get(f"/api{answer.headers['location']}").json()
    assert run["spec"]["argv"] == ["/bin/echo", "south"]
    refused = send(browser, "/jobs/report/run", **{"param-site": "NO WAY"})
    assert refused.status_code == 422
    assert "This text has not the form that is needed." in refused.text


def test_a_schedule_is_previewed_added_paused_resumed_and_fired(browser: httpx.Client) -> None:
    typed = {"expression": "30 2 * * 1-5", "timezone": "Europe/Berlin"}
    page = browser.get("/jobs/report", params=typed).text
    assert "Every weekday at 02:30, Europe/Berlin" in page
    assert send(browser, "/jobs/report/schedules", **typed).status_code == 303
    page = browser.get("/jobs/report").text
    (schedule,) = re.findall(r'action="/schedules/([0-9a-f-]+)/pause"', page)
    assert send(browser, f"/schedules/{schedule}/pause").status_code == 303
    assert f"/schedules/{schedule}/resume" in browser.get("/jobs/report").text
    assert send(browser, f"/schedules/{schedule}/resume").status_code == 303
    fired = send(browser, f"/schedules/{schedule}/trigger")
    assert (fired.status_code, fired.headers["location"][:6]) == (303, "/runs/")
    assert "triggered" in browser.get("/jobs/report").text


def test_an_expression_that_cannot_be_is_told_in_the_api_s_words(browser: httpx.Client) -> None:
    page = browser.get("/jobs/report", params={"expression": "60 * * * *"}).text
    assert "Minute: 60 is not 0–59." in page
    assert browser.get("/jobs/nobody").status_code == 404
