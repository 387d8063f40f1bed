"""Jobs that are batches: where their items come from, and how long what was stored is kept."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from perdure import Client
from perdure_cli.main import root
from tests.support.system import System

EACH = {"kind": "command", "argv": ["test", "{town}", "!=", "bad"]}
ORDERS = "key,town\no1,Bonn\no2,bad\n"


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    return file


def saved(client: httpx.Client, name: str, **source: object) -> dict[str, Any]:
    spec = {"kind": "batch", "each": EACH, **source}
    answer = client.post("/api/jobs", json={"name": name, "spec": spec})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def refused(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code in (409, 422), answer.text
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def has_input(system: System, input_id: str) -> bool:
    """Have all that nobody uses removed, and tell whether an input is still there."""

    async def look() -> bool:
        connection = await asyncpg.connect(system.endpoint.database_url)
        try:
            await connection.execute(
                "SELECT perdure.remove_unused_inputs(clock_timestamp() + interval '1 day')"
            )
            found = await connection.fetchval(
                "SELECT count(*) FROM perdure.inputs WHERE input = $1::text::uuid", input_id
            )
            return bool(found)
        finally:
            await connection.close()

    return asyncio.run(look())


def test_a_file_is_read_when_the_job_is_saved_and_shared_by_its_runs(
    client: httpx.Client, running_system: System, orders: Path
) -> None:
    job = saved(client, "orders", file=str(orders))
    stored = job["spec"]["input"]
    assert (stored["total"], stored["fields"]) == (2, ["key", "town"])
    again = client.put("/api/jobs/orders", json={"spec": {**job["spec"], "input": None}}).json()
    assert (again["revision"], again["spec"]) == (1, job["spec"])
    orders.unlink()
    with Client(running_system.endpoint.url, running_system.endpoint.admin_token) as python:
        first = client.post("/api/jobs/orders/run").json()
        second = client.post("/api/runs", json={"job": "orders"}).json()
        schedule = {"job": "orders", "trigger": {"type": "interval", "minutes": 5}}
        at = client.post("/api/schedules", json=schedule).json()["id"]
        third = client.post(f"/api/schedules/{at}/trigger").json()
        for run in (first, second, third):
            assert run["spec"]["input"] == stored
            assert python.wait(run["id"], timeout_seconds=60).state == "partial"
        assert [item.key for item in python.items(third["id"], outcome="failed").items] == ["o2"]
        for run in (first, second, third):
            python.delete(run["id"])
    assert has_input(running_system, stored["input"])
    client.delete("/api/jobs/orders").raise_for_status()
    assert not has_input(running_system, stored["input"])


def test_an_upload_is_kept_for_every_revision_that_names_it(
    client: httpx.Client, running_system: System, orders: Path
) -> None:
    upload = client.post(
        "/api/uploads", content=orders.read_bytes(), headers={"Content-Type": "text/csv"}
    ).json()["upload"]
    job = saved(client, "uploaded", upload=upload)
    assert job["spec"]["input"]["input"] == upload
    other = {"spec": {"kind": "batch", "items": [1, 2], "each": {**EACH, "argv": ["true"]}}}
    assert client.put("/api/jobs/uploaded", json=other).json()["spec"]["items"] == [1, 2]
    assert has_input(running_system, upload)
    back = client.post("/api/jobs/uploaded/rollback", json={"revision": 1}).json()
    assert back["spec"] == job["spec"]
    copied = client.post("/api/jobs", json={"name": "copied", "spec": job["spec"]}).json()
    client.delete("/api/jobs/uploaded").raise_for_status()
    assert has_input(running_system, upload)
    client.delete("/api/jobs/copied").raise_for_status()
    assert not has_input(running_system, upload)
    answer = client.post("/api/jobs", json={"name": "copied", "spec": copied["spec"]})
    assert refused(answer) == [("/spec/input", "unknown-input")]


def test_many_items_are_stored_apart_and_few_stay_where_they_are(client: httpx.Client) -> None:
    many = [{"town": f"town {n}"} for n in range(2000)]
    job = saved(client, "many", items=many)
    assert "items" not in job["spec"]
    assert job["spec"]["input"]["total"] == 2000
    run = client.post("/api/jobs/many/run").json()
    assert run["items"]["total"] == 2000
    client.post(f"/api/runs/{run['id']}/cancel", json={"force": True}).raise_for_status()
    assert saved(client, "few", items=many[:3])["spec"]["items"] == many[:3]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ({"file": "/etc/passwd"}, [("/spec/file", "outside-roots")]),
        ({"file": "orders.csv"}, [("/spec/file", "not-absolute")]),
        ({"upload": "none"}, [("/spec/upload", "unknown-upload")]),
        ({"items": [{"city": "Bonn"}]}, [("/spec/each/argv/1", "unknown-field")]),
        (
            {"input": {"input": "none", "sha256": "0", "total": 1, "fields": ["town"]}},
            [("/spec/input", "unknown-input")],
        ),
        ({"items": [1], "upload": "x"}, [("/spec/upload", "not-both")]),
    ],
)
def test_what_cannot_be_read_is_refused_when_the_job_is_saved(
    client: httpx.Client, source: dict[str, object], faults: list[tuple[str, str]]
) -> None:
    spec = {"kind": "batch", "each": EACH, **source}
    assert refused(client.post("/api/jobs", json={"name": "wrong", "spec": spec})) == faults


def test_the_command_line_saves_a_batch_over_a_file(
    running_system: System, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_DATA_DIR", str(running_system.data_dir))

    def perdure(*words: str) -> Result:
        return CliRunner().invoke(root, words, catch_exceptions=False)

    made = perdure("job", "save", "towns", "--batch", str(orders), "--", *EACH["argv"])
    assert (made.exit_code, made.stderr) == (0, "2 items sent\n")
    orders.unlink()
    assert "2 stored items" in perdure("job", "show", "towns").stdout
    assert perdure("job", "run", "towns", "--follow").exit_code == 1
    shown = msgspec.json.decode(perdure("job", "show", "towns", "--json").stdout)
    assert shown["spec"]["input"]["total"] == 2
