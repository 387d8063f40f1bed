"""Who may do what: tokens, roles, links, sessions, and the doors that stay shut."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from perdure_api.app import handlers
from perdure_api.routes.documents import operations_of
from perdure_api.routes.operations import Operation
from perdure_api.security.roles import NEEDED, ROLES, may
from tests.support.http_api import COMMAND, Api
from tests.support.waiting import eventually

OPERATIONS = operations_of(handlers())
NOBODY = "01a20183-aed7-733e-903a-b4628053a8cc"
NAMES = {"run_id": NOBODY, "name": "nobody", "token_id": "nobody", "bulk_id": NOBODY, "id": NOBODY}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{code}"
    return body


def path_of(path: str) -> str:
    return path.format(**NAMES)


@pytest.mark.parametrize("said", OPERATIONS, ids=lambda said: f"{said.method} {said.path}")
def test_every_route_asks_for_the_role_that_it_declares(api: Api, said: Operation) -> None:
    def ask(role: str | None) -> httpx.Response:
        with (
            api.client(role) as client,
            client.stream(
                said.method, path_of(said.path), headers={"Last-Event-ID": "x"}
            ) as answer,
        ):
            if answer.headers["content-type"].startswith("application/"):
                answer.read()
            return answer

    without = ask(None)
    if said.permission in ("public", "loopback"):
        assert without.status_code in (200, 404, 422)
        return
    assert problem(without, 401, "unauthorized")
    assert without.headers["www-authenticate"] == "Bearer"
    for role in ROLES:
        answer = ask(role)
        if may(role, said.permission):
            assert answer.status_code not in (401, 403), (role, answer.status_code)
        else:
            assert problem(answer, 403, "forbidden")["required"] == NEEDED[said.permission]


def test_who_asks_in_vain_is_on_record_with_what_it_was_about(api: Api) -> None:
    with api.client("viewer") as viewer, api.client() as admin:
        problem(viewer.post("/api/queues/photos/pause", json={}), 403, "forbidden")
        assert admin.post("/api/jobs", json={"name": "twice", "spec": COMMAND}).status_code == 201
        problem(
            admin.post("/api/jobs", json={"name": "twice", "spec": COMMAND}), 409, "already-exists"
        )
        problem(
            admin.delete("/api/jobs/twice", params={"expected_version": 9}), 409, "version-conflict"
        )
        problem(admin.post("/api/executors/nowhere/drain", json={}), 404, "not-found")
        problem(viewer.post("/api/runs", json={"spec": COMMAND}), 403, "forbidden")
        found = admin.get("/api/refusals", params={"limit": 5}).json()
        assert [(one["kind"], one["stream"]) for one in found["items"]] == [
            ("create run", None),
            ("drain executor", "executor-nowhere"),
            ("delete job", "job-twice"),
            ("create job", None),
            ("pause queue", "queue-photos"),
        ]
        refused = found["items"][-1]
        assert refused["why"] == "This needs the operator role."
        assert refused["by"].startswith("token:")
        about = admin.get("/api/refusals", params={"stream": "job-twice"}).json()["items"]
        assert [one["kind"] for one in about] == ["delete job"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer pd_",
        "Bearer pd_00_00",
        "Bearer pd_\xff_\xff",
        "Basic YTpi",
        "pd_00_00",
        "",
    ],
)
def test_what_is_no_token_opens_nothing(api: Api, header: str) -> None:
    with api.client(None) as client:
        answer = client.get("/api/runs", headers={b"Authorization": header.encode("latin-1")})
        problem(answer, 401, "unauthorized")


def test_the_secret_of_another_token_opens_nothing(api: Api) -> None:
    prefix, identifier, _ = api.tokens["admin"].split("_", 2)
    secret = api.tokens["viewer"].split("_", 2)[2]
    with api.client(None) as client:
        token = f"{prefix}_{identifier}_{secret}"
        problem(
            client.get("/api/runs", headers={"Authorization": f"Bearer {token}"}),
            401,
            "unauthorized",
        )


def test_a_revoked_token_opens_nothing_soon_after_and_its_stream_ends(api: Api) -> None:
    with api.client() as admin:
        issued = admin.post("/api/tokens", json={"name": "short", "role": "viewer"})
        assert issued.status_code == 201
        run = admin.post(
            "/api/runs", json={"spec": COMMAND, "run_at": "2099-01-01T00:00:00Z"}
        ).json()
        with api.client(None, token=issued.json()["token"]) as short:
            assert short.get("/api/runs").status_code == 200
            with short.stream("GET", f"/api/runs/{run['id']}/stream") as stream:
                lines = stream.iter_lines()
                assert next(line for line in lines if line.startswith("event:")) == "event: state"
                revoked = admin.post(f"/api/tokens/{issued.json()['id']}/revoke", json={})
                assert revoked.json()["revoked_at"]
                list(lines)  # ends
            eventually(lambda: short.get("/api/runs").status_code == 401, what="it opens nothing")


def test_an_expired_token_is_told_so(api: Api) -> None:
    with api.client() as admin:
        problem(
            admin.post("/api/tokens", json={"name": "x", "expires_at": "2020-01-01T00:00:00Z"}),
            422,
            "in-past",
        )
        issued = admin.post(
            "/api/tokens", json={"name": "x", "expires_at": "2099-01-01T00:00:00Z"}
        ).json()
        assert issued["role"] == "operator"
    with api.client(None, token=issued["token"]) as client:
        assert client.get("/api/runs").status_code == 200


def test_the_secret_of_a_token_is_nowhere_but_in_its_first_answer(api: Api) -> None:
    with api.client() as admin:
        token = admin.post("/api/tokens", json={"name": "secret one", "role": "viewer"}).json()[
            "token"
        ]
        secret = token.split("_", 2)[2]
        assert secret not in admin.get("/api/tokens").text
        events = admin.get("/api/events", params={"type": "perdure.token.issued.v1", "limit": 500})
        assert "secret one" in events.text
        assert secret not in events.text
    assert secret not in (api.folder / "api.txt").read_text()


def test_a_login_link_opens_the_dashboard_once(api: Api) -> None:
    link = api.login_url
    with api.client(None) as browser:
        assert browser.head(link).status_code == 405
        first = browser.get(link)
        assert first.status_code == 303
        assert first.headers["location"] == "/"
        cookie = first.headers["set-cookie"]
        assert re.match(r"perdure-[0-9a-f]{8}=", cookie)
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
        assert browser.get("/").status_code == 200
        assert api.login_url != link
        assert (api.folder / "data" / "login_url").stat().st_mode & 0o777 == 0o600
    with api.client(None) as other:
        second = other.get(link)
        assert second.status_code == 410
        assert "perdure login" in second.text
        assert "set-cookie" not in second.headers


@contextmanager
def logged_in(api: Api) -> Iterator[httpx.Client]:
    with api.client() as admin:
        link = admin.post("/api/login-links").json()
    with api.client(None) as browser:
        assert browser.get(link["url"]).status_code == 303
        yield browser


def test_a_page_without_a_session_leads_to_the_login_and_back(api: Api) -> None:
    with api.client(None) as browser:
        answer = browser.get("/runs?state=failed")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/runs%3Fstate%3Dfailed"
        part = browser.get("/runs", headers={"HX-Request": "true"})
        assert part.status_code == 401
        assert part.headers["hx-redirect"].startswith("/login")


def test_an_id_that_a_browser_brings_along_is_never_taken(api: Api) -> None:
    with api.client() as admin:
        link = admin.post("/api/login-links").json()["url"]
    with api.client(None) as browser:
        name = browser.get(link).headers["set-cookie"].partition("=")[0]
    with api.client() as admin:
        link = admin.post("/api/login-links").json()["url"]
    with api.client(None) as browser:
        chosen = browser.get(link, headers={"Cookie": f"{name}=chosen"}).headers["set-cookie"]
        assert "chosen" not in chosen
        assert browser.get("/", headers={"Cookie": f"{name}=chosen"}).status_code == 303


def test_the_cookie_opens_pages_only(api: Api) -> None:
    with logged_in(api) as browser:
        assert browser.get("/runs").status_code == 200
        problem(browser.get("/api/runs"), 401, "unauthorized")


def csrf_of(browser: httpx.Client) -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', browser.get("/runs/new").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("field", "headers"),
    [
        (None, {}),
        ("wrong", {}),
        ("ünïcode", {}),
        (None, {"X-CSRF": "wrong"}),
        (None, {"X-CSRF": "\xff"}),
        ("right", {"Sec-Fetch-Site": "cross-site"}),
        ("right", {"Origin": "null"}),
        ("right", {"Origin": "https://evil.example"}),
    ],
)
def test_a_form_of_another_site_is_refused(
    api: Api, field: str | None, headers: dict[str, str]
) -> None:
    with logged_in(api) as browser:
        right = csrf_of(browser)
        data = {} if field is None else {"_csrf": right if field == "right" else field}
        sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        assert browser.post("/logout", data=data, headers=sent).status_code == 403
        assert browser.get("/runs").status_code == 200


def test_who_logs_out_is_out(api: Api) -> None:
    with logged_in(api) as browser:
        cookie = dict(browser.cookies)
        answer = browser.post("/logout", data={"_csrf": csrf_of(browser)})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login"
        assert browser.get("/runs").status_code == 303
    with api.client(None, cookies=cookie) as old:
        assert old.get("/runs").status_code == 303


def test_guessing_links_has_to_wait(api: Api) -> None:
    with api.client(None) as client:
        answers = [client.get(f"/login/guess-{n}") for n in range(8)]
    assert 429 in {answer.status_code for answer in answers}
    assert int(answers[-1].headers["retry-after"]) > 0
