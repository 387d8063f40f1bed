"""Backups with the real rsync: what is there afterwards, what is refused, what is resumed."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner

import perdure
from perdure_cli.main import root
from tests.support.nasty_tree import blocks, make, picture
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="!!! there is no rsync here"),
]
FINAL = ("completed", "partial", "failed", "cancelled")
FAITHFUL = {"hard_links": True, "sparse": True}


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


def backup(source: Path, destination: Path, **options: object) -> dict[str, Any]:
    return {
        "kind": "rsync",
        "source": f"{source}/",
        "destination": str(destination),
        "options": options,
    }


def started(client: httpx.Client, spec: dict[str, Any], **fields: object) -> str:
    answer = client.post("/api/runs", json={"spec": spec, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ended(client: httpx.Client, run: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/api/runs/{run}").raise_for_status().json()
        return found if found["state"] in FINAL else None

    found = eventually(over, 60, what=f"run {run} is over")
    assert found is not None
    return found


def ran(client: httpx.Client, spec: dict[str, Any], **fields: object) -> dict[str, Any]:
    return ended(client, started(client, spec, **fields))


def log_of(client: httpx.Client, run: str) -> str:
    return client.get(f"/api/runs/{run}/log", params={"format": "text"}).text


def rsync_of(run: str) -> list[psutil.Process]:
    """Give the processes of a run that are rsync itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "rsync" and process.environ().get("PERDURE_RUN_ID") == run:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_a_nasty_tree_is_backed_up_changed_cleaned_up_and_restored_byte_by_byte(
    client: httpx.Client, tmp_path: Path
) -> None:
    source, copy, restored = tmp_path / "source", tmp_path / "copy", tmp_path / "restored"
    make(source, 300)
    spec = backup(source, copy, **FAITHFUL)
    shown = client.post("/api/rsync/preview", json=spec).json()
    first = ran(client, spec)
    assert (first["state"], first["kind"]) == ("completed", "rsync")
    assert picture(copy) == picture(source)
    assert blocks(copy / "sparse") < 1_000_000
    assert first["metrics"]["transferred"] > 300
    assert (first["progress"]["fraction"], first["progress"]["unit"]) == (1.0, "%")
    ran_line = log_of(client, first["id"]).splitlines()[0]
    assert ran_line.startswith("rsync --archive --hard-links")
    assert all(element in ran_line for element in shown["argv"] if "%" not in element)

    os.utime(source / "plain", (1, 1))
    (source / "with space").write_bytes(b"another content")
    (source / "brand new").write_bytes(b"new")
    shutil.rmtree(source / "dir 3")
    second = ran(client, spec)
    assert second["metrics"]["transferred"] < 10
    assert (copy / "dir 3").is_dir()
    assert (copy / "with space").read_bytes() == b"another content"

    spec = backup(source, copy, **FAITHFUL, delete=True, max_delete=500)
    refused = client.post("/api/runs", json={"spec": spec})
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/dry-run-needed"
    assert client.post("/api/jobs", json={"name": "cleaned", "spec": spec}).status_code == 409
    dry = client.post("/api/rsync/dry-run?wait_seconds=30", json=spec)
    assert dry.status_code == 201, dry.text
    result = dry.json()["result"]
    assert result["deleted"]["count"] > 40
    assert "dir 3/" in result["deleted"]["first"]
    assert (result["new"]["count"], result["changed"]["count"]) == (0, 0)
    assert (copy / "dir 3").is_dir()
    assert client.get(dry.headers["location"]).json()["result"] == result
    other = {**spec, "options": {**spec["options"], "exclude": ["*.tmp"]}}
    assert client.post("/api/runs", json={"spec": other}).status_code == 409

    third = ran(client, spec)
    assert third["metrics"]["deleted"] == result["deleted"]["count"]
    assert picture(copy) == picture(source)
    assert client.post("/api/jobs", json={"name": "cleaned", "spec": spec}).status_code == 201
    again = client.post("/api/jobs/cleaned/run", json={}).json()
    assert (ended(client, again["id"])["state"], again["max_attempts"]) == ("completed", 6)

    assert ran(client, backup(copy, restored, **FAITHFUL))["state"] == "completed"
    assert picture(restored) == picture(source)


def test_an_empty_source_deletes_nothing(client: httpx.Client, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    (copy / "precious").write_text("x")
    (source / "a").write_text("x")
    spec = backup(source, copy, delete=True)
    client.post("/api/rsync/dry-run?wait_seconds=30", json=spec).raise_for_status()
    (source / "a").unlink()
    run = ran(client, spec)
    assert run["failure"]["reason"] == "rejected"
    assert "is empty" in run["failure"]["message"]
    assert (copy / "precious").exists()


def test_deletions_stop_at_their_limit_and_what_is_replaced_is_kept(
    client: httpx.Client, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    for folder in (source, copy):
        folder.mkdir()
    (source / "kept").write_text("new")
    (copy / "kept").write_text("old one")
    for number in range(5):
        (copy / f"old {number}").write_text("x")
    spec = backup(source, copy, delete=True, max_delete=2, backup=True, backup_dir=".old/{date}")
    client.post("/api/rsync/dry-run?wait_seconds=30", json=spec).raise_for_status()
    run = ran(client, spec)
    assert (run["state"], run["failure"]["exit_code"]) == ("failed", 25)
    assert "limit of deletions" in run["failure"]["message"]
    assert run["attempt"] == 1
    assert len(list(copy.glob("old *"))) == 3
    (day,) = (copy / ".old").iterdir()
    assert (day / "kept").read_text() == "old one"
    assert ended(client, run["id"])["metrics"]["deleted"] == 2


def test_links_that_lead_out_are_left_out_and_a_changed_link_is_refused(
    client: httpx.Client, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    (source / "in").write_text("x")
    (source / "out").symlink_to("/etc/passwd")
    assert ran(client, backup(source, copy))["state"] == "completed"
    assert sorted(path.name for path in copy.iterdir()) == ["in"]

    link = tmp_path / "link"
    link.symlink_to("/etc")
    refused = client.post("/api/runs", json={"spec": backup(link, copy)})
    assert refused.status_code == 422
    assert [e["code"] for e in refused.json()["errors"]] == ["outside-root"]
    link.unlink()
    link.symlink_to(source)
    later = started(client, backup(link, copy), run_at="2100-01-01T00:00:00Z")
    link.unlink()
    link.symlink_to("/etc")
    client.post(f"/api/runs/{later}/retry-now").raise_for_status()
    run = ended(client, later)
    assert (run["state"], run["failure"]["reason"]) == ("failed", "rejected")
    assert "Must be inside" in run["failure"]["message"]


def test_what_cannot_be_read_fails_or_is_partial_as_one_likes(
    client: httpx.Client, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    (source / "a").write_text("x")
    # A directory stands where a file must go, and is not empty: this one cannot be copied.
    (source / "b").write_text("x")
    (copy / "b" / "inside").mkdir(parents=True)
    spec = backup(source, copy)
    run = ran(client, spec)
    assert (run["state"], run["failure"]["exit_code"], run["attempt"]) == ("failed", 23, 1)
    assert "Some files could not be copied" in run["failure"]["message"]
    run = ran(client, {**spec, "incomplete": "accept"})
    assert (run["state"], run["failure"]) == ("partial", None)
    assert (copy / "a").exists()
    shutil.rmtree(copy / "b")
    client.post(f"/api/runs/{run['id']}/restart").raise_for_status()
    assert ended(client, run["id"])["state"] == "completed"


def test_a_cancelled_copy_goes_on_where_it_was(client: httpx.Client, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    with (source / "big").open("wb") as file:
        for _ in range(4):
            file.write(os.urandom(1_000_000))
    run = started(client, backup(source, copy, bandwidth_limit="1M"))

    def under_way() -> bool:
        progress = client.get(f"/api/runs/{run}").json()["progress"]
        return bool(progress and progress["figures"].get("bytes", 0) > 1_500_000)

    eventually(under_way, 60, what="1.5 MB are copied")
    client.post(f"/api/runs/{run}/cancel", json={}).raise_for_status()
    assert ended(client, run)["state"] == "cancelled"
    assert (copy / ".rsync-partial" / "big").stat().st_size > 1_000_000
    mark = client.get(f"/api/runs/{run}").json()["checkpoint"]
    assert mark["number"] == 1
    client.post(f"/api/runs/{run}/resume").raise_for_status()
    over = ended(client, run)
    assert over["state"] == "completed"
    assert over["metrics"]["matched_bytes"] > 1_000_000
    assert (copy / "big").read_bytes() == (source / "big").read_bytes()
    assert not (copy / ".rsync-partial").exists()


def test_a_killed_rsync_is_told_and_restarted(client: httpx.Client, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(2_500_000))
    run = started(client, backup(source, copy, bandwidth_limit="1M"))
    first = eventually(lambda: rsync_of(run), 30, what="rsync runs")
    for process in first:
        with suppress(psutil.NoSuchProcess):  # the others end with the first
            process.send_signal(signal.SIGKILL)
    over = ended(client, run)
    assert over["state"] in ("failed", "completed")
    if over["state"] == "failed":
        assert over["failure"]["reason"] in ("signal", "exit")
        client.post(f"/api/runs/{run}/restart").raise_for_status()
    assert ended(client, run)["state"] == "completed"
    # What was killed could not put its temporary file away.
    whole = {name: what for name, what in picture(copy).items() if not name.startswith(b".big.")}
    assert whole == picture(source)


def test_the_command_line_and_python_meet_the_same_guard(
    running_system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    for folder in (source, copy):
        folder.mkdir()
    (source / "new").write_text("x")
    (copy / "old").write_text("x")
    endpoint = running_system.endpoint
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_DATA_DIR", str(running_system.data_dir))

    def perdure_rsync(*words: str) -> tuple[int, str]:
        argv = ["rsync", *words, f"{source}/", str(copy), "--delete"]
        done = CliRunner().invoke(root, argv, catch_exceptions=False)
        return done.exit_code, done.stdout + done.stderr

    code, said = perdure_rsync("preview")
    assert code == 0, said
    assert said.splitlines()[0] == "rsync"
    code, said = perdure_rsync("run")
    assert (code, "--dry-run first" in said) == (2, True), said
    code, said = perdure_rsync("run", "--dry-run")
    assert (code, "- old" in said, "+ new" in said) == (0, True, True), said
    assert (copy / "old").exists()
    code, said = perdure_rsync("run", "--follow")
    assert code == 0, said
    assert [path.name for path in copy.iterdir()] == ["new"]

    saved = ["--address", "nas.example.org", "--user", "me", "--key", "/etc/key", "--root", "/srv"]
    for words, code in (
        (["save", "nas", *saved, "--host-key", "ssh-ed25519 " + "A" * 68], 0),
        (["save", "bad", *saved, "--host-key", "none"], 2),
        (["delete", "nas"], 0),
    ):
        done = CliRunner().invoke(root, ["host", *words], catch_exceptions=False)
        assert done.exit_code == code, done.output

    with perdure.Client(endpoint.url, endpoint.admin_token) as client:
        (copy / "old").write_text("x")
        spec = perdure.RsyncSpec(
            source=f"{source}/",
            destination=str(copy),
            options=perdure.RsyncOptions(delete=True, checksum=True),
        )
        assert client.preview_backup(spec).dry_run_needed
        with pytest.raises(perdure.Conflict):
            client.submit(perdure.NewRun(spec=spec))
        found = client.dry_run(spec, wait_seconds=30)
        assert found.result is not None
        assert found.result.deleted.first == ("old",)
        assert not client.preview_backup(spec).dry_run_needed
        assert client.wait(client.submit(perdure.NewRun(spec=spec)).id).state == "completed"
        assert "3." in client.executors().items[0].programs["rsync"]


def test_hosts_are_saved_named_and_hold_no_secret(client: httpx.Client, tmp_path: Path) -> None:
    host = {
        "address": "127.0.0.1",
        "user": "backup",
        "port": 9,
        "key": "/nowhere/key",
        "host_key": "ssh-ed25519 " + "A" * 68,
        "roots": ["/srv"],
    }
    wrong = client.put("/api/hosts/offsite", json={**host, "address": "-oProxyCommand=x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/address")
    saved = client.put("/api/hosts/offsite", json=host).json()
    assert saved == {"name": "offsite", **host, "version": 1}
    assert client.get("/api/hosts").json()["items"] == [saved]
    spec = {**backup(tmp_path, Path("/srv/x")), "host": "offsite"}
    shown = client.post("/api/rsync/preview", json=spec).json()
    assert shown["argv"][-1] == "127.0.0.1:/srv/x"
    assert any("Owners" in said for said in shown["warnings"])
    spec["saved_host"] = host
    refused = client.post("/api/rsync/preview", json=spec)
    assert refused.json()["errors"][0]["code"] == "not-allowed"
    del spec["saved_host"]
    # Nobody listens there: a fault of the network, which the default policy tries again.
    run = started(client, spec)
    eventually(lambda: client.get(f"/api/runs/{run}").json()["attempt"] >= 2, what="tried again")
    client.post(f"/api/runs/{run}/cancel", json={}).raise_for_status()
    ended(client, run)
    assert client.delete("/api/hosts/offsite").json() == {"name": "offsite"}
    assert client.get("/api/hosts/offsite").status_code == 404
    unknown = client.post("/api/runs", json={"spec": spec})
    assert unknown.json()["errors"][0]["code"] == "unknown-host"


def test_nothing_beside_the_spec_steers_rsync(
    client: httpx.Client, running_system: System, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(os.urandom(3_000_000))
    run = started(client, backup(source, tmp_path / "copy", bandwidth_limit="1M"))
    (process, *_) = eventually(lambda: rsync_of(run), 30, what="rsync runs")
    environment = process.environ()
    allowed = {"PATH", "TZ", "TMPDIR", "LC_ALL", "HOME"}
    assert {name for name in environment if not name.startswith("PERDURE_")} <= allowed
    assert environment["HOME"] == "/dev/null"
    client.post(f"/api/runs/{run}/cancel", json={"force": True}).raise_for_status()
    assert ended(client, run)["state"] == "cancelled"
    eventually(lambda: not rsync_of(run), 10, what="rsync is gone")
