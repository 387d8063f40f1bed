"""Processes of an attempt whose warden and keeper were both killed: found by their environment."""

import asyncio
import os
import signal

from perdure_contract.wire import Attempt
from perdure_executor.warden import tree

PATIENCE_SECONDS = 5.0


async def end_strays(attempts: list[Attempt]) -> None:
    """KILL every process that carries the marks of one of these attempts; wait until they are gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while attempts and (found := _strays(attempts)) and loop.time() < deadline:
        for pid in found:
            tree.send(tree.descendants(pid), signal.SIGKILL)
        tree.send(found, signal.SIGKILL)
        await asyncio.sleep(0.02)


def _strays(attempts: list[Attempt]) -> list[int]:
    marks = [
        (f"PERDURE_RUN_ID={attempt.run}".encode(), f"PERDURE_ATTEMPT={attempt.number}".encode())
        for attempt in attempts
    ]
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = set(file.read().split(b"\0"))
        except OSError:
            continue
        if any(run in variables and number in variables for run, number in marks):
            found.append(int(name))
    return found
