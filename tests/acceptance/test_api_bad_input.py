"""Bad input has exact answers: a problem document, the right status, and nothing changed."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http_api import COMMAND, Api

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, and give it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    assert "content-security-policy" in response.headers
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{code}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def sent(client: httpx.Client, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    return client.post("/api/runs", content=content, headers=JSON | headers)


def run(**fields: object) -> dict[str, Any]:
    return {"spec": COMMAND, **fields}


def spec(**fields: object) -> dict[str, Any]:
    return {"spec": {"kind": "command", **fields}}


def position(client: httpx.Client) -> int:
    return int(client.get("/api/events", params={"after": 2**40}).json()["next"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"name": "abcd', 400, "malformed-json"),
        (b"", 400, "malformed-json"),
        (b"{} {}", 400, "malformed-json"),
        (b'{"name": "\xff"}', 400, "malformed-text"),
        (b"[" * 200_000, 400, "too-deep"),
        (b'{"spec":' + b"[" * 70 + b"]" * 70 + b"}", 400, "too-deep"),
        (b'{"name": "a", "spec": {}, "name": "b"}', 400, "duplicate-key"),
        (b'{"priority": 1e400}', 400, "malformed-json"),
        (b'{"priority": NaN}', 400, "malformed-json"),
        (b'{"priority": ' + b"9" * 5000 + b"}", 400, "malformed-json"),
        (b"[]", 422, "wrong-type"),
        (b'"text"', 422, "wrong-type"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else str(value),
)
def test_a_body_that_is_not_right_is_told_so(
    client: httpx.Client, body: bytes, status: int, code: str
) -> None:
    problem(sent(client, body), status, code)


def test_json_that_was_cut_off_is_told_the_byte(client: httpx.Client) -> None:
    body = problem(sent(client, b'{"name": "abcd'), 400, "malformed-json")
    assert body["detail"] == "The body is not complete JSON (byte 14)."


def test_a_key_given_twice_is_pointed_at(client: httpx.Client) -> None:
    answer = sent(
        client, b'{"spec": {"kind": "command", "argv": ["a"], "env": {"X": "1", "X": "2"}}}'
    )
    body = problem(answer, 400, "duplicate-key")
    assert body["errors"][0]["pointer"] == "/spec/env/X"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (run(commnad=1), "/commnad", "unknown-field"),
        (run(priority="3"), "/priority", "wrong-type"),
        (run(priority=101), "/priority", "out-of-range"),
        (run(priority=1.5), "/priority", "wrong-type"),
        (run(priority=True), "/priority", "wrong-type"),
        (run(retry={"max_attempts": -1}), "/retry/max_attempts", "out-of-range"),
        (run(retry={"on": ["never"]}), "/retry/on/0", "unknown-value"),
        (run(retry={"tries": 3}), "/retry/tries", "unknown-field"),
        (run(limits={"timeout_seconds": 0}), "/limits/timeout_seconds", "out-of-range"),
        (run(limits={"memory_bytes": 1}), "/limits/memory_bytes", "out-of-range"),
        (run(queue="Ünit X"), "/queue", "bad-name"),
        (run(queue=""), "/queue", "bad-name"),
        (run(queue="x" * 64), "/queue", "bad-name"),
        (run(queue="../x"), "/queue", "bad-name"),
        (run(queue="a\n"), "/queue", "bad-name"),
        (run(name=""), "/name", "too-short"),
        (run(name="x" * 201), "/name", "too-long"),
        (run(name="a\x07b"), "/name", "bad-text"),
        (run(name="a\x00b"), "/name", "bad-text"),
        (run(tags=["a", "b,c"]), "/tags/1", "bad-text"),
        (run(tags="a"), "/tags", "wrong-type"),
        (run(labels={"site": "a b"}), "/labels/site", "bad-label"),
        (run(run_at="tomorrow"), "/run_at", "wrong-type"),
        (run(run_at="2027-01-01T00:00:00"), "/run_at", "wrong-type"),
        (run(job="nightly"), "/spec", "not-both"),
        ({"job": "nightly"}, "/job", "unknown-job"),
        (run(after=[{"run": "x"}]), "/after", "not-available"),
        ({"name": "a"}, "/spec", "missing"),
        ({"spec": {"kind": "magic", "func": "a:b"}}, "/spec/kind", "unknown-kind"),
        ({"spec": {"argv": ["a"]}}, "/spec/kind", "missing"),
        (spec(), "/spec/argv", "empty-command"),
        (spec(argv=[]), "/spec/argv", "empty-command"),
        (spec(argv=[""]), "/spec/argv/0", "empty-command"),
        (spec(argv=["x"] * 10_000), "/spec/argv", "too-many"),
        (spec(argv=["x", "y" * 200_000]), "/spec/argv/1", "too-long"),
        (spec(argv=["x", "y" * 60_000]), "/spec/argv", "too-long"),
        (spec(argv=["./x"]), "/spec/argv/0", "not-absolute"),
        (spec(argv=["x", "a\x00b"]), "/spec/argv/1", "bad-text"),
        (spec(argv=["a"], script="b"), "/spec", "not-both"),
        (spec(argv=["a"], cwd="srv"), "/spec/cwd", "not-absolute"),
        (spec(argv=["a"], env={"1X": "a"}), "/spec/env/1X", "bad-name"),
        (spec(argv=["a"], env={"X": 1}), "/spec/env/X", "wrong-type"),
        (spec(script={"sha256": "0" * 64, "bytes": 3}), "/spec/script", "wrong-type"),
        (
            {
                "spec": {
                    "kind": "rsync",
                    "source": "/a/",
                    "destination": "/b",
                    "options": {"rsync_path": "sh"},
                }
            },
            "/spec/options/rsync_path",
            "option-not-allowed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_field_that_is_not_valid_is_pointed_at_and_nothing_is_stored(
    client: httpx.Client, body: dict[str, Any], pointer: str, code: str
) -> None:
    before = position(client)
    answer = problem(sent(client, body), 422, code)
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    assert answer["errors"][0]["code"] == code
    assert answer["errors"][0]["message"]
    assert position(client) == before


def test_half_a_surrogate_pair_is_refused(client: httpx.Client) -> None:
    body = problem(
        sent(client, b'{"spec": {"kind": "command", "argv": ["a", "\\ud800"]}}'), 422, "bad-text"
    )
    assert body["errors"][0]["message"] == "Contains a character that cannot be stored."


def test_a_typing_error_gets_a_hint(client: httpx.Client) -> None:
    body = problem(sent(client, run(quue="a")), 422, "unknown-field")
    assert body["errors"][0]["message"] == "Unknown field. Did you mean `queue`?"


def test_all_faults_are_told_at_once(client: httpx.Client) -> None:
    answer = problem(sent(client, run(priority="3", queue="X", tags=[""])), 422, "validation")
    assert {error["pointer"] for error in answer["errors"]} == {"/priority", "/queue", "/tags/0"}
    assert answer["detail"] == "3 fields need attention."


def test_a_fault_within_a_bulk_is_pointed_at_and_nothing_of_it_is_stored(
    client: httpx.Client,
) -> None:
    before = position(client)
    runs = [run() for _ in range(20)]
    runs[17] = spec(argv=[])
    answer = problem(client.post("/api/runs/bulk", json={"runs": runs}), 422, "empty-command")
    assert answer["errors"][0]["pointer"] == "/runs/17/spec/argv"
    assert position(client) == before


@pytest.mark.parametrize("runs", [[], [{"spec": COMMAND}] * 10_001])
def test_a_bulk_has_one_to_ten_thousand_runs(client: httpx.Client, runs: list[Any]) -> None:
    answer = problem(
        client.post("/api/runs/bulk", json={"runs": runs}),
        422,
        "too-few" if not runs else "too-many",
    )
    assert answer["errors"][0]["pointer"] == "/runs"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", ""]
)
def test_a_body_that_is_no_json_is_not_looked_at(client: httpx.Client, kind: str) -> None:
    answer = client.post("/api/runs", content=json.dumps(run()), headers={"Content-Type": kind})
    problem(answer, 415, "unsupported-media-type")
    assert answer.headers["accept-post"] == "application/json"


def test_a_body_over_its_limit_is_refused(client: httpx.Client) -> None:
    problem(sent(client, b"[" + b" " * 1_200_000 + b"]"), 413, "too-large")


def test_a_body_over_its_limit_is_refused_while_it_arrives(api: Api) -> None:
    head = (
        f"POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api.tokens['admin']}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
    assert b" 413 " in api.raw(head.encode() + chunk * 13).split(b"\r\n", 1)[0]


def test_a_head_over_its_limit_is_refused(client: httpx.Client) -> None:
    problem(client.get("/api/runs", headers={"X-Long": "a" * 9000}), 431, "headers-too-large")


def test_a_head_without_end_is_cut_off(api: Api) -> None:
    assert b" 431 " in api.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000).split(b"\r\n", 1)[0]


def test_what_is_no_http_is_answered_with_a_problem(api: Api) -> None:
    answer = api.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n", 1)[0]
    assert b"application/problem+json" in answer
    assert b"content-security-policy" in answer


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/runs?limit=0", 422, "out-of-range"),
        ("/api/runs?limit=501", 422, "out-of-range"),
        ("/api/runs?limit=abc", 422, "wrong-type"),
        ("/api/runs?limit=5&limit=5", 400, "duplicate-parameter"),
        ("/api/runs?after=nonsense", 400, "bad-cursor"),
        ("/api/runs?q=%ff", 400, "malformed-text"),
        ("/api/runs?q=%00", 400, "malformed-text"),
        ("/api/runs?stat=failed", 422, "unknown-parameter"),
        ("/api/runs?state=broken", 422, "unknown-value"),
        ("/api/runs?state=failed,broken", 422, "unknown-value"),
        ("/api/runs?sort=name", 422, "unknown-value"),
        ("/api/runs?since=yesterday", 422, "wrong-type"),
        ("/api/runs?token=pd_x_y", 400, "credential-in-url"),
        ("/api/runs/nonsense", 404, "not-found"),
        ("/api/runs/%00", 404, "not-found"),
        ("/api/runs/..%2f..%2fetc", 404, "not-found"),
        ("/api/runs/01a20183-aed7-733e-903a-b4628053a8cc", 404, "not-found"),
        ("/api/queues/Not%20a%20name", 404, "not-found"),
        ("/api/executors/nobody", 404, "not-found"),
        ("/api/nothing", 404, "not-found"),
        ("/healthz?x=1", 422, "unknown-parameter"),
    ],
)
def test_an_address_that_is_not_right_is_told_so(
    client: httpx.Client, path: str, status: int, code: str
) -> None:
    problem(client.get(path), status, code)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/api/runs", "GET, POST"),
        ("DELETE", "/api/queues", "GET"),
        ("OPTIONS", "/api/runs", "GET, POST"),
        ("POST", "/healthz", "GET"),
    ],
)
def test_a_method_that_is_not_there_names_those_that_are(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1"]
)
def test_a_foreign_host_is_not_served(client: httpx.Client, host: str) -> None:
    problem(client.get("/healthz", headers={"Host": host}), 421, "wrong-host")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8000", "LOCALHOST:80"])
def test_loopback_is_served_under_its_names_whatever_the_port(
    client: httpx.Client, host: str
) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_the_headers_are_on_every_kind_of_answer(client: httpx.Client) -> None:
    for path in ("/healthz", "/api/nothing", "/nothing", "/login", "/static/nothing", "/api/docs"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-request-id"]
        assert headers["cache-control"] == "no-store"


def test_the_head_of_an_answer_can_be_had_alone(client: httpx.Client) -> None:
    answer = client.head("/api/runs")
    assert answer.status_code == 200
    assert answer.content == b""


def test_text_of_users_is_stored_as_it_is(client: httpx.Client) -> None:
    name = "<img src=x onerror=alert(1)> e\u0301 \u202e"
    made = sent(client, run(name="<img src=x onerror=alert(1)> e\u0301")).json()
    assert made["name"] == "<img src=x onerror=alert(1)> é"
    problem(sent(client, run(name=name)), 422, "bad-text")


def test_a_reused_key_with_another_body_is_refused(client: httpx.Client) -> None:
    sent(client, run(name="one"), **{"Idempotency-Key": "bad-input-1"})
    answer = sent(client, run(name="two"), **{"Idempotency-Key": "bad-input-1"})
    problem(answer, 422, "idempotency-mismatch")


def test_a_stale_version_is_told_the_current_one(client: httpx.Client) -> None:
    made = sent(client, run(run_at="2099-01-01T00:00:00Z")).json()
    answer = client.post(f"/api/runs/{made['id']}/hold", json={"expected_version": 7})
    body = problem(answer, 409, "version-conflict")
    assert body["current_version"] == 1
    assert body["state"] == "scheduled"


def test_an_action_in_the_wrong_state_is_told_where_it_is_legal(client: httpx.Client) -> None:
    made = sent(client, run()).json()
    assert client.post(f"/api/runs/{made['id']}/cancel").json()["state"] == "cancelled"
    body = problem(client.post(f"/api/runs/{made['id']}/cancel"), 409, "wrong-state")
    assert body["state"] == "cancelled"
    assert "queued" in body["allowed"]
    assert body["current_version"] == 2


def test_a_key_in_use_names_the_run_that_has_it(client: httpx.Client) -> None:
    made = sent(client, run(unique_key="only-one")).json()
    body = problem(sent(client, run(unique_key="only-one")), 409, "already-running")
    assert body["run"] == made["id"]
