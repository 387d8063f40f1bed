"""`perdure audit`: prove that the log is whole."""

import asyncpg
import click

from perdure_api.store import audit as chain
from perdure_cli.advancing import advancing
from perdure_cli.database import on_database
from perdure_cli.output import Output, json_option
from perdure_cli.stops import NotWhole


@click.group()
def audit() -> None:
    """Verify the chain over all events."""


@audit.command()
@json_option
def verify(*, as_json: bool) -> None:
    """Compute every hash and the whole chain again, from the first event to the last.

    Keep the chain value that it prints somewhere else: compared with a later one, it shows whether
    the log was written anew. Exit 1 when the log is broken.
    """

    async def check(connection: asyncpg.Connection) -> chain.Verdict:
        with advancing("events verified") as told:
            return await chain.verify(connection, told=told)

    verdict = on_database(check)
    out = Output(as_json=as_json)
    if as_json:
        out.value(verdict)
    else:
        out.line(f"{verdict.events} events verified")
        out.line(f"chain {verdict.chain}")
    for note in verdict.notes:
        out.note(f"note: {note}")
    if verdict.broken is not None:
        message = f"The log is broken at position {verdict.broken.position}: {verdict.broken.what}."
        raise NotWhole(message)
