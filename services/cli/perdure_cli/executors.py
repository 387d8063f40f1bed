"""`perdure executors`: look at and drain executors (`perdure executor` starts one)."""

import click

from perdure_cli.talking import Talk, talking
from perdure_contract.objects import ExecutorView


@click.group()
def executors() -> None:
    """List and drain executors."""


@executors.command("list")
@talking
def list_executors(talk: Talk) -> None:
    """List the executors as the server last heard of them."""
    page = talk.client.executors()
    if talk.out.as_json:
        talk.out.value(page)
    else:
        _table(talk, *page.items)


@executors.command()
@click.argument("name", metavar="EXECUTOR")
@click.option("--reason", help="Why; it stands in the executor's events.")
@talking
def drain(talk: Talk, *, name: str, reason: str | None) -> None:
    """Let an executor finish what it runs and take nothing new."""
    found = talk.client.drain_executor(name, reason=reason)
    if talk.out.as_json:
        talk.out.value(found)
    else:
        _table(talk, found)


def _table(talk: Talk, *found: ExecutorView) -> None:
    talk.out.columns(
        ["EXECUTOR", "STATE", "RUNNING", "SLOTS", "LAST SEEN", "VERSION", "QUEUES", "LABELS"],
        [
            (e.name, e.state, e.running, e.slots, e.last_seen_at, e.version,
             e.queues or "all", e.labels)
            for e in found
        ],
    )  # fmt: skip
