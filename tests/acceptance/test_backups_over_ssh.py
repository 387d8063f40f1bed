"""Backups to and from another machine, played by an sshd of our own on loopback."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.nasty_tree import make, picture
from tests.support.programs import start, stop
from tests.support.system import System
from tests.support.waiting import eventually

SSHD = os.environ.get("PERDURE_TEST_SSHD") or shutil.which("sshd", path="/usr/sbin:/usr/bin")
NEEDED = (SSHD, shutil.which("ssh"), shutil.which("ssh-keygen"), shutil.which("rsync"))
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(None in NEEDED, reason="!!! there is no sshd, ssh or rsync here"),
]
FINAL = ("completed", "partial", "failed", "cancelled")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give the saved host that stands for another machine."""
    folder = tmp_path_factory.mktemp("machine")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPidFile none\nPermitRootLogin prohibit-password\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd wants to have it when root starts it
    with (folder / "log").open("wb") as output:
        process = start(
            [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")],
            environment=os.environ,
            directory=folder,
            output=output,
        )
    try:
        eventually(lambda: b"listening" in (folder / "log").read_bytes(), 20, what="sshd listens")
        yield {
            "address": "127.0.0.1",
            "user": getpass.getuser(),
            "port": port,
            "key": str(folder / "user"),
            "host_key": " ".join((folder / "host.pub").read_text().split()[:2]),
            "roots": [str(folder / "backups")],
        }
    finally:
        stop(process)


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


def ran(client: httpx.Client, spec: dict[str, Any], **fields: object) -> dict[str, Any]:
    answer = client.post("/api/runs", json={"spec": {"kind": "rsync", **spec}, **fields})
    assert answer.status_code == 201, answer.text

    def over() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/api/runs/{answer.json()['id']}").json()
        return found if found["state"] in FINAL else None

    found = eventually(over, 60, what="the run is over")
    assert found is not None
    return found


def test_a_tree_goes_to_another_machine_and_comes_back(
    client: httpx.Client, machine: dict[str, Any], tmp_path: Path
) -> None:
    source, back, there = tmp_path / "source", tmp_path / "back", Path(machine["roots"][0])
    there.mkdir()
    make(source, 60)
    assert client.put("/api/hosts/other", json=machine).status_code == 200
    push = {
        "source": f"{source}/",
        "destination": f"{there}/a copy",
        "host": "other",
        "options": {"hard_links": True},
    }
    assert ran(client, push)["state"] == "completed"
    assert picture(there / "a copy") == picture(source)

    (source / "plain").unlink()
    push["options"] = {"hard_links": True, "delete": True}
    assert client.post("/api/runs", json={"spec": {"kind": "rsync", **push}}).status_code == 409
    dry = client.post("/api/rsync/dry-run?wait_seconds=30", json=push).json()
    assert dry["result"]["deleted"] == {"count": 1, "first": ["plain"]}
    assert ran(client, push)["state"] == "completed"
    assert picture(there / "a copy") == picture(source)

    pull = {
        "source": f"{there}/a copy/",
        "destination": str(back),
        "host": "other",
        "host_side": "source",
        "options": {"hard_links": True},
    }
    assert ran(client, pull)["state"] == "completed"
    assert picture(back) == picture(source)

    outside = {**push, "destination": "/etc/x"}
    refused = client.post("/api/runs", json={"spec": {"kind": "rsync", **outside}})
    assert [fault["code"] for fault in refused.json()["errors"]] == ["outside-root"]


def test_a_machine_that_shows_another_key_is_not_spoken_to(
    client: httpx.Client, machine: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    there = Path(machine["roots"][0])
    client.put("/api/hosts/changed", json={**machine, "host_key": "ssh-ed25519 " + "A" * 68})
    spec = {
        "source": f"{tmp_path}/source/",
        "destination": f"{there}/never",
        "host": "changed",
    }
    run = ran(client, spec, retry={"max_attempts": 1})
    assert (run["state"], run["failure"]["reason"]) == ("failed", "exit")
    assert run["failure"]["exit_code"] in (12, 255)
    log = client.get(f"/api/runs/{run['id']}/log", params={"format": "text"}).text
    assert "Host key verification failed" in log
    assert not (there / "never").exists()
