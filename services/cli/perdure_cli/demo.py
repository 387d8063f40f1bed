"""`perdure demo`: one of each kind of work on a running system, watched as it goes.

What is shown is what a person would type; the addresses it prints are worth opening meanwhile.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import click

from perdure import BatchSpec, CommandSpec, Invalid, NewRun, PythonSpec, Retry, RsyncSpec, StateSeen
from perdure_cli.stops import RunFailed
from perdure_cli.talking import Talk, talking
from perdure_cli.watching import outcome, watch
from perdure_contract.objects import FINAL_STATES, RunView

COUNTING: Final = """
for i in $(seq 40); do
  echo "line $i"
  echo "{\\"progress\\": {\\"done\\": $i, \\"total\\": 40, \\"unit\\": \\"lines\\"}}" >&$PERDURE_FD
  sleep 0.1
done
"""

REPORTING: Final = """
echo "looking at this machine"
echo "a warning goes to standard error" >&2
uname -a
echo "{\\"metrics\\": {\\"files\\": $(ls / | wc -l)}}" >&$PERDURE_FD
echo '{"result": {"checked": true}}' >&$PERDURE_FD
"""

AHEAD: Final = timedelta(seconds=3)


class Part(NamedTuple):
    """One act of the demo."""

    says: str
    run: Callable[[], NewRun]
    ends: str
    """The state in which it should end."""
    cancelled: bool = False
    """Whether it is cancelled as soon as it runs."""


def _scheduled() -> NewRun:
    due = (datetime.now(UTC) + AHEAD).isoformat()
    spec = CommandSpec(argv=("/bin/echo", "it was time"))
    return NewRun(name="demo: later", spec=spec, run_at=due, tags=("demo",))


def _backup(talk: Talk, folder: Path) -> Part | None:
    """Give the act of a backup; none where no executor has rsync, or may not read the folder."""
    spec = RsyncSpec(source=f"{folder}/photos/", destination=f"{folder}/backup")
    if not any("rsync" in executor.programs for executor in talk.client.executors().items):
        return None
    try:
        talk.client.preview_backup(spec)
    except Invalid:
        return None
    (folder / "photos").mkdir()
    for number in range(20):
        (folder / "photos" / f"{number}.jpg").write_bytes(bytes(50_000))
    return Part(
        "A backup of twenty files with rsync: figures as it goes, and at the end.",
        lambda: NewRun(name="demo: backup", spec=spec, tags=("demo",)),
        "completed",
    )


def _batch() -> NewRun:
    items = tuple({"key": f"order {number}", "size": number} for number in range(1, 13))
    each = CommandSpec(argv=("test", "{size}", "-ne", "7"))
    return NewRun(name="demo: batch", spec=BatchSpec(items=items, each=each), tags=("demo",))


PARTS: Final = (
    Part(
        "A script that counts: output and progress, live.",
        lambda: NewRun(name="demo: counting", spec=CommandSpec(script=COUNTING), tags=("demo",)),
        "completed",
    ),
    Part(
        "A script that hands back numbers and a result.",
        lambda: NewRun(name="demo: reporting", spec=CommandSpec(script=REPORTING), tags=("demo",)),
        "completed",
    ),
    Part(
        "A Python function that goes through items: prints, progress, checkpoints, a result.",
        lambda: NewRun(
            name="demo: function",
            spec=PythonSpec(func="perdure.demo:items", kwargs={"count": 20}),
            tags=("demo",),
        ),
        "completed",
    ),
    Part("A batch of twelve items, of which one fails; the others count.", _batch, "partial"),
    Part(
        "A command that fails: three attempts, with growing waits between them.",
        lambda: NewRun(
            name="demo: failing",
            spec=CommandSpec(argv=("/bin/ls", "/there-is-no-such-folder")),
            retry=Retry(max_attempts=3, initial_seconds=0.5),
            tags=("demo",),
        ),
        "failed",
    ),
    Part(
        "A long sleep, cancelled as soon as it runs.",
        lambda: NewRun(
            name="demo: cancelled", spec=CommandSpec(argv=("/bin/sleep", "600")), tags=("demo",)
        ),
        "cancelled",
        cancelled=True,
    ),
    Part("A command that waits for its time.", _scheduled, "completed"),
)


@click.command()
@talking
def demo(talk: Talk) -> None:
    """Run one of each kind of work and watch it."""
    parts = list(PARTS)
    with TemporaryDirectory(prefix=".perdure-demo-", dir=Path.home()) as folder:
        if (backup := _backup(talk, Path(folder))) is not None:
            parts.append(backup)
        ended = [_play(talk, part) for part in parts]
    if talk.out.as_json:
        talk.out.value({"items": ended, "next": None})
    else:
        talk.out.line("")
        talk.out.line(f"All of it is kept: {talk.client.url}/runs?tag=demo")
    for part, run in zip(parts, ended, strict=True):
        if run.state != part.ends:
            message = (
                f"{outcome(run)}, but it should be {part.ends}: {talk.client.url}/runs/{run.id}"
            )
            raise RunFailed(message)


def _play(talk: Talk, part: Part) -> RunView:
    submitted = talk.client.submit(part.run())
    if not talk.out.as_json:
        talk.out.line("")
        talk.out.line(part.says)
        talk.out.line(f"  {talk.client.url}/runs/{submitted.id}")
    if part.cancelled:
        _cancel_when_running(talk, submitted.id)
    if not talk.out.as_json:
        try:
            watch(talk, submitted.id)
        except RunFailed as told:
            talk.out.line(told.message)
    return talk.client.wait(submitted.id)


def _cancel_when_running(talk: Talk, run_id: str) -> None:
    for update in talk.client.follow(run_id):
        if isinstance(update, StateSeen) and update.run.state in {"running", *FINAL_STATES}:
            break
    talk.client.cancel(run_id, reason="the demo shows it")


if __name__ == "__main__":
    demo()
