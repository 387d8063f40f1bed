"""`perdure job check`: look at a jobs file without a server, for people and for CI."""

from pathlib import Path

import click
import msgspec

from perdure_api.domain.trigger_words import words
from perdure_api.intake.file_entries import Entry, editor_schema, read_entries
from perdure_cli.output import Output, json_option
from perdure_cli.stops import WrongUse
from perdure_contract.identifiers import DEFAULT_TENANT


@click.command(epilog="Example: perdure job check jobs.yaml")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def check(*, file: Path, as_json: bool) -> None:
    """Check a jobs file; exit code 2 and one line a fault when it has any."""
    checked = read_entries(file.read_bytes(), DEFAULT_TENANT)
    out = Output(as_json=as_json)
    if as_json:
        out.value({"valid": not checked.faults, "faults": checked.faults,
                   "jobs": [entry.name for entry in checked.entries]})  # fmt: skip
    else:
        for entry in checked.entries:
            _tell(out, entry)
    if not checked.faults:
        return
    lines = [f"{file}:{f.line}:{f.column}: {f.message}" for f in checked.faults]
    if as_json:
        raise SystemExit(2)
    raise WrongUse("\n".join(lines))


@click.command()
def schema() -> None:
    """Print the JSON Schema of a jobs file, for editors."""
    click.echo(msgspec.json.format(msgspec.json.encode(editor_schema()), indent=2).decode())


def _tell(out: Output, entry: Entry) -> None:
    planned = [words(plan.plan.trigger, plan.plan.timezone) for plan in entry.plans]
    state = "" if entry.definition.enabled else " (not enabled)"
    out.line(f"{entry.name}{state}: {'; '.join(planned) or 'by hand only'}")
