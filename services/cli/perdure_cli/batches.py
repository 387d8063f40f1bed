"""Batches on the command line: requested with a file of items, looked at, items run again."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click
from msgspec import Struct

from perdure import BatchSpec, CommandSpec, PythonSpec
from perdure_cli.steering import EXPECTED, REASON, RUN, tell
from perdure_cli.talking import Talk, talking

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class BatchOptions(Struct, frozen=True, kw_only=True):
    """How what is run is done for each item of a file."""

    file: Path
    concurrency: int
    stop_after_failures: int | None

    def spec(self, talk: Talk, each: CommandSpec | PythonSpec) -> BatchSpec:
        """Send the items ahead and give what refers to them."""
        sent = talk.client.upload(self.file)
        talk.out.note(f"{sent.total} items sent")
        return BatchSpec(
            each=each,
            upload=sent.upload,
            concurrency=self.concurrency,
            stop_after_failures=self.stop_after_failures,
        )


def batch_options(command: Decorated) -> Decorated:
    """Give a command the options of a batch, as `batch_file` and two more; see `given`."""
    for option in (
        click.option(
            "--stop-after-failures",
            type=click.IntRange(1),
            help="Of --batch: end it after so many items have failed.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 256),
            default=1,
            help="Of --batch: items at a time (1).",
        ),
        click.option(
            "--batch",
            "batch_file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Do it for each item of a CSV or JSON lines file; {field} stands for a value.",
        ),
    ):
        command = option(command)
    return command


def given(
    file: Path | None, concurrency: int, stop_after_failures: int | None
) -> BatchOptions | None:
    """Give what was asked for; none when it is no batch."""
    if file is None:
        return None
    return BatchOptions(file=file, concurrency=concurrency, stop_after_failures=stop_after_failures)


@click.command()
@RUN
@click.option("--outcome", help="One or more, with commas: failed,pending.")
@click.option("--q", help="Part of a key or an error.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", type=click.IntRange(0), help="Items behind this ordinal.")
@click.option("--csv", "as_csv", is_flag=True, help="All of them, as CSV.")
@talking
def items(
    talk: Talk,
    *,
    run_id: str,
    outcome: str | None,
    q: str | None,
    limit: int,
    after: int | None,
    as_csv: bool,
) -> None:
    """List the items of a batch and what became of each."""
    if as_csv:
        click.echo(talk.client.items_csv(run_id, outcome=outcome, q=q), nl=False)
        return
    page = talk.client.items(run_id, outcome=outcome, q=q, limit=limit, after=after)
    talk.out.listed(
        page,
        ["ITEM", "KEY", "OUTCOME", "TRIES", "ATTEMPT", "ERROR"],
        [(i.ordinal, i.key, i.outcome, i.tries, i.attempt, i.error) for i in page.items],
        following=page.next,
    )


@click.command("retry-items")
@RUN
@click.option("--item", "ordinals", type=click.IntRange(1), multiple=True, help="One by number.")
@click.option("--key", "keys", multiple=True, help="One by key.")
@REASON
@EXPECTED
@talking
def retry_items(
    talk: Talk,
    *,
    run_id: str,
    ordinals: tuple[int, ...],
    keys: tuple[str, ...],
    reason: str | None,
    expected_version: int | None,
) -> None:
    """Run failed items of a batch again, and no others (default: all that failed)."""
    found = talk.client.retry_items(
        run_id,
        ordinals=ordinals or None,
        keys=keys or None,
        reason=reason,
        expected_version=expected_version,
    )
    tell(talk, found)


BATCHES: Final[tuple[click.Command, ...]] = (items, retry_items)
