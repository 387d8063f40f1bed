"""How far long work is: a moving bar on a terminal, a line every few seconds otherwise."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES: Final = 5.0

Told = Callable[[int, int], None]
"""Hears how far the work is, and where its end is."""


@contextmanager
def advancing(what: str) -> Iterator[Told]:
    """Show on standard error how far some work is, as long as the block runs."""
    if sys.stderr.isatty():
        with _bar() as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, end: progress.update(task, completed=done, total=end)
    else:
        yield _Lines(what).told


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES

    def told(self, done: int, end: int) -> None:
        """Print a line when the last one is long ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            click.echo(f"{self._what}: {done} of {end}", err=True)
