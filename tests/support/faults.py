"""What breaks a system on purpose, and work that shows whether it was broken."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil

from perdure_devstack.chosen import choose
from perdure_devstack.directories import Directories
from perdure_devstack.postgres import EmbeddedPostgres
from tests.support.programs import clean_environment, start, stop
from tests.support.system import System
from tests.support.waiting import NeverError, eventually

PERDURE_EXECUTOR: Final = (sys.executable, "-m", "perdure_cli.main", "executor")
FINAL: Final = ("completed", "partial", "failed", "cancelled")


class Work:
    """Commands that leave traces in a folder and go on only when the test opens their gate.

    `marks` has one line a start and one an end of each attempt: `start 1`, `end 1`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        os.mkfifo(folder / "gate")

    @property
    def marks(self) -> list[str]:
        """What attempts have left so far."""
        marks = self.folder / "marks"
        return marks.read_text().splitlines() if marks.exists() else []

    @property
    def gated(self) -> dict[str, object]:
        """A spec: mark the start, wait at the gate, mark the end, say a word."""
        script = (
            'echo "start $PERDURE_ATTEMPT" >> marks; echo waiting; '
            '[ -e open ] || read -r _ < gate; echo "end $PERDURE_ATTEMPT" >> marks; echo done'
        )
        return self.script(script)

    def script(self, text: str) -> dict[str, object]:
        """A spec for bash in the folder."""
        return {"kind": "command", "argv": ["bash", "-c", text], "cwd": str(self.folder)}

    def open_gate(self) -> None:
        """Let everything through that waits or will come."""
        (self.folder / "open").touch()
        self.knock()

    def knock(self) -> None:
        """Let through what waits now; nobody may."""
        with suppress(OSError):
            os.close(os.open(self.folder / "gate", os.O_WRONLY | os.O_NONBLOCK))


def counting(lines: int, pause: float) -> dict[str, object]:
    """A spec that says `line 1` … `line n`, a pause before each."""
    text = f"for i in $(seq {lines}); do sleep {pause}; echo line $i; done"
    return {"kind": "command", "argv": ["bash", "-c", text]}


def ask(client: httpx.Client, spec: dict[str, object], **fields: object) -> str:
    """Request a run and give its id."""
    answer = client.post("/api/runs", json={"spec": spec, **fields})
    assert answer.status_code == 201, answer.text
    run_id: str = answer.json()["id"]
    return run_id


def ask_until_answered(client: httpx.Client, body: Mapping[str, object], key: str) -> str:
    """Request a run as a good client does: with a key, again and again until it is answered."""

    def answered() -> str | None:
        answer = client.post("/api/runs", json=body, headers={"Idempotency-Key": key}, timeout=5)
        if answer.status_code not in (201, 500, 503):
            raise NeverError(answer.text)
        found: str | None = answer.json()["id"] if answer.status_code == 201 else None
        return found

    run_id = eventually(answered, 60, what=f"the request {key} is answered")
    assert run_id is not None
    return run_id


def ended(system: System, run_id: str) -> dict[str, object]:
    """Wait until a run is final, and give it."""
    return system.run_that(run_id, lambda run: run["state"] in FINAL)


def all_ended(system: System, run_ids: list[str], seconds: float = 60) -> dict[str, str]:
    """Wait until all of these runs are final, and give the state of each."""
    with system.client() as client:

        def states() -> dict[str, str] | None:
            found = {
                run_id: client.get(f"/api/runs/{run_id}").raise_for_status().json()["state"]
                for run_id in run_ids
            }
            return found if all(state in FINAL for state in found.values()) else None

        found = eventually(states, seconds, what="all runs end")
    assert found is not None
    return found


def events(client: httpx.Client, run_id: str) -> list[dict[str, object]]:
    """Give a run's events in order."""
    found: list[dict[str, object]] = client.get(
        f"/api/runs/{run_id}/events", params={"limit": 500}
    ).json()["items"]
    return found


def names(found: list[dict[str, object]]) -> list[str]:
    """Give the short names of a run's events."""
    return [str(e["type"]).removeprefix("perdure.run.").removesuffix(".v1") for e in found]


def log_text(client: httpx.Client, run_id: str, attempt: int = 1) -> list[str]:
    """Give the lines of an attempt's log, and check that they are numbered without a gap."""
    found = client.get(f"/api/runs/{run_id}/log", params={"attempt": attempt, "limit": 500}).json()[
        "items"
    ]
    assert [line["line"] for line in found] == list(range(1, len(found) + 1))
    return [line["text"] for line in found]


def processes_of(run_id: str, attempt: int | None = None) -> list[psutil.Process]:
    """Give the living processes of a run, known by their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get("PERDURE_RUN_ID") == run_id and (
                attempt is None or environment.get("PERDURE_ATTEMPT") == str(attempt)
            ):
                found.append(process)
    return [process for process in found if is_alive(process.pid)]


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def superuser_url(system: System) -> str:
    """Give the address of the embedded PostgreSQL for its superuser."""
    directories = Directories(system.data_dir)
    return EmbeddedPostgres(directories, choose(directories).postgres, os.environ).superuser_url


@contextmanager
def log_held(system: System) -> Iterator[None]:
    """Keep everything from being written: hold the lock that every commit of the log needs last."""
    url = superuser_url(system)
    taken, release = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM perdure.head FOR UPDATE")
            taken.set()
            await asyncio.to_thread(release.wait)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        release.set()
        thread.join()


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Keep processes from running (SIGSTOP) for as long as the block lasts."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def second_executor(
    system: System, name: str, *, nats_url: str | None = None, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an executor of one's own beside that of a system, until the block ends."""
    folder = system.folder / name
    folder.mkdir()
    environment = clean_environment(
        PERDURE_DATA_DIR=str(folder),
        PERDURE_EXECUTOR_NAME=name,
        PERDURE_NATS_URL=nats_url or system.endpoint.nats_url,
        **variables,
    )
    with (folder / "output.txt").open("wb") as output:
        process = start(PERDURE_EXECUTOR, environment=environment, directory=folder, output=output)
    try:
        with system.client() as client:
            eventually(
                lambda: any(
                    executor["name"] == name and executor["state"] == "live"
                    for executor in client.get("/api/executors").json()["items"]
                ),
                what=f"executor {name} is live",
            )
        yield process
    finally:
        stop(process)


class Proxy:
    """Stands between an executor and NATS; can be cut and restored."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        place = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
        self.url = urlunsplit(parts._replace(netloc=place))
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told so: a cable was pulled."""
        self._whole.clear()

    def restore(self) -> None:
        """Let new connections through; what was open before has broken."""
        self._break()
        self._whole.set()

    def close(self) -> None:
        """End for good."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self._break()
        for thread in self._threads:
            thread.join()

    def _break(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._carry, args=(near,))
            self._threads.append(thread)
            thread.start()

    def _carry(self, near: socket.socket) -> None:
        """Carry both ways until one side ends; one that comes while it is cut hears nothing."""
        with near, suppress(OSError):
            self._open.add(near)
            if not self._whole.is_set():
                near.recv(1)
                return
            with socket.create_connection(self._target) as far:
                self._open.add(far)
                back = threading.Thread(target=self._pump, args=(far, near))
                back.start()
                self._pump(near, far)
                back.join()
                self._open.discard(far)
        self._open.discard(near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._whole.is_set():
                    sink.sendall(data)
        for connection in (source, sink):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
