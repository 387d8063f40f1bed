"""`perdure queue`: look at and limit queues."""

import click

from perdure_cli.talking import Talk, talking
from perdure_contract.objects import QueueView

NAME = click.argument("name", metavar="QUEUE")
REASON = click.option("--reason", help="Why; it stands in the queue's events.")


@click.group()
def queue() -> None:
    """List, limit, pause and resume queues."""


@queue.command("list")
@talking
def list_queues(talk: Talk) -> None:
    """List the queues."""
    page = talk.client.queues()
    if talk.out.as_json:
        talk.out.value(page)
    else:
        _table(talk, *page.items)


@queue.command("set")
@NAME
@click.option("--concurrency", type=click.IntRange(1), help="Runs at once (default: no limit).")
@click.option("--rate-per-minute", type=click.IntRange(1), help="Starts a minute (no limit).")
@talking
def configure(
    talk: Talk, *, name: str, concurrency: int | None, rate_per_minute: int | None
) -> None:
    """Give a queue its limits; what is left out is without limit."""
    _tell(
        talk,
        talk.client.configure_queue(name, concurrency=concurrency, rate_per_minute=rate_per_minute),
    )


@queue.command()
@NAME
@REASON
@talking
def pause(talk: Talk, *, name: str, reason: str | None) -> None:
    """Let nothing start from a queue; what runs goes on."""
    _tell(talk, talk.client.pause_queue(name, reason=reason))


@queue.command()
@NAME
@REASON
@talking
def resume(talk: Talk, *, name: str, reason: str | None) -> None:
    """Let a paused queue go on."""
    _tell(talk, talk.client.resume_queue(name, reason=reason))


def _tell(talk: Talk, found: QueueView) -> None:
    if talk.out.as_json:
        talk.out.value(found)
    else:
        _table(talk, found)


def _table(talk: Talk, *found: QueueView) -> None:
    talk.out.columns(
        ["QUEUE", "PAUSED", "QUEUED", "RUNNING", "CONCURRENCY", "RATE/MIN"],
        [(q.name, q.paused, q.queued, q.running, q.concurrency, q.rate_per_minute) for q in found],
    )
