"""Programs that tests start: each ends with the test run, even when that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from perdure_devstack import launch


def clean_environment(**variables: str) -> dict[str, str]:
    """Give the environment without anything of Perdure's but these variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    return kept | variables


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    output: IO[bytes] | int = subprocess.DEVNULL,
    errors: IO[bytes] | int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that gets SIGTERM when this process ends."""
    binding = (str(int(signal.SIGTERM)), str(os.getpid()), "-1", "-1", str(directory))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", launch.__file__, *binding, *argv],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """Send the signal, wait for the end, and give the exit code."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
