"""Saved jobs and schedules over HTTP, without an executor."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http_api import Api

ECHO = {"kind": "command", "argv": ["/bin/echo", "{site}", "{count}"]}
PARAMS = {
    "site": {"type": "choice", "choices": ["north", "south"], "default": "north"},
    "count": {"type": "number", "minimum": 1, "maximum": 9, "default": 1},
}


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def made(client: httpx.Client, name: str, **fields: object) -> dict[str, Any]:
    body = {"name": name, "spec": ECHO, "params": PARAMS, **fields}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def test_a_job_is_saved_read_listed_revised_rolled_back_and_deleted(client: httpx.Client) -> None:
    job = made(client, "report", description="The report.", tags=["nightly"])
    assert (job["revision"], job["source"], job["enabled"]) == (1, "api", True)
    assert client.get("/api/jobs/report").json() == job
    assert "report" in [item["name"] for item in client.get("/api/jobs").json()["items"]]

    change = {"spec": {"kind": "command", "argv": ["/bin/true"]}, "expected_version": 1}
    revised = client.put("/api/jobs/report", json=change)
    assert (revised.status_code, revised.json()["revision"]) == (200, 2)
    stale = client.put("/api/jobs/report", json=change)
    assert (stale.status_code, stale.json()["current_version"]) == (409, 2)

    newest, first = client.get("/api/jobs/report/revisions").json()["items"]
    assert (newest["revision"], first["definition"]["description"]) == (2, "The report.")
    assert "/description" in [change["pointer"] for change in newest["changes"]]

    back = client.post("/api/jobs/report/rollback", json={"revision": 1}).json()
    assert (back["revision"], back["description"]) == (3, "The report.")
    assert client.delete("/api/jobs/report").json() == {"deleted": "report"}
    assert client.get("/api/jobs/report").status_code == 404
    assert made(client, "report")["revision"] == 4


def test_a_name_is_taken_once(client: httpx.Client) -> None:
    made(client, "taken")
    again = client.post("/api/jobs", json={"name": "taken", "spec": ECHO, "params": PARAMS})
    assert again.status_code == 409
    assert again.json()["type"] == "/problems/already-exists"


def test_the_same_key_gives_the_first_answer_again(client: httpx.Client) -> None:
    body = {"name": "once", "spec": ECHO, "params": PARAMS}
    first = client.post("/api/jobs", json=body, headers={"Idempotency-Key": "jobs-once"})
    again = client.post("/api/jobs", json=body, headers={"Idempotency-Key": "jobs-once"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["perdure-position"] == first.headers["perdure-position"]


def test_a_run_of_a_job_holds_what_its_revision_said(client: httpx.Client) -> None:
    made(client, "echo", queue="slow")
    answer = client.post("/api/jobs/echo/run", json={"params": {"site": "south"}, "priority": 7})
    assert answer.status_code == 201, answer.text
    run = answer.json()
    assert (run["job"], run["queue"], run["priority"]) == ("echo", "slow", 7)
    assert run["spec"]["argv"] == ["/bin/echo", "south", "1"]
    client.put("/api/jobs/echo", json={"spec": {"kind": "command", "argv": ["/bin/true"]}})
    assert client.get(f"/api/runs/{run['id']}").json()["spec"] == run["spec"]
    rerun = client.post(f"/api/runs/{run['id']}/rerun", json={})
    assert rerun.status_code == 201, rerun.text
    assert (rerun.json()["job"], rerun.json()["spec"]) == ("echo", run["spec"])


def test_a_request_may_name_a_job_instead_of_a_spec(client: httpx.Client) -> None:
    made(client, "named")
    run = client.post("/api/runs", json={"job": "named", "params": {"count": 3}}).json()
    assert run["spec"]["argv"] == ["/bin/echo", "north", "3"]
    assert codes(client.post("/api/runs", json={"job": "nobody"})) == [("/job", "unknown-job")]
    both = client.post("/api/runs", json={"job": "named", "spec": ECHO})
    assert codes(both) == [("/spec", "not-both")]
    assert codes(client.post("/api/runs", json={})) == [("/spec", "missing")]


def test_many_requests_may_name_jobs_and_are_taken_all_or_none(client: httpx.Client) -> None:
    made(client, "in-bulk")
    asked = [{"job": "in-bulk", "params": {"count": 2}, "priority": 9}, {"spec": ECHO}]
    answer = client.post("/api/runs/bulk", json={"runs": asked}).raise_for_status().json()
    of_job, of_spec = (client.get(f"/api/runs/{run['id']}").json() for run in answer["items"])
    assert (of_job["job"], of_job["priority"], of_spec["job"]) == ("in-bulk", 9, None)
    assert of_job["spec"]["argv"] == ["/bin/echo", "north", "2"]
    wrong = [{"job": "nobody"}, {"job": "in-bulk", "params": {"count": 10}}, {"job": "in-bulk"}, {}]
    refused = client.post("/api/runs/bulk", json={"runs": wrong})
    assert codes(refused) == [
        ("/runs/0/job", "unknown-job"),
        ("/runs/1/params/count", "out-of-range"),
        ("/runs/3/spec", "missing"),
    ]


def test_the_document_says_that_a_job_may_stand_for_a_spec(client: httpx.Client) -> None:
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    assert schemas["RunWanted"].get("required", []) == []
    assert schemas["RunsWanted"]["properties"]["runs"]["items"]["$ref"].endswith("/RunWanted")


def test_values_that_do_not_fit_are_refused_at_their_place(client: httpx.Client) -> None:
    made(client, "strict")
    answer = client.post("/api/jobs/strict/run", json={"params": {"count": 10, "who": "x"}})
    assert sorted(codes(answer)) == [
        ("/params/count", "out-of-range"),
        ("/params/who", "unknown-parameter"),
    ]


def test_a_definition_is_refused_with_every_fault(client: httpx.Client) -> None:
    body = {
        "name": "Bad Name", "spec": {"kind": "command", "argv": ["a/b", "{nobody}"]}, "colour": 1,
    }  # fmt: skip
    assert sorted(codes(client.post("/api/jobs", json=body))) == [
        ("/colour", "unknown-field"),
        ("/name", "bad-name"),
    ]
    body = {"name": "bad", "spec": {"kind": "command", "argv": ["a/b", "{nobody}"]}}
    assert sorted(codes(client.post("/api/jobs", json=body))) == [
        ("/spec/argv/0", "not-absolute"),
        ("/spec/argv/1", "unknown-parameter"),
    ]


def schedule(client: httpx.Client, job: str, **fields: object) -> dict[str, Any]:
    trigger = {"type": "cron", "expression": "30 2 * * 1-5"}
    body = {"job": job, "trigger": trigger, "timezone": "Europe/Berlin", **fields}
    answer = client.post("/api/schedules", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/schedules/{found['id']}"
    assert client.get(f"/api/schedules/{found['id']}").json() == found
    return found


def test_a_schedule_is_made_changed_paused_resumed_and_deleted(client: httpx.Client) -> None:
    made(client, "planned")
    found = schedule(client, "planned")
    assert found["words"] == "Every weekday at 02:30, Europe/Berlin"
    assert (found["overlap"], found["coalesce"]) == ("skip", "latest")
    assert (found["misfire_grace_seconds"], found["max_instances"]) == (3600, 1)
    assert found["next_fire_at"].endswith("00Z")
    at = f"/api/schedules/{found['id']}"

    paused = client.post(f"{at}/pause", json={"reason": "Holidays."}).json()
    assert (paused["enabled"], paused["next_fire_at"]) == (False, None)
    assert client.post(f"{at}/resume").json()["next_fire_at"] == found["next_fire_at"]

    body = {"job": "planned", "trigger": {"type": "interval", "minutes": 5}, "coalesce": True}
    changed = client.put(at, json=body).json()
    assert (changed["words"], changed["coalesce"]) == ("Every 5 minutes", "latest")
    listed = client.get("/api/schedules", params={"job": "planned"}).json()["items"]
    assert [item["id"] for item in listed] == [found["id"]]

    assert client.delete(at).json() == {"deleted": found["id"]}
    assert client.get(at).status_code == 404
    assert client.get("/api/schedules", params={"job": "planned"}).json()["items"] == []


def test_a_schedule_is_fired_by_hand_and_for_the_past(client: httpx.Client) -> None:
    made(client, "fired")
    found = schedule(client, "fired", overlap="allow", params={"site": "south"})
    at = f"/api/schedules/{found['id']}"
    run = client.post(f"{at}/trigger")
    assert (run.status_code, run.json()["spec"]["argv"][1]) == (201, "south")
    span = {"from": "2026-03-02T01:30:00Z", "until": "2026-03-04T01:30:00Z"}
    became = client.post(f"{at}/backfill", json=span).json()["items"]
    assert [(item["fire_at"], item["outcome"]) for item in became] == [
        (f"2026-03-0{day}T01:30:00Z", "fired") for day in (2, 3, 4)
    ]
    fires = client.get(f"{at}/fires", params={"limit": 3}).json()
    assert [item["why"] for item in fires["items"]] == ["triggered", "backfilled", "backfilled"]
    rest = client.get(f"{at}/fires", params={"after": fires["next"]}).json()["items"]
    assert [item["fire_at"] for item in rest] == ["2026-03-02T01:30:00Z"]


def test_a_preview_gives_times_words_and_notes(client: httpx.Client) -> None:
    body = {
        "trigger": {"type": "cron", "hour": "2", "minute": 30},
        "timezone": "Europe/Berlin",
        "from": "2027-03-27T02:00:00Z",
        "count": 2,
    }
    answer = client.post("/api/schedules/preview", json=body).json()
    assert answer["fires"] == ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    assert answer["words"] == "Every day at 02:30, Europe/Berlin"
    assert answer["notes"][0] == "28 March 2027: 02:30 does not exist, it fires at 03:00."


REFUSED = [
    ({"type": "cron", "expression": "60 * * * *"}, {}, "/trigger/expression", "bad-cron"),
    ({"type": "cron", "expression": "* * * * * *"}, {}, "/trigger/expression", "bad-cron"),
    ({"type": "cron", "expression": "0 0 30 2 *"}, {}, "/trigger/expression", "bad-cron"),
    ({"type": "cron", "expression": "@reboot"}, {}, "/trigger/expression", "bad-cron"),
    ({"type": "cron", "hour": 24}, {}, "/trigger/hour", "bad-cron"),
    ({"type": "interval", "seconds": 0.2}, {}, "/trigger", "too-often"),
    ({"type": "date", "run_at": "2020-01-01T00:00:00Z"}, {}, "/trigger/run_at", "in-past"),
    ({"type": "moon"}, {}, "/trigger/type", "unknown-type"),
    ({"type": "interval", "minutes": 1}, {"timezone": "Mars/Phobos"}, "/timezone", "bad-zone"),
    ({"type": "interval", "minuts": 1}, {}, "/trigger/minuts", "unknown-field"),
    ({"type": "interval", "minutes": 1}, {"count": 101}, "/count", "out-of-range"),
]


@pytest.mark.parametrize(
    ("trigger", "more", "pointer", "code"), REFUSED, ids=[str(n) for n in range(len(REFUSED))]
)
def test_a_trigger_that_cannot_be_is_refused_at_its_place(
    client: httpx.Client, trigger: object, more: dict[str, object], pointer: str, code: str
) -> None:
    answer = client.post("/api/schedules/preview", json={"trigger": trigger, **more})
    assert codes(answer) == [(pointer, code)]


def test_who_may_not_is_told_which_role_is_needed(api: Api, client: httpx.Client) -> None:
    made(client, "guarded")
    with api.client("viewer") as viewer:
        assert viewer.get("/api/jobs/guarded").status_code == 200
        assert viewer.post("/api/jobs/guarded/run").json()["required"] == "operator"
    with api.client("operator") as operator:
        assert operator.post("/api/jobs/guarded/run").status_code == 201
        assert operator.delete("/api/jobs/guarded").json()["required"] == "author"
