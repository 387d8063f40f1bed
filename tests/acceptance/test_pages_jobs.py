"""The pages of jobs and schedules, without scripts: made, read, run, planned and taken back."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.http_api import Api

PARAMS = {"site": {"type": "string", "pattern": "[a-z]+", "default": "north"}}


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
    assert "Scheduler last looked" in page.text


def test_a_job_is_run_from_its_form(api: Api, browser: httpx.Client) -> None:
    answer = send(browser, "/jobs/report/run", **{"param-site": "south"})
    assert answer.status_code == 303
    with api.client() as client:
        run = client.get(f"/api{answer.headers['location']}").json()
    assert run["spec"]["argv"] == ["/bin/echo", "south"]
    refused = send(browser, "/jobs/report/run", **{"param-site": "NO WAY"})
    assert refused.status_code == 422
    assert "This text has not the form that is needed." in refused.text


def test_a_schedule_is_previewed_and_added_without_scripts(browser: httpx.Client) -> None:
    typed = {"when": "cron", "expression": "30 2 * * 1-5", "timezone": "Europe/Berlin"}
    place = "/jobs/report/schedules/new"
    page = browser.get(place, params=typed).text
    assert "Every weekday at 02:30, Europe/Berlin" in page
    assert "02:30:00 CE" in page
    wrong = send(browser, place, **{**typed, "expression": "60 * * * *", "v-site": "NO WAY"})
    assert wrong.status_code == 422
    assert re.search(r'id="f-expression-error">Minute: 60 is not 0–59\.<', wrong.text)
    wrong = send(browser, place, **typed, **{"v-site": "NO WAY"})
    assert "This text has not the form that is needed." in wrong.text
    sent = {**typed, "overlap": "queue_one", "blackouts": "22:00 to 05:00 on sat"}
    assert send(browser, place, **sent).status_code == 303
    page = browser.get("/jobs/report").text
    assert "not between 22:00 and 05:00 on sat" in page
    (schedule,) = set(re.findall(r'href="/schedules/([0-9a-f-]+)"', page))
    form = browser.get(f"/schedules/{schedule}/edit").text
    assert "22:00 to 05:00 on sat" in form
    (version,) = re.findall(r'name="expected_version" value="(\d+)"', form)
    sent = {"when": "interval", "every": "90", "unit": "seconds", "expected_version": version}
    changed = send(browser, f"/schedules/{schedule}/edit", **sent)
    assert changed.headers["location"] == f"/schedules/{schedule}"
    assert "Every 90 seconds" in browser.get(f"/schedules/{schedule}").text
    again = send(browser, f"/schedules/{schedule}/edit", **sent)
    assert again.status_code == 422
    fired = send(browser, f"/schedules/{schedule}/trigger")
    assert (fired.status_code, fired.headers["location"][:6]) == (303, "/runs/")


def test_a_job_is_made_changed_and_made_what_it_was(browser: httpx.Client) -> None:
    sent = {
        "name": "Copy It", "mode": "argv", "argv": "/bin/echo\r\n{site}\r\n{much}", "enabled": "on",
        "max_attempts": "3", "timeout": "2 min", "on": "exit",
        "p0-name": "site", "p0-type": "choice", "p0-choices": "north, south", "p0-default": "north",
        "when": "date", "once_at": "2001-01-01T00:00",
    }  # fmt: skip
    wrong = send(browser, "/jobs/new", **sent)
    assert wrong.status_code == 422
    assert "Lower-case letters, digits, _ and -; 1 to 63" in wrong.text
    assert "This is in the past." in wrong.text
    wrong = send(browser, "/jobs/new", **{**sent, "name": "copy-it"})
    assert "Line 3: There is no parameter much" in wrong.text
    more = send(browser, "/jobs/new", **sent, more="1")
    assert more.status_code == 200
    assert 'name="p1-name"' in more.text
    good = {
        **sent,
        "name": "copy-it",
        "argv": "/bin/echo\n{site}",
        "when": "interval",
        "every": "2",
    }
    saved = send(browser, "/jobs/new", **good)
    assert saved.headers["location"] == "/jobs/copy-it"
    page = browser.get("/jobs/copy-it").text
    assert "Every 2 minutes" in page
    assert "<option selected>north</option>" in page
    assert "There is a job of this name already." in send(browser, "/jobs/new", **good).text
    change = {**good, "argv": "/bin/echo\nhallo {site}", "expected_version": "1", "reason": "<Try>"}
    assert send(browser, "/jobs/copy-it/edit", **change).status_code == 303
    page = browser.get("/jobs/copy-it").text
    assert "&lt;Try&gt;" in page
    assert "<ins>[&#34;/bin/echo&#34;,&#34;hallo {site}&#34;]</ins>" in page
    back = send(browser, "/jobs/copy-it/rollback", revision="1", reason="No")
    assert back.status_code == 303
    assert "back to 1" in browser.get("/jobs/copy-it").text
    assert send(browser, "/jobs/copy-it/delete", reason="Old").headers["location"] == "/jobs"
    left = browser.get("/jobs/copy-it")
    assert left.status_code == 200
    assert "This job was deleted" in left.text
    assert ": Old" in left.text
    assert "Run now" not in left.text
    assert 'value="copy-it"' in browser.get("/jobs/new?from=copy-it").text
    assert browser.get("/jobs/never-there").status_code == 404


def test_the_page_of_a_job_shows_its_script(browser: httpx.Client) -> None:
    sent = {"name": "says", "mode": "script", "script": "echo '<b>'\necho two", "shell": "/bin/sh"}
    assert send(browser, "/jobs/new", **sent).headers["location"] == "/jobs/says"
    page = browser.get("/jobs/says").text
    assert '<pre class="code">echo &#39;&lt;b&gt;&#39;' in page
    assert send(browser, "/jobs/says/delete").status_code == 303


def test_a_past_state_is_told_without_what_came_later(browser: httpx.Client) -> None:
    run = send(browser, "/jobs/report/run").headers["location"]
    assert send(browser, f"{run}/cancel").status_code == 303
    page = browser.get(run, params={"at": "1"}).text
    story = page.partition('id="run-story"')[2].partition("</section>")[0]
    assert "It waits to start." in story
    assert "cancel" not in story.lower()
