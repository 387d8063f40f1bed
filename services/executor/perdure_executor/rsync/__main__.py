"""Runs rsync below a keeper: its output becomes lines of the log and reports on PERDURE_FD.

It is the program of the attempt, so it lives on when the agent is killed. It ends as rsync ends: with
its exit code, or by its signal. Asked to end, rsync has been asked too and is waited for.

    python -m perdure_executor.rsync copy|compare <program> <argument 0> <argument 1> …
"""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time

from perdure_contract.rsync.exits import INCOMPLETE, meaning
from perdure_executor.rsync.listener import Listener

READ_BYTES = 65536
REPORT_SECONDS = 0.25


def main(mode: str, program: str, argv: list[str]) -> int:
    """Run it and give its exit code; `compare` makes the differences the result."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Unlike one that is ignored, a signal that is handled is the default again in rsync.
        signal.signal(number, lambda *_: None)
    _write(1, f"{shlex.join(argv)}\n".encode())
    listener, message = Listener(), "Comparing" if mode == "compare" else "Copying"
    report = int(os.environ["PERDURE_FD"])
    _say(report, progress=listener.progress("Listing files"))
    with subprocess.Popen(  # noqa: S603 -- the argv that `command.argv` made
        argv, executable=program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as rsync:
        _listen(rsync, listener, report, message)
        code = rsync.wait()
    _write(1, listener.finish())
    if code == 0 or code in INCOMPLETE:
        _say(report, progress=listener.progress(message, done=True))
        if mode == "compare":
            _say(report, result=listener.differences.result(listener.figures))
    elif mode == "copy" and listener.standing.bytes:
        # What is there now need not be copied again, so the run can be resumed.
        _say(report, checkpoint=listener.checkpoint())
    if listener.figures:
        _say(report, metrics=listener.figures)
    if code < 0:
        _end_by(-code)
    if code:
        _write(2, f"{meaning(code)}\n".encode())
    return code


def _listen(rsync: subprocess.Popen[bytes], listener: Listener, report: int, message: str) -> None:
    if rsync.stdout is None:
        return
    said_at, said = 0.0, listener.standing
    while data := os.read(rsync.stdout.fileno(), READ_BYTES):
        _write(1, listener.take(data))
        now = time.monotonic()
        if listener.standing != said and now - said_at >= REPORT_SECONDS:
            said_at, said = now, listener.standing
            _say(report, progress=listener.progress(message))


def _say(report: int, **what: object) -> None:
    _write(report, json.dumps(what).encode() + b"\n")


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _end_by(number: int) -> None:
    """End as rsync did; the core, if any, was its own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
