"""`perdure job`: saved jobs."""

from pathlib import Path
from typing import TextIO

import click
import msgspec

from perdure import BatchSpec, CommandSpec, JobDefinition, NotFound
from perdure_cli.batches import batch_options, given
from perdure_cli.checking import check, schema
from perdure_cli.quantities import PAIR
from perdure_cli.stops import WrongUse
from perdure_cli.talking import Talk, talking
from perdure_cli.watching import watch
from perdure_contract.jobs import JobView, Parameter, Value

NAME = click.argument("name", metavar="JOB")
REASON = click.option("--reason", help="Why; it stands in the job's events.")


@click.group()
def job() -> None:
    """Save, run and check jobs."""


job.add_command(check)
job.add_command(schema)


@job.command("list")
@talking
def list_jobs(talk: Talk) -> None:
    """List the jobs by name."""
    page = talk.client.list_jobs(limit=500)
    talk.out.listed(
        page,
        ["JOB", "REVISION", "ENABLED", "SOURCE", "QUEUE", "DESCRIPTION"],
        [(j.name, j.revision, j.enabled, j.source, j.queue, j.description) for j in page.items],
    )


@job.command()
@NAME
@talking
def show(talk: Talk, *, name: str) -> None:
    """Show a job as it is now."""
    _tell(talk, talk.client.get_job(name))


@job.command(epilog="Example: perdure job save report -- /usr/bin/make report")
@NAME
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM [ARGUMENT]...]")
@click.option("--file", "source", type=click.File(), help="A definition as JSON; - is stdin.")
@click.option("--description", default="", help="What it is for.")
@click.option("--queue", help="Queue that its runs stand in (default).")
@batch_options
@REASON
@talking
def save(
    talk: Talk,
    *,
    name: str,
    argv: tuple[str, ...],
    source: TextIO | None,
    description: str,
    queue: str | None,
    batch_file: Path | None,
    concurrency: int,
    stop_after_failures: int | None,
    reason: str | None,
) -> None:
    """Save a job, or revise the one of this name.

    What a file holds is stored with the job; save it again to have the file read again.
    """
    if bool(argv) == bool(source):
        message = "Give a program after `--`, or --file with a definition."
        raise WrongUse(message)
    batch = given(batch_file, concurrency, stop_after_failures)
    if source is not None:
        if batch is not None:
            message = "A definition says itself what its items are: leave out --batch."
            raise WrongUse(message)
        definition = _definition(source.read())
    else:
        each = CommandSpec(argv=argv)
        definition = JobDefinition(
            spec=each if batch is None else batch.spec(talk, each),
            description=description,
            queue=queue or "default",
        )
    try:
        known = talk.client.get_job(name)
    except NotFound:
        _tell(talk, talk.client.create_job(name, definition))
        return
    version = known.version
    _tell(talk, talk.client.revise_job(name, definition, reason=reason, expected_version=version))


@job.command()
@NAME
@REASON
@talking
def delete(talk: Talk, *, name: str, reason: str | None) -> None:
    """Delete a job with its schedules; its runs stay."""
    deleted = talk.client.delete_job(name, reason=reason)
    talk.out.told(deleted, f"Job {name} is deleted.")


@job.command()
@NAME
@talking
def revisions(talk: Talk, *, name: str) -> None:
    """List what a job was, the newest first, with what each revision changed."""
    page = talk.client.job_revisions(name)
    talk.out.listed(
        page,
        ["REVISION", "AT", "BY", "CHANGED", "REASON"],
        [
            (r.revision, r.at, r.actor, tuple(c.pointer for c in r.changes), r.reason)
            for r in page.items
        ],
    )


@job.command()
@NAME
@click.argument("revision", type=click.IntRange(1))
@REASON
@talking
def rollback(talk: Talk, *, name: str, revision: int, reason: str | None) -> None:
    """Make a job what it was in an earlier revision."""
    _tell(talk, talk.client.roll_back_job(name, revision, reason=reason))


@job.command(epilog="Example: perdure job run report -p site=north --follow")
@NAME
@click.option("-p", "--param", "params", type=PAIR, multiple=True, help="Value of a parameter.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher first.")
@click.option("--idempotency-key", help="Asking again with this key gives the same run.")
@click.option("--follow", is_flag=True, help="Watch it to its end; exit 1 if it did not complete.")
@talking
def run(
    talk: Talk,
    *,
    name: str,
    params: tuple[tuple[str, str], ...],
    priority: int | None,
    idempotency_key: str | None,
    follow: bool,
) -> None:
    """Run a job with values for its parameters."""
    values = values_of(talk.client.get_job(name).params, dict(params))
    made = talk.client.run_job(name, values, priority=priority, idempotency_key=idempotency_key)
    if follow:
        if not talk.out.as_json:
            talk.out.note(f"run {made.id} · {talk.client.url}/runs/{made.id}")
        watch(talk, made.id)
    elif talk.out.as_json:
        talk.out.value(made)
    else:
        talk.out.line(made.id)


def _definition(text: str) -> JobDefinition:
    try:
        return msgspec.json.decode(text, type=JobDefinition)
    except msgspec.DecodeError as error:
        message = f"The definition cannot be used: {error}."
        raise WrongUse(message) from error


def values_of(known: dict[str, Parameter], given: dict[str, str]) -> dict[str, Value]:
    """Turn what was typed into values of the parameters' types; the server checks them."""
    values: dict[str, Value] = {}
    for name, text in given.items():
        kind = known[name].type if name in known else "string"
        values[name] = text
        if kind == "number":
            values[name] = _number(name, text)
        elif kind == "boolean" and text in ("true", "false"):
            values[name] = text == "true"
    return values


def _number(name: str, text: str) -> Value:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError as error:
        message = f"Parameter {name} is a number."
        raise WrongUse(message) from error


def _tell(talk: Talk, found: JobView) -> None:
    if talk.out.as_json:
        talk.out.value(found)
        return
    talk.out.facts(
        [
            ("job", found.name),
            ("revision", found.revision),
            ("description", found.description),
            ("enabled", found.enabled),
            ("source", found.source),
            ("queue", found.queue),
            ("priority", found.priority),
            ("tags", found.tags),
            ("labels", found.labels),
            ("parameters", tuple(f"{name} ({p.type})" for name, p in found.params.items())),
            ("items", _items_words(found)),
            ("runs", msgspec.json.encode(found.spec).decode()),
        ]
    )


def _items_words(found: JobView) -> str | None:
    stored = found.spec.input if isinstance(found.spec, BatchSpec) else None
    return None if stored is None else f"{stored.total} stored items"
