"""The log over HTTP: pages, filters, and a stream that can be cut and taken up again."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from perdure_contract.facts import BY_TYPE
from tests.support.system import System

pytestmark = pytest.mark.acceptance


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


def request(client: httpx.Client, **fields: object) -> str:
    body = {"name": "of the log", "spec": {"kind": "command", "argv": ["/bin/true"]}, **fields}
    answer = client.post("/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def test_the_log_is_read_page_by_page_without_gaps(client: httpx.Client) -> None:
    for _ in range(5):
        request(client, run_at="2999-01-01T00:00:00Z")
    positions: list[int] = []
    after = 0
    while True:
        page = client.get("/api/events", params={"after": after, "limit": 3}).json()
        positions += [event["position"] for event in page["items"]]
        if page["next"] == after:
            break
        after = page["next"]
    assert positions == list(range(1, after + 1))


def test_events_are_cloud_events(client: httpx.Client) -> None:
    run = request(client, run_at="2999-01-01T00:00:00Z", name="Grüße")
    (event,) = client.get("/api/events", params={"stream": f"run-{run}"}).json()["items"]
    assert event["specversion"] == "1.0"
    assert event["type"] == "perdure.run.requested.v1"
    assert event["subject"] == f"run-{run}"
    assert event["source"].startswith("/perdure/")
    assert event["streamversion"] == 1
    assert event["tenant"] == "default"
    assert event["data"]["run"] == run
    assert event["data"]["name"] == "Grüße"
    assert "causationid" not in event
    schema = client.get(event["dataschema"])
    assert schema.status_code == 200
    assert schema.json()["title"] == event["type"]


def test_a_filter_tells_how_far_it_looked(client: httpx.Client) -> None:
    request(client, run_at="2999-01-01T00:00:00Z")
    page = client.get("/api/events", params={"type": "perdure.token.revoked.v1"}).json()
    everything = client.get("/api/events", params={"limit": 500}).json()
    assert page["next"] >= everything["next"]
    two = client.get(
        "/api/events",
        params={"type": "perdure.run.requested.v1,perdure.executor.joined.v1", "limit": 500},
    ).json()
    assert {event["type"] for event in two["items"]} == {
        "perdure.run.requested.v1",
        "perdure.executor.joined.v1",
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("after=-1", 422),
        ("after=x", 422),
        ("after=99999999999999999999999", 422),
        ("limit=0", 422),
        ("limit=501", 422),
        ("type=perdure.run.teleported.v1", 422),
        ("colour=red", 422),
        ("after=1&after=2", 400),
    ],
)
def test_what_makes_no_sense_is_refused(client: httpx.Client, query: str, status: int) -> None:
    answer = client.get(f"/api/events?{query}")
    assert answer.status_code == status, answer.text
    assert answer.json()["type"].startswith("/problems/")


def test_past_the_end_there_is_nothing_yet(client: httpx.Client) -> None:
    page = client.get("/api/events", params={"after": 10**12}).json()
    assert page == {"items": [], "next": 10**12}


def test_without_a_token_nobody_reads_the_log(running_system: System) -> None:
    url = running_system.endpoint.url
    assert httpx.get(f"{url}/api/events", trust_env=False).status_code == 401
    assert httpx.get(f"{url}/api/events/stream", trust_env=False).status_code == 401


def test_the_stream_gives_the_past_then_what_comes(client: httpx.Client) -> None:
    first = request(client, run_at="2999-01-01T00:00:00Z")
    with client.stream("GET", "/api/events/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = _frames(answer)
        seen = _until(frames, lambda event: event["subject"] == f"run-{first}")
        second = request(client, run_at="2999-01-01T00:00:00Z")
        seen += _until(frames, lambda event: event["subject"] == f"run-{second}")
    assert [event["position"] for event in seen] == list(range(1, len(seen) + 1))


def test_a_cut_stream_is_taken_up_where_it_was(client: httpx.Client) -> None:
    first = request(client, run_at="2999-01-01T00:00:00Z")
    position = client.get("/api/events", params={"stream": f"run-{first}"}).json()["items"][0][
        "position"
    ]
    second = request(client, run_at="2999-01-01T00:00:00Z")
    headers = {"Last-Event-ID": str(position)}
    with client.stream("GET", "/api/events/stream?after=0", headers=headers) as answer:
        (event,) = _until(_frames(answer), lambda _: True)
        assert event["position"] == position + 1
    with client.stream("GET", f"/api/events/stream?stream=run-{second}") as answer:
        (event,) = _until(_frames(answer), lambda _: True)
        assert event["subject"] == f"run-{second}"
    refused = client.get("/api/events/stream", headers={"Last-Event-ID": "yesterday"})
    assert refused.status_code == 400


def test_the_asyncapi_document_is_open_to_all(running_system: System) -> None:
    answer = httpx.get(f"{running_system.endpoint.url}/api/asyncapi.json", trust_env=False)
    assert answer.status_code == 200
    assert set(BY_TYPE) < set(answer.json()["components"]["messages"])


Json = dict[str, object]


def _frames(answer: httpx.Response) -> Iterator[Json]:
    identifier = ""
    for line in answer.iter_lines():
        if line.startswith("id: "):
            identifier = line[4:]
        elif line.startswith("data: "):
            event: Json = json.loads(line[6:])
            assert identifier == str(event["position"])
            yield event


def _until(frames: Iterator[Json], fits: Callable[[Json], bool]) -> list[Json]:
    seen = []
    for event in frames:
        seen.append(event)
        if fits(event):
            return seen
    message = "the stream ended"
    raise AssertionError(message)
