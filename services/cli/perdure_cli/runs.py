"""`perdure run`: submit, look at and steer runs."""

import sys

import click

from perdure_cli.batches import BATCHES
from perdure_cli.quantities import DURATION
from perdure_cli.steering import ACTIONS, RUN, tell
from perdure_cli.submit import submit
from perdure_cli.talking import Talk, talking
from perdure_cli.watching import entry_text, said, watch
from perdure_contract.objects import RunView

LINES_A_PAGE = 500


@click.group()
def run() -> None:
    """Submit, list, show, follow and steer runs."""


for command in (submit, *ACTIONS, *BATCHES):
    run.add_command(command)


@run.command("list")
@click.option("--state", help="One or more, with commas: failed,partial.")
@click.option("--queue")
@click.option("--executor")
@click.option("--tag")
@click.option("--kind")
@click.option("--job")
@click.option("--since", metavar="TIME", help="Requested at or after.")
@click.option("--until", metavar="TIME", help="Requested before.")
@click.option("--q", help="Words to look for.")
@click.option("--sort", help="Order of the list.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", metavar="CURSOR", help="Go on behind the `next` of another list.")
@talking
def list_runs(
    talk: Talk,
    *,
    state: str | None,
    queue: str | None,
    executor: str | None,
    tag: str | None,
    kind: str | None,
    job: str | None,
    since: str | None,
    until: str | None,
    q: str | None,
    sort: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List runs, the newest first."""
    page = talk.client.list_runs(
        state=state,
        queue=queue,
        executor=executor,
        tag=tag,
        kind=kind,
        job=job,
        since=since,
        until=until,
        q=q,
        sort=sort,
        limit=limit,
        after=after,
    )
    talk.out.listed(
        page,
        ["RUN", "STATE", "ATTEMPT", "QUEUE", "REQUESTED", "NAME"],
        [
            (r.id, r.state, f"{r.attempt}/{r.max_attempts}", r.queue, _short(r.created_at), r.name)
            for r in page.items
        ],
        following=page.next,
    )


@run.command()
@RUN
@click.option("--at", type=int, metavar="VERSION", help="As of this event of the run.")
@talking
def show(talk: Talk, *, run_id: str, at: int | None) -> None:
    """Show one run and its attempts."""
    found = talk.client.get_run(run_id, at=at)
    if talk.out.as_json:
        talk.out.value(found)
        return
    talk.out.facts(_facts(found))
    tries = talk.client.attempts(run_id).items if at is None else ()
    if tries:
        talk.out.line("")
        talk.out.columns(
            ["ATTEMPT", "STATE", "EXECUTOR", "STARTED", "CPU S", "LINES", "FAILURE"],
            [
                (
                    each.number, each.state, each.executor, _short(each.started_at),
                    each.cpu_seconds, each.lines, each.failure.message if each.failure else None,
                )
                for each in tries
            ],
        )  # fmt: skip


@run.command()
@RUN
@talking
def why(talk: Talk, *, run_id: str) -> None:
    """Say why a run is in its state."""
    found = talk.client.why(run_id)
    if talk.out.as_json:
        talk.out.value(found)
        return
    talk.out.line(found.sentence)
    for link in found.because:
        talk.out.line(f"  {link.rule}: " + ", ".join(f"{k} {v}" for k, v in link.values.items()))


@run.command()
@RUN
@click.option("--attempt", type=click.IntRange(1), help="Default: the last.")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]), help="Default: both.")
@click.option("--tail", type=click.IntRange(1), help="Only the last so many lines.")
@click.option("--raw", is_flag=True, help="Send control characters to the terminal as they are.")
@talking
def log(
    talk: Talk,
    *,
    run_id: str,
    attempt: int | None,
    stream: str | None,
    tail: int | None,
    raw: bool,
) -> None:
    """Print the output of a run; as JSON, each line is one object."""
    raw = raw or not sys.stdout.isatty()
    after: int | None = None
    while True:
        page = talk.client.log(
            run_id,
            attempt=attempt,
            stream=stream,
            after=after,
            tail=tail,
            limit=None if tail else LINES_A_PAGE,
        )
        for entry in page.items:
            if talk.out.as_json:
                talk.out.value(entry)
            else:
                click.echo(entry_text(entry, raw=raw))
        if tail or page.next is None or not page.items:
            return
        after = int(page.next)


@run.command()
@RUN
@click.option("--raw", is_flag=True, help="Send control characters to the terminal as they are.")
@talking
def follow(talk: Talk, *, run_id: str, raw: bool) -> None:
    """Watch a run to its end; exit 1 if it did not complete."""
    watch(talk, run_id, raw=raw)


@run.command()
@RUN
@click.option("--timeout", type=DURATION, help="Give up after this time.")
@talking
def wait(talk: Talk, *, run_id: str, timeout: float | None) -> None:
    """Wait for a run's end without its output; exit 1 if it did not complete."""
    found = talk.client.wait(run_id, timeout_seconds=timeout)
    tell(talk, found)
    if found.state != "completed":
        sys.exit(1)


def _short(time: str) -> str:
    return time[:19] + "Z"


def _items(found: RunView) -> str | None:
    if found.items is None:
        return None
    counts = {n: c for n in found.items.__struct_fields__ if (c := getattr(found.items, n))}
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _facts(found: RunView) -> list[tuple[str, object]]:
    return [
        ("run", found.id),
        ("name", found.name),
        ("state", found.state),
        ("failure", found.failure.message if found.failure else None),
        ("progress", said(found.progress) if found.progress else None),
        ("items", _items(found)),
        ("attempt", f"{found.attempt} of {found.max_attempts}"),
        ("executor", found.executor),
        ("queue", found.queue),
        ("priority", found.priority or None),
        ("tags", found.tags),
        ("labels", found.labels),
        ("unique key", found.unique_key),
        ("requested", found.created_at),
        ("started", found.started_at),
        ("ended", found.ended_at),
        ("next attempt", found.next_attempt_at),
        ("result", found.result),
        ("metrics", found.metrics),
        ("version", found.version),
        ("argv", " ".join(getattr(found.spec, "argv", None) or ()) or None),
    ]
