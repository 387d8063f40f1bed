"""Batches over HTTP on a whole system: where items come from, what is refused, what is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from perdure import BatchSpec, Client, CommandSpec, NewRun
from perdure_cli.main import root
from tests.support.system import System

SHELL = {"kind": "command", "argv": ["sh", "-c", 'test "$1" != bad', "sh", "{item}"]}
ORDERS = "key,town,amount\no1,Bonn,3\no2,Köln,4\no3,bad,5\n"


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


def asked(client: httpx.Client, spec: dict[str, Any], **fields: object) -> dict[str, Any]:
    answer = client.post("/api/runs", json={"spec": {"kind": "batch", **spec}, **fields})
    assert answer.status_code == 201, answer.text
    run: dict[str, Any] = answer.json()
    return run


def refused(client: httpx.Client, spec: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    answer = client.post("/api/runs", json={"spec": {"kind": "batch", **spec}})
    return answer.status_code, [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


def test_items_in_the_body_run_and_tell_what_became_of_each(
    client: httpx.Client, running_system: System
) -> None:
    run = asked(client, {"items": ["good", "bad", 7], "each": SHELL})
    assert run["items"] == {
        "total": 3, "pending": 3, "done": 0, "failed": 0, "skipped": 0, "filtered": 0,
    }  # fmt: skip
    assert run["spec"]["input"]["total"] == 3
    assert "items" not in run["spec"]
    with Client(running_system.endpoint.url, running_system.endpoint.admin_token) as python:
        ended = python.wait(run["id"], timeout_seconds=60)
        assert (ended.state, ended.failure, ended.kind) == ("partial", None, "batch")
        items = python.items(run["id"]).items
        assert [(i.ordinal, i.key, i.outcome) for i in items] == [
            (1, "1", "done"), (2, "2", "failed"), (3, "3", "done"),
        ]  # fmt: skip
        assert items[1].error
        again = python.retry_items(run["id"], keys=["2"])
        assert again.items is not None
        assert (again.state, again.items.pending) == ("queued", 1)
        assert python.wait(run["id"], timeout_seconds=60).state == "partial"
        assert python.items(run["id"], outcome="failed").items[0].attempt == 2
        lines = python.items_csv(run["id"], outcome="done").splitlines()
        assert lines[0] == "ordinal,key,outcome,tries,error,attempt"
        assert lines[1:] == ["1,1,done,1,,1", "3,3,done,1,,1"]
    answer = client.get(f"/api/runs/{run['id']}/items", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == 4


def test_an_upload_is_named_by_the_request_and_shared_by_a_rerun(
    client: httpx.Client, running_system: System, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    each = CommandSpec(argv=("sh", "-c", 'test "$1" != bad', "sh", "{town}"))
    with Client(running_system.endpoint.url, running_system.endpoint.admin_token) as python:
        sent = python.upload(file)
        assert (sent.total, sent.fields) == (3, ("key", "town", "amount"))
        file.unlink()
        run = python.submit(NewRun(name="orders", spec=BatchSpec(each=each, upload=sent.upload)))
        assert python.wait(run.id, timeout_seconds=60).state == "partial"
        assert [item.key for item in python.items(run.id, outcome="failed").items] == ["o3"]
        assert [item.key for item in python.items(run.id, q="O2").items] == ["o2"]
        twin = python.rerun(run.id)
        assert isinstance(twin.spec, BatchSpec)
        assert twin.spec.input is not None
        assert twin.spec.input.input == sent.upload
        assert python.wait(twin.id, timeout_seconds=60).state == "partial"
        assert python.delete(run.id).removed == ("input", "output")
        gone = client.get(f"/api/runs/{run.id}/items").json()
        assert all(item["outcome"] == "pending" for item in gone["items"])
        assert client.post(f"/api/runs/{run.id}/resume").status_code == 409
        python.delete(twin.id)
        assert client.get(f"/api/runs/{twin.id}/items").json() == {"items": [], "next": None}


def test_a_file_within_the_roots_is_read_once(
    client: httpx.Client, running_system: System, tmp_path: Path
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"name": "ann"}\n{"name": "bob"}\n')
    each = {"kind": "command", "argv": ["true", "{name}", "{n}", "{key}"]}
    run = asked(client, {"file": str(file), "each": each}, run_at="2099-01-01T00:00:00Z")
    assert run["spec"]["input"]["fields"] == ["name"]
    file.unlink()
    assert client.post(f"/api/runs/{run['id']}/retry-now").status_code == 200
    with Client(running_system.endpoint.url, running_system.endpoint.admin_token) as python:
        assert python.wait(run["id"], timeout_seconds=60).state == "completed"
    assert refused(client, {"file": str(file), "each": each}) == (422, [("/spec/file", "no-file")])
    for outside in ("/etc/passwd", f"{tmp_path}/../../../../etc/passwd"):
        found = refused(client, {"file": outside, "each": each})
        assert found == (422, [("/spec/file", "outside-roots")])
    (tmp_path / "link").symlink_to("/etc/passwd")
    found = refused(client, {"file": str(tmp_path / "link"), "each": each})
    assert found == (422, [("/spec/file", "outside-roots")])
    (tmp_path / "bad.csv").write_bytes(b"name,town\nann,caf\xe9\n")
    answer = client.post(
        "/api/runs",
        json={"spec": {"kind": "batch", "file": str(tmp_path / "bad.csv"), "each": each}},
    )
    problem = answer.json()
    assert (problem["type"], problem["row"], problem["column"]) == ("/problems/bad-input", 2, 2)
    assert problem["errors"][0]["pointer"] == "/spec/file"
    assert "UTF-8" in problem["detail"]


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        ({}, [("/spec/items", "missing")]),
        ({"items": []}, [("/spec/items", "too-few")]),
        ({"items": [1], "upload": "x"}, [("/spec/upload", "not-both")]),
        ({"items": [1, [2]]}, [("/spec/items/1", "bad-item")]),
        ({"items": [{"key": "a"}, {"key": "a"}]}, [("/spec/items/1", "duplicate-item")]),
        ({"upload": "00000000-0000-7000-8000-000000000000"}, [("/spec/upload", "unknown-upload")]),
        ({"upload": "no id"}, [("/spec/upload", "unknown-upload")]),
        ({"file": "orders.csv"}, [("/spec/file", "not-absolute")]),
        (
            {"items": [{"a": 1}], "each": {"kind": "command", "argv": ["true", "{b}"]}},
            [("/spec/each/argv/1", "unknown-field")],
        ),
        (
            {"items": [1], "each": {"kind": "command", "argv": []}},
            [("/spec/each/argv", "empty-command")],
        ),
    ],
)
def test_what_cannot_be_a_batch_is_refused_where_it_stands(
    client: httpx.Client, spec: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert refused(client, {"each": SHELL, **spec}) == (422, faults)


def test_uploads_that_are_wrong_name_row_and_column(client: httpx.Client) -> None:
    for body, row, column in (
        (b"a,b\n1,2\n3\n", 3, 2),
        (b'a,b\n1,"2\n', 2, 2),
        (b"key,b\nx,1\nx,2\n", 3, None),
        (b"a,b\n", 1, None),
        (b"", 1, None),
    ):
        answer = client.post("/api/uploads", content=body, headers={"Content-Type": "text/csv"})
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, "/problems/bad-input"), body
        assert (problem["row"], problem.get("column")) == (row, column)
    form = client.post("/api/uploads", files={"file": b"a\n1\n"})
    assert form.status_code == 415
    lines = client.post("/api/uploads?format=jsonl", content=b"1\n2\n")
    assert (lines.status_code, lines.json()["total"]) == (201, 2)


def test_the_command_line_does_it_for_each_line_of_a_file(
    running_system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_DATA_DIR", str(running_system.data_dir))
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)

    def perdure(*words: str) -> Result:
        return CliRunner().invoke(root, words, catch_exceptions=False)

    program = ("sh", "-c", 'test "$1" != bad', "sh", "{town}")
    sent = perdure("run", "submit", "--batch", str(file), "--concurrency", "2", "--", *program)
    assert (sent.exit_code, sent.stderr) == (0, "3 items sent\n")
    run = sent.stdout.strip()
    assert perdure("run", "wait", run).exit_code == 1
    told = perdure("run", "items", run, "--outcome", "failed").stdout.splitlines()
    assert [line.split()[:5] for line in told] == [
        ["ITEM", "KEY", "OUTCOME", "TRIES", "ATTEMPT"],
        ["3", "o3", "failed", "1", "1"],
    ]
    assert perdure("run", "retry-items", run, "--key", "o3").exit_code == 0
    assert perdure("run", "wait", run).exit_code == 1
    assert "1 failed" in perdure("run", "show", run).stdout
    assert perdure("run", "items", run, "--csv").stdout.count("\n") == 4
    wrong = perdure("run", "retry-items", run, "--key", "o1")
    assert wrong.exit_code != 0
    assert "has not failed" in wrong.stderr


def test_items_are_of_batches_only(client: httpx.Client) -> None:
    run = client.post("/api/runs", json={"spec": {"kind": "command", "argv": ["true"]}}).json()
    assert run["items"] is None
    found = client.get(f"/api/runs/{run['id']}/items").json()
    assert found == {"items": [], "next": None}
    assert client.post(f"/api/runs/{run['id']}/retry-items").status_code == 409
    assert client.get(f"/api/runs/{run['id']}/items?outcome=lost").status_code == 422
