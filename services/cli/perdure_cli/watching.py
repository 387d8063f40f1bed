"""Watching a run to its end: its output as it comes, and a moving line of how far it is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from perdure import LinesSeen, ProgressSeen, StateSeen, Update
from perdure_cli.output import Output
from perdure_cli.printable import printable
from perdure_cli.stops import RunFailed
from perdure_cli.talking import Talk
from perdure_contract.objects import LogEntry, ProgressView, RunView


def watch(talk: Talk, run_id: str, *, raw: bool = False) -> RunView:
    """Show what happens to a run until it is final.

    Output goes to standard output and standard error as the program wrote it, remarks about the
    run to standard error; as JSON, each update is one line.

    Raises:
        RunFailed: when it ended otherwise than completed.
    """
    last: RunView | None = None
    with _shown(talk.out, raw=raw) as show:
        for update in talk.client.follow(run_id):
            if isinstance(update, StateSeen):
                last = update.run
            show(update)
    if last is None:
        last = talk.client.get_run(run_id)
    if last.state != "completed":
        raise RunFailed(printable(outcome(last)))
    return last


def outcome(run: RunView) -> str:
    """Say in a sentence where a run stands."""
    sentence = f"Run {run.id} is {run.state}"
    if run.state == "running" and run.executor:
        return f"{sentence}: attempt {run.attempt} of {run.max_attempts} on {run.executor}"
    if run.state == "retrying" and run.next_attempt_at:
        why = f" after: {run.failure.message}" if run.failure else ""
        return f"{sentence}: attempt {run.attempt + 1} starts {run.next_attempt_at}{why}"
    if run.state == "scheduled" and run.next_attempt_at:
        return f"{sentence}: it starts {run.next_attempt_at}"
    return f"{sentence}: {run.failure.message}" if run.failure else sentence


def entry_text(entry: LogEntry, *, raw: bool) -> str:
    """Give the text of a log line; a cut says how much is missing."""
    if entry.omitted is not None:
        return f"[… {entry.omitted.lines} lines, {entry.omitted.bytes} bytes left out …]"
    return entry.text if raw else printable(entry.text)


@contextmanager
def _shown(out: Output, *, raw: bool) -> Iterator[Callable[[Update], None]]:
    if out.as_json:
        yield lambda update: out.value(_as_json(update))
    elif out.on_terminal and sys.stderr.isatty():
        with _Bar(raw=raw) as bar:
            yield bar.show
    else:
        yield lambda update: _print(update, raw=raw)


def _as_json(update: Update) -> dict[str, object]:
    match update:
        case StateSeen(run=run):
            return {"state": run}
        case ProgressSeen(progress=progress, attempt=attempt):
            return {"progress": progress, "attempt": attempt}
        case LinesSeen(lines=lines, attempt=attempt):
            return {"log": lines, "attempt": attempt}


def _print(update: Update, *, raw: bool) -> None:
    match update:
        case StateSeen(run=run):
            click.echo(printable(outcome(run)), err=True)
        case LinesSeen(lines=lines):
            for entry in lines:
                to_error = entry.stream == "stderr"
                # In a pipe or a file the text is what the program wrote; a terminal is protected.
                plain = raw or not (sys.stderr if to_error else sys.stdout).isatty()
                click.echo(entry_text(entry, raw=plain), err=to_error)
        case ProgressSeen():
            pass


class _Bar:
    """Output scrolling above one line that says how far the run is."""

    def __init__(self, *, raw: bool) -> None:
        self._raw = raw
        self._console = Console(markup=False, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, said="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, update: Update) -> None:
        """Put an update where it belongs."""
        match update:
            case StateSeen(run=run):
                self._progress.update(self._task, description=run.state)
                self._console.print(printable(outcome(run)), style="dim")
            case ProgressSeen(progress=progress):
                self._progress.update(
                    self._task,
                    total=progress.total,
                    completed=progress.done or 0,
                    said=printable(said(progress)),
                )
            case LinesSeen(lines=lines):
                for entry in lines:
                    style = "yellow" if entry.stream == "stderr" else None
                    self._console.out(entry_text(entry, raw=self._raw), style=style)


def said(progress: ProgressView) -> str:
    """Give progress in few words: `41 of 100 files · 12 s left · copying`."""
    parts = []
    if progress.done is not None:
        amount = f"{progress.done:g}"
        if progress.total is not None:
            amount += f" of {progress.total:g}"
        parts.append(f"{amount} {progress.unit}" if progress.unit else amount)
    if progress.eta_seconds is not None:
        parts.append(f"{progress.eta_seconds:.0f} s left")
    if progress.message:
        parts.append(progress.message)
    return " · ".join(parts)
