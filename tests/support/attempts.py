"""Waits for what an attempt of a played api does: lives, prints, is gone; and lets one wait for us."""

from pathlib import Path

from perdure_contract.wire import Attempt
from tests.support.played_api import PlayedApi, processes_with
from tests.support.waiting import becomes


async def runs(attempt: Attempt) -> None:
    """Wait until the program of an attempt lives."""

    async def lives() -> bool:
        return bool(processes_with(attempt.run))

    await becomes(lives, what=f"processes of {attempt}")


async def printed(api: PlayedApi, attempt: Attempt, lines: int = 1) -> None:
    """Wait until so many lines of it were reported."""

    async def seen() -> bool:
        return len(api.lines(attempt)) >= lines

    await becomes(seen, what=f"{lines} lines of {attempt}")


async def gone(attempt: Attempt) -> None:
    """Wait until none of its processes is left."""

    async def nothing() -> bool:
        return not processes_with(attempt.run)

    await becomes(nothing, what=f"the end of all processes of {attempt}")


def until(mark: Path) -> str:
    """Give the words of a script that waits until a file is there."""
    return f"while [ ! -e {mark} ]; do sleep 0.02; done"
