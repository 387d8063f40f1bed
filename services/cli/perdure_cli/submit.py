"""`perdure run submit`: request a run."""

from pathlib import Path, PurePath
from typing import Final, TextIO

import click

from perdure import CommandSpec, Limits, NewRun, PythonSpec, Retry
from perdure_cli.batches import batch_options, given
from perdure_cli.policies import policies
from perdure_cli.quantities import MOMENT, PAIR, value_of
from perdure_cli.stops import WrongUse
from perdure_cli.talking import Talk, talking
from perdure_cli.watching import watch

EXAMPLE: Final = "Example: perdure run submit --follow -- /usr/bin/make report"
LONGEST_NAME: Final = 200

Pairs = tuple[tuple[str, str], ...]


@click.command(epilog=EXAMPLE)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGUMENT]...]")
@click.option("--script", type=click.File(), help="Run this file with --shell; - is stdin.")
@click.option("--shell", help="What runs the script (/bin/sh).")
@click.option("--python", "func", metavar="MODULE:FUNCTION", help="Call this function instead.")
@click.option("--arg", "args", multiple=True, help="Argument for it: JSON, else taken as text.")
@click.option("--kwarg", "kwargs", type=PAIR, multiple=True, help="Likewise by name.")
@click.option("--name", help="What people see (default: the program's name).")
@click.option("--env", type=PAIR, multiple=True, help="Variable for the program.")
@click.option("--cwd", metavar="DIRECTORY", help="Where it runs, on the executor.")
@click.option("--stdin", type=click.File(), help="What it reads; - is standard input.")
@click.option("--queue", help="Queue to stand in (default).")
@click.option("--priority", type=click.IntRange(-100, 100), default=0, help="Higher first (0).")
@click.option("--tag", "tags", multiple=True, help="Word to find it by.")
@click.option("--label", "labels", type=PAIR, multiple=True, help="What the executor must have.")
@click.option("--at", "run_at", type=MOMENT, help="Not before: 2030-01-31T02:30:00Z, or +30s.")
@click.option("--unique-key", help="Refuse it while another run with this key goes on.")
@policies
@batch_options
@click.option("--idempotency-key", help="Asking again with this key gives the same run.")
@click.option("--follow", is_flag=True, help="Watch it to its end; exit 1 if it did not complete.")
@talking
def submit(
    talk: Talk,
    *,
    argv: tuple[str, ...],
    script: TextIO | None,
    shell: str | None,
    func: str | None,
    args: tuple[str, ...],
    kwargs: Pairs,
    name: str | None,
    env: Pairs,
    cwd: str | None,
    stdin: TextIO | None,
    queue: str | None,
    priority: int,
    tags: tuple[str, ...],
    labels: Pairs,
    run_at: str | None,
    unique_key: str | None,
    idempotency_key: str | None,
    follow: bool,
    retry: Retry | None,
    limits: Limits | None,
    batch_file: Path | None,
    concurrency: int,
    stop_after_failures: int | None,
) -> None:
    """Request a run of a program with its arguments, of a script, or of a Python function."""
    if [bool(argv), bool(script), bool(func)].count(True) != 1:
        message = f"Give a program after `--`, --script FILE, or --python FUNCTION. {EXAMPLE}"
        raise WrongUse(message)
    if shell is not None and script is None:
        message = "--shell is for --script: a program is started without a shell."
        raise WrongUse(message)
    if func is None and (args or kwargs):
        message = "--arg and --kwarg are for --python: a program's arguments stand after `--`."
        raise WrongUse(message)
    if func is not None and (env or cwd or stdin):
        message = "--env, --cwd and --stdin are for programs: give a function --arg and --kwarg."
        raise WrongUse(message)
    spec: CommandSpec | PythonSpec
    if func is not None:
        named = {key: value_of(text) for key, text in kwargs}
        spec = PythonSpec(func=func, args=tuple(map(value_of, args)), kwargs=named)
    else:
        spec = CommandSpec(
            argv=argv or None,
            script=None if script is None else script.read(),
            shell=shell or "/bin/sh",
            env=dict(env),
            cwd=cwd,
            stdin=None if stdin is None else stdin.read(),
        )
    batch = given(batch_file, concurrency, stop_after_failures)
    wanted = NewRun(
        spec=spec if batch is None else batch.spec(talk, spec),
        name=name or func or _name(argv, script),
        queue=queue,
        priority=priority,
        tags=tags,
        labels=dict(labels),
        run_at=run_at,
        unique_key=unique_key,
        retry=retry,
        limits=limits,
    )
    run = talk.client.submit(wanted, idempotency_key=idempotency_key)
    if follow:
        if not talk.out.as_json:
            talk.out.note(f"run {run.id} · {talk.client.url}/runs/{run.id}")
        watch(talk, run.id)
    elif talk.out.as_json:
        talk.out.value(run)
    else:
        talk.out.line(run.id)


def _name(argv: tuple[str, ...], script: TextIO | None) -> str:
    source = argv[0] if argv else str(getattr(script, "name", "script"))
    shown = "".join(letter for letter in PurePath(source).name if letter.isprintable())
    return shown[:LONGEST_NAME] or "run"
