"""What is measured: a throw-away Perdure of its own, or one that runs somewhere."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psutil

from perdure import Client
from perdure.endpoint import EndpointFile, find_endpoint
from perdure_cli.stops import WrongUse

SLOTS: Final = 4
"""As the peers: four programs at once."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class System:
    """A running Perdure, and a client that speaks to it."""

    url: str
    token: str
    client: Client
    data_dir: Path | None
    """Where it lives when it is ours to measure from the inside."""

    @property
    def endpoint(self) -> EndpointFile | None:
        """What it says of itself, when it runs on this machine and is ours."""
        if self.data_dir is None:
            return None
        return _read(self.data_dir)

    def processes(self, *names: str) -> list[psutil.Process]:
        """Give some of its processes, as endpoint.json names them."""
        found = self.endpoint
        pids = {} if found is None else found.pids
        return [psutil.Process(pid) for name in names if (pid := pids.get(name))]


@contextmanager
def existing(url: str, token: str | None) -> Iterator[System]:
    """Measure a Perdure that runs already; runs are left in it."""
    found = find_endpoint(url, token)
    with Client(found.url, found.token) as client:
        yield System(found.url, found.token, client, None)


@contextmanager
def throw_away() -> Iterator[System]:
    """Start a Perdure in a folder of its own, and remove both at the end."""
    with folder() as directory:
        process, _ = start(directory)
        try:
            found = _read(directory)
            with Client(found.url, found.admin_token) as client:
                yield System(found.url, found.admin_token, client, directory)
        finally:
            stop(process)


@contextmanager
def folder() -> Iterator[Path]:
    """Give a data directory that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="perdure-bench-"))
    # When root measures, PostgreSQL runs as another user, which must pass through.
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def start(directory: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start `perdure up` on a data directory; gives it, and the seconds until it was ready."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PERDURE_")} | {
        "PERDURE_DATA_DIR": str(directory),
        "PERDURE_PORT": "0",
        "PERDURE_EXECUTOR_SLOTS": str(SLOTS),
    }
    started = time.monotonic()
    with (directory / "terminal.txt").open("ab") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "perdure_cli.main", "up"],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while time.monotonic() - started < START_SECONDS:
        with suppress(OSError, msgspec.DecodeError):
            if _read(directory).pids.get("supervisor") == process.pid:
                return process, time.monotonic() - started
        if process.poll() is not None:
            break
        time.sleep(LOOK_SECONDS)
    stop(process)
    said = (directory / "terminal.txt").read_text(errors="replace").strip().splitlines()
    message = f"Cannot start a Perdure to measure: {said[-1] if said else 'it said nothing'}"
    raise WrongUse(message)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop what `start` gave."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read(directory: Path) -> EndpointFile:
    return msgspec.json.decode((directory / "endpoint.json").read_bytes(), type=EndpointFile)
