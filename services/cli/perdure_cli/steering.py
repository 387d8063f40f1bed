"""The actions on a run: `perdure run cancel`, `retry-now`, `hold`, … Each tells the run after it."""

from typing import Final, Literal

import click

from perdure_cli.talking import Talk, talking
from perdure_cli.watching import outcome, watch
from perdure_contract.objects import RunView

RUN: Final = click.argument("run_id", metavar="RUN")
REASON: Final = click.option("--reason", help="Why; it stands in the run's events.")
EXPECTED: Final = click.option(
    "--expected-version", type=int, help="Refuse if the run has changed since this version."
)


def tell(talk: Talk, found: RunView) -> None:
    """Print a run as JSON, or in a sentence where it stands."""
    talk.out.told(found, outcome(found))


@click.command()
@RUN
@click.option("--force", is_flag=True, help="KILL now; fence the attempt if nobody answers.")
@REASON
@EXPECTED
@talking
def cancel(
    talk: Talk, *, run_id: str, force: bool, reason: str | None, expected_version: int | None
) -> None:
    """End a run: TERM to all its processes, then KILL."""
    tell(
        talk,
        talk.client.cancel(run_id, force=force, reason=reason, expected_version=expected_version),
    )


@click.command("retry-now")
@RUN
@REASON
@EXPECTED
@talking
def retry_now(talk: Talk, *, run_id: str, reason: str | None, expected_version: int | None) -> None:
    """Wait no longer for the next attempt or the scheduled time."""
    tell(talk, talk.client.retry_now(run_id, reason=reason, expected_version=expected_version))


@click.command()
@RUN
@REASON
@EXPECTED
@talking
def hold(talk: Talk, *, run_id: str, reason: str | None, expected_version: int | None) -> None:
    """Set a run aside that waits to start."""
    tell(talk, talk.client.hold(run_id, reason=reason, expected_version=expected_version))


@click.command()
@RUN
@REASON
@EXPECTED
@talking
def release(talk: Talk, *, run_id: str, reason: str | None, expected_version: int | None) -> None:
    """Let a held run go on."""
    tell(talk, talk.client.release(run_id, reason=reason, expected_version=expected_version))


@click.command()
@RUN
@click.option("--message", required=True, help="What went wrong; people see it as the failure.")
@REASON
@EXPECTED
@talking
def fail(
    talk: Talk, *, run_id: str, message: str, reason: str | None, expected_version: int | None
) -> None:
    """End a run by hand as failed."""
    tell(talk, talk.client.fail(run_id, message, reason=reason, expected_version=expected_version))


@click.command()
@RUN
@click.option("--checkpoint", type=click.IntRange(1), help="Its number (default: the last).")
@REASON
@EXPECTED
@talking
def resume(
    talk: Talk,
    *,
    run_id: str,
    checkpoint: int | None,
    reason: str | None,
    expected_version: int | None,
) -> None:
    """Go on from a checkpoint of a run that is over."""
    found = talk.client.resume(
        run_id, checkpoint=checkpoint, reason=reason, expected_version=expected_version
    )
    tell(talk, found)


@click.command()
@RUN
@click.option("--from", "origin", type=click.Choice(["beginning", "checkpoint"]))
@REASON
@EXPECTED
@talking
def restart(
    talk: Talk,
    *,
    run_id: str,
    origin: Literal["beginning", "checkpoint"] | None,
    reason: str | None,
    expected_version: int | None,
) -> None:
    """Start a run again; the retry budget is anew, a running attempt is ended first."""
    found = talk.client.restart(
        run_id, origin=origin, reason=reason, expected_version=expected_version
    )
    tell(talk, found)


@click.command()
@RUN
@REASON
@click.option("--idempotency-key", help="Asking again with this key gives the same run.")
@click.option("--follow", "follows", is_flag=True, help="Watch it; exit 1 if it did not complete.")
@talking
def rerun(
    talk: Talk, *, run_id: str, reason: str | None, idempotency_key: str | None, follows: bool
) -> None:
    """Request the same again, as a new run."""
    found = talk.client.rerun(run_id, reason=reason, idempotency_key=idempotency_key)
    if follows:
        watch(talk, found.id)
    elif talk.out.as_json:
        talk.out.value(found)
    else:
        talk.out.line(found.id)


@click.command()
@RUN
@REASON
@EXPECTED
@click.confirmation_option("--yes", prompt="Input, output and result are gone then. Delete?")
@talking
def delete(talk: Talk, *, run_id: str, reason: str | None, expected_version: int | None) -> None:
    """Remove input, output and result of a run that is over; its events stay."""
    done = talk.client.delete(run_id, reason=reason, expected_version=expected_version)
    talk.out.told(done, f"Removed: {', '.join(done.removed) or 'nothing'}.")


@click.command(context_settings={"ignore_unknown_options": True})
@RUN
@click.argument("value", type=click.IntRange(-100, 100), metavar="PRIORITY")
@REASON
@EXPECTED
@talking
def priority(
    talk: Talk, *, run_id: str, value: int, reason: str | None, expected_version: int | None
) -> None:
    """Move a run before or behind others of its queue: -100 to 100, higher goes first."""
    tell(
        talk,
        talk.client.set_priority(run_id, value, reason=reason, expected_version=expected_version),
    )


ACTIONS: Final[tuple[click.Command, ...]] = (
    cancel,
    retry_now,
    hold,
    release,
    fail,
    resume,
    restart,
    rerun,
    delete,
    priority,
)
