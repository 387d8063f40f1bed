"""Runs over HTTP, without an executor: requested, listed, followed, acted on."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http_api import COMMAND, Api, running_api
from tests.support.stack import Database, Servers
from tests.support.waiting import eventually

LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def request(client: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = client.post("/api/runs", json={"spec": COMMAND, **fields})
    assert answer.status_code == 201, answer.text
    run: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/runs/{run['id']}"
    assert int(answer.headers["perdure-position"]) == run["position"]
    assert client.get(f"/api/runs/{run['id']}").json() == run
    return run


def test_a_request_with_every_field_is_kept_as_it_was_made(client: httpx.Client) -> None:
    asked: dict[str, Any] = {
        "name": "nightly photos",
        "spec": {
            "kind": "command",
            "script": "make report",
            "shell": "bash",
            "env": {"A": "b"},
            "cwd": "/srv",
        },
        "job": None,
        "params": {},
        "queue": "photos",
        "priority": 7,
        "tags": ["nightly", "nightly", "big"],
        "labels": {"site": "b"},
        "run_at": "2099-01-01T02:00:00+02:00",
        "after": [],
        "unique_key": "photos",
        "retry": {"max_attempts": 6, "not_exit_codes": [2]},
        "limits": {"timeout_seconds": 3600},
    }
    run = request(client, **asked)
    assert run["state"] == "scheduled"
    assert run["next_attempt_at"] == "2099-01-01T00:00:00Z"
    assert run["tags"] == ["nightly", "big"]
    assert run["labels"] == {"site": "b"}
    assert (run["queue"], run["priority"], run["max_attempts"]) == ("photos", 7, 6)
    assert run["retry"]["initial_seconds"] == 1
    assert run["limits"]["grace_seconds"] == 10
    digest = hashlib.sha256(b"make report").hexdigest()
    assert run["spec"] == {**asked["spec"], "script": {"sha256": digest, "bytes": 11}}
    assert (run["attempt"], run["executor"], run["failure"]) == (0, None, None)


def test_what_is_left_out_has_its_default(client: httpx.Client) -> None:
    run = request(client)
    assert run["name"] == "true"
    assert run["state"] == "queued"
    assert (run["queue"], run["priority"], run["tags"], run["max_attempts"]) == (
        "default",
        0,
        [],
        1,
    )


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"argv": ["/usr/bin/make", "report", "-j"]}, "make report -j"),
        ({"argv": ["a", "b\nc\x1b"]}, "a b c"),
        ({"argv": ["x" * 300]}, "x" * 200),
        ({"script": "#!/bin/sh\n\n# say it\necho hello\n"}, "#!/bin/sh"),
    ],
)
def test_a_run_without_a_name_is_called_after_what_it_runs(
    client: httpx.Client, spec: dict[str, Any], name: str
) -> None:
    assert request(client, spec={"kind": "command", **spec})["name"] == name


def test_the_same_key_gets_the_first_answer_again(client: httpx.Client) -> None:
    body = json.dumps({"spec": COMMAND, "name": "once"}).encode()
    headers = {"Idempotency-Key": "runs-once", "Content-Type": "application/json"}
    first = client.post("/api/runs", content=body, headers=headers)
    again = client.post("/api/runs", content=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    listed = {"q": "once", "min_position": first.headers["perdure-position"]}
    assert client.get("/api/runs", params=listed).json()["items"]


def test_a_bulk_is_answered_in_its_order(client: httpx.Client) -> None:
    runs = [
        {"spec": COMMAND, "name": f"bulk {n}", "run_at": LATER if n % 2 else None}
        for n in range(50)
    ]
    answer = client.post("/api/runs/bulk", json={"runs": runs})
    assert answer.status_code == 201
    items = answer.json()["items"]
    assert [item["state"] for item in items] == ["queued", "scheduled"] * 25
    assert client.get(f"/api/runs/{items[31]['id']}").json()["name"] == "bulk 31"


def test_a_list_is_current_when_it_is_asked_to_be(client: httpx.Client) -> None:
    run = request(client, name="just now", tags=["fresh"])
    page = client.get("/api/runs", params={"tag": "fresh", "min_position": run["position"]}).json()
    assert [item["id"] for item in page["items"]] == [run["id"]]


def test_a_list_that_is_not_there_yet_says_so(client: httpx.Client) -> None:
    answer = client.get("/api/runs", params={"min_position": 10**9})
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/behind"
    assert int(answer.headers["retry-after"]) >= 1


def test_a_list_is_read_page_by_page_without_gap_or_repetition(client: httpx.Client) -> None:
    made = [request(client, queue="paged")["id"] for _ in range(7)]
    params: dict[str, Any] = {
        "queue": "paged",
        "limit": 3,
        "min_position": client.get(f"/api/runs/{made[-1]}").json()["position"],
    }
    seen = []
    while True:
        page = client.get("/api/runs", params=params).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert seen == made[::-1]


def test_an_action_is_answered_with_the_run_after_it(client: httpx.Client) -> None:
    run = request(client, run_at=LATER)
    steps = [
        ("hold", {"reason": "wait"}, "paused"),
        ("release", None, "scheduled"),
        ("priority", {"priority": 5}, "scheduled"),
        ("retry-now", {}, "queued"),
        ("fail", {"message": "no more"}, "failed"),
        ("restart", {"from": "beginning"}, "queued"),
        ("cancel", {"force": True, "expected_version": 7}, "cancelled"),
    ]
    for action, body, state in steps:
        answer = (
            client.post(f"/api/runs/{run['id']}/{action}", json=body)
            if body is not None
            else client.post(f"/api/runs/{run['id']}/{action}")
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == state, action
        assert int(answer.headers["perdure-position"]) >= answer.json()["position"]


def test_a_run_can_be_seen_as_of_each_of_its_events(client: httpx.Client) -> None:
    run = request(client, run_at=LATER)
    for action in ("hold", "release", "retry-now", "cancel"):
        client.post(f"/api/runs/{run['id']}/{action}")
    states = [
        client.get(f"/api/runs/{run['id']}", params={"at": n}).json()["state"] for n in range(1, 6)
    ]
    assert states == ["scheduled", "paused", "scheduled", "queued", "cancelled"]
    assert client.get(f"/api/runs/{run['id']}", params={"at": 99}).status_code == 404
    events = client.get(f"/api/runs/{run['id']}/events", params={"limit": 2}).json()
    assert [event["streamversion"] for event in events["items"]] == [1, 2]
    rest = client.get(f"/api/runs/{run['id']}/events", params={"after": events["next"]}).json()
    assert [event["type"].split(".")[2] for event in rest["items"]] == [
        "released",
        "queued",
        "cancelled",
    ]
    assert rest["next"] is None


def test_a_rerun_is_a_new_run_with_what_is_given_anew(client: httpx.Client) -> None:
    script = "echo " + "x" * 20_000
    old = request(
        client, spec={"kind": "command", "script": script}, name="old", priority=3, unique_key="k"
    )
    answer = client.post(f"/api/runs/{old['id']}/rerun", json={"priority": 9})
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["rerun_of"], new["name"], new["priority"]) == (old["id"], "old", 9)
    assert new["unique_key"] is None
    assert new["spec"]["script"] == old["spec"]["script"]
    wrong = client.post(f"/api/runs/{old['id']}/rerun", json={"priorty": 9})
    assert wrong.json()["errors"][0]["message"] == "Unknown field. Did you mean `priority`?"
    assert client.post(f"/api/runs/{old['id']}/rerun").status_code == 201


def test_retrying_items_is_for_batches(client: httpx.Client) -> None:
    run = request(client)
    client.post(f"/api/runs/{run['id']}/cancel")
    answer = client.post(f"/api/runs/{run['id']}/retry-items")
    assert answer.status_code == 409


def test_deleting_leaves_the_events(client: httpx.Client) -> None:
    run = request(client, spec={"kind": "command", "script": "echo " + "x" * 20_000}, name="gone")
    assert client.delete(f"/api/runs/{run['id']}").status_code == 409
    client.post(f"/api/runs/{run['id']}/cancel")
    answer = client.delete(f"/api/runs/{run['id']}", params={"reason": "asked to"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["removed"] == ["input"]
    assert "events" in answer.json()["kept"]
    types = [event["type"] for event in client.get(f"/api/runs/{run['id']}/events").json()["items"]]
    assert types[-1] == "perdure.run.deleted.v1"
    again = client.post(f"/api/runs/{run['id']}/rerun")
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("fields", "rule", "sentence"),
    [
        ({}, "no-executor", "No executor is connected."),
        ({"queue": "shut"}, "queue-paused", "Queue shut is paused."),
        ({"run_at": LATER}, "run-at", "It starts at 2099-01-01 00:00:00 UTC."),
    ],
)
def test_why_a_run_waits_is_said(
    client: httpx.Client, fields: dict[str, Any], rule: str, sentence: str
) -> None:
    client.post("/api/queues/shut/pause", json={"reason": "holidays"})
    run = request(client, **fields)
    why = client.get(f"/api/runs/{run['id']}/why").json()
    assert why["sentence"] == sentence
    assert why["because"][0]["rule"] == rule


def test_why_a_held_run_waits_names_who_held_it(client: httpx.Client) -> None:
    run = request(client)
    client.post(f"/api/runs/{run['id']}/hold", json={"reason": "not now"})
    why = client.get(f"/api/runs/{run['id']}/why").json()
    assert why["because"][0]["values"]["by"] == "token:admin"
    assert "not now" in why["sentence"]


def test_a_queue_has_limits_and_can_be_paused(client: httpx.Client) -> None:
    made = client.put("/api/queues/lane", json={"concurrency": 2, "rate_per_minute": None})
    assert made.status_code == 200
    assert (made.json()["concurrency"], made.json()["paused"]) == (2, False)
    assert client.post("/api/queues/lane/pause").json()["paused"] is True
    assert client.post("/api/queues/lane/resume").json()["paused"] is False
    assert "lane" in [queue["name"] for queue in client.get("/api/queues").json()["items"]]
    assert client.put("/api/queues/lane", json={"concurrency": -1}).status_code == 422


def frames(stream: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Give id, name and data of each event of a stream."""
    said: dict[str, str] = {}
    for line in stream.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            said[name] = value
        elif "data" in said:
            yield said.get("id", ""), said.get("event", ""), json.loads(said["data"])
            said = {}
        else:
            said = {}


def test_a_run_is_followed_to_its_end(client: httpx.Client, api: Api) -> None:
    run = request(client)
    with api.client() as other, other.stream("GET", f"/api/runs/{run['id']}/stream") as stream:
        told = frames(stream)
        first = next(told)
        assert (first[1], first[2]["state"]) == ("state", "queued")
        client.post(f"/api/runs/{run['id']}/hold")
        second = next(told)
        assert second[2]["state"] == "paused"
        client.post(f"/api/runs/{run['id']}/cancel")
        rest = list(told)
    assert [name for _, name, _ in rest] == ["state", "end"]
    assert rest[0][2]["state"] == "cancelled"
    with client.stream(
        "GET", f"/api/runs/{run['id']}/stream", headers={"Last-Event-ID": second[0]}
    ) as stream:
        assert [name for _, name, _ in frames(stream)] == ["state", "end"]
    with client.stream(
        "GET", f"/api/runs/{run['id']}/stream", headers={"Last-Event-ID": rest[-1][0]}
    ) as stream:
        assert [name for _, name, _ in frames(stream)] == ["end"]


def test_the_api_stops_at_once_with_streams_open(
    servers: Servers, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stopping")
    with running_api(database, servers.nats.api, folder) as api, api.client() as client:
        run = request(client)
        with client.stream("GET", f"/api/runs/{run['id']}/stream") as stream:
            told = frames(stream)
            next(told)
            api.process.terminate()
            list(told)
        assert api.process.wait(10) == 0
        assert not (folder / "data" / "login_url").exists()


def test_health_tells_that_it_is_ready(client: httpx.Client) -> None:
    eventually(lambda: client.get("/readyz").json() == {"status": "ready", "reasons": []})
    assert client.get("/healthz").json() == {"status": "alive"}
    figures = client.get("/metrics").text
    assert "perdure_http_requests_total" in figures
    assert "perdure_log_position" in figures
    proxied = httpx.get(f"{client.base_url}/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
    assert proxied.status_code == 401


def test_the_documents_tell_of_every_route(client: httpx.Client) -> None:
    openapi = client.get("/api/openapi.json").json()
    assert openapi["openapi"] == "3.1.0"
    assert "/api/runs/{run_id}/cancel" in openapi["paths"]
    assert client.get("/api/asyncapi.json").json()["asyncapi"] == "3.0.0"
    page = client.get("/api/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/runs/bulk" in page.text
    schema = client.get("/api/schemas/perdure.run.requested.v1.json")
    assert schema.status_code == 200
