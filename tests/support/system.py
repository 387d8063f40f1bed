"""A whole Perdure under test: `perdure up` on a data directory of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec

from perdure_devstack.endpoint import Endpoint
from tests.support.programs import clean_environment, start, stop
from tests.support.waiting import NeverError, eventually

PERDURE_UP: Final = (sys.executable, "-m", "perdure_cli.main", "up")
START_SECONDS: Final = 60.0


class System:
    """One Perdure; starts, tells where it is, and is broken on purpose.

    Args:
        folder: its present directory; the data directory is `.perdure` in it.
        variables: settings beside the data directory and a free port.
        argv: what is started.
    """

    def __init__(
        self, folder: Path, variables: dict[str, str], argv: tuple[str, ...] = PERDURE_UP
    ) -> None:
        self.folder = folder
        self.data_dir = folder / ".perdure"
        self._argv = argv
        self._environment = clean_environment(
            **({"PERDURE_DATA_DIR": str(self.data_dir), "PERDURE_PORT": "0"} | variables)
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """What endpoint.json says now."""
        return msgspec.json.decode((self.data_dir / "endpoint.json").read_bytes(), type=Endpoint)

    @property
    def output(self) -> str:
        """What the person at the terminal has read so far, over all starts."""
        return (self.folder / "terminal.txt").read_text()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it without waiting for anything."""
        with (self.folder / "terminal.txt").open("ab") as terminal:
            self._process = start(
                self._argv, environment=self._environment, directory=self.folder, output=terminal
            )

    def start(self) -> None:
        """Start it, again if need be, and wait until it is ready."""
        (self.data_dir / "endpoint.json").unlink(missing_ok=True)
        self.launch()

        def is_ready() -> bool:
            if self.process.poll() is not None:
                raise NeverError(self.output)
            return self.endpoint.pids.supervisor == self.process.pid

        eventually(is_ready, START_SECONDS, what="perdure up is ready")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it in good order and give its exit code."""
        return stop(self.process, number)

    def wait(self) -> int:
        """Wait until it ends by itself and give its exit code."""
        return self.process.wait(START_SECONDS)

    def pid(self, name: str) -> int:
        """Give the process id of one part: api, executor, warden, postgres, nats, supervisor."""
        found = getattr(self.endpoint.pids, name)
        assert isinstance(found, int), f"no {name} is running"
        return found

    def kill(self, *names: str, number: signal.Signals = signal.SIGKILL) -> dict[str, int]:
        """Kill parts at once, and give the process ids that they had."""
        pids = {name: self.pid(name) for name in names}
        for pid in pids.values():
            os.kill(pid, number)
        return pids

    def kill_everything(self) -> None:
        """Kill all parts at once, the supervisor first."""
        self.kill("supervisor")
        for name in ("executor", "warden", "api", "nats", "postgres"):
            try:
                self.kill(name)
            except (ProcessLookupError, AssertionError):
                continue
        self.process.wait()

    def runs_again(self, before: dict[str, int], seconds: float = START_SECONDS) -> None:
        """Wait until each of these parts has a new process id."""

        def all_new() -> bool:
            pids = self.endpoint.pids
            return all(getattr(pids, name) not in (None, pid) for name, pid in before.items())

        eventually(all_new, seconds, what=f"{', '.join(before)} run again")

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Give an HTTP client with the admin token."""
        endpoint = self.endpoint
        with httpx.Client(
            base_url=endpoint.url,
            headers={"Authorization": f"Bearer {endpoint.admin_token}"},
            timeout=30,
            trust_env=False,
        ) as client:
            yield client

    def run_that(self, run: str, fits: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """Wait until a run fits, and give it."""
        with self.client() as client:

            def fitting() -> dict[str, object] | None:
                answer: dict[str, object] = client.get(f"/api/runs/{run}").raise_for_status().json()
                return answer if fits(answer) else None

            found = eventually(fitting, what=f"run {run} fits")
        assert found is not None
        return found


@contextmanager
def running(
    folder: Path, variables: dict[str, str], argv: tuple[str, ...] = PERDURE_UP
) -> Iterator[System]:
    """Start a system and stop it at the end, however broken it is by then."""
    system = System(folder, variables, argv)
    system.start()
    try:
        yield system
    finally:
        if system.process.poll() is None:
            system.stop()
