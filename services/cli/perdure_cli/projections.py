"""`perdure projections`: the views, folded from the log and rebuildable at any time."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import click
from msgspec import Struct

from perdure_api.projections import inline, maintenance
from perdure_api.projections.maintenance import Compared, Told
from perdure_api.projections.projection import PoisonEvent, Projection
from perdure_api.projections.run_list import RunList
from perdure_cli.advancing import advancing
from perdure_cli.database import on_database
from perdure_cli.output import Output, json_option
from perdure_cli.stops import NotWhole, WrongUse

ALL: Final[tuple[Projection, ...]] = (RunList(),)

Work = Callable[[asyncpg.Connection, Projection, Told], Awaitable[Compared]]

NAMES = click.argument("names", nargs=-1, metavar="[PROJECTION]...")


class Worked(Struct, frozen=True, kw_only=True):
    """What was done with one projection."""

    name: str
    events: int
    seconds: float
    rows: int
    differing: int
    examples: tuple[str, ...]


@click.group()
def projections() -> None:
    """List, rebuild and verify the views."""


@projections.command("list")
@json_option
def list_projections(*, as_json: bool) -> None:
    """List the views: how far each has come, and how far it is behind."""
    found = on_database(maintenance.listed)
    out = Output(as_json=as_json)
    if as_json:
        out.value({"items": found, "next": None})
        return
    out.columns(
        ["PROJECTION", "VERSION", "BUILD", "STATUS", "POSITION", "BEHIND", "ROWS", "ERROR"],
        [
            (p.name, p.version, p.build, p.status, p.position, p.behind, p.rows, p.error)
            for p in found
        ],
    )


@projections.command()
@NAMES
@json_option
def rebuild(*, names: tuple[str, ...], as_json: bool) -> None:
    """Fold the log again beside the live views, compare, and put the new ones in place."""
    worked = _on_each(names, "rebuilding", maintenance.rebuild)
    _tell(Output(as_json=as_json), worked)


@projections.command()
@NAMES
@json_option
def verify(*, names: tuple[str, ...], as_json: bool) -> None:
    """Fold the log again and compare with the live views; exit 1 when they differ.

    Without names the rows that decisions read (`inline`) are compared too.
    """
    worked = _on_each(names, "verifying", maintenance.verify)
    if not names:
        worked.append(_inline())
    _tell(Output(as_json=as_json), worked)
    if any(each.differing for each in worked):
        message = (
            "Some rows are not what their events say. `perdure projections rebuild` mends views; "
            "inline rows that differ are a fault to report."
        )
        raise NotWhole(message)


def _inline() -> Worked:
    async def run(connection: asyncpg.Connection) -> inline.Verdict:
        with advancing("verifying inline rows") as told:
            return await inline.verify(connection, told=told)

    started = time.monotonic()
    verdict = on_database(run)
    return Worked(
        name="inline",
        events=verdict.events,
        seconds=time.monotonic() - started,
        rows=verdict.checked,
        differing=verdict.differing,
        examples=verdict.examples,
    )


def _on_each(names: tuple[str, ...], doing: str, work: Work) -> list[Worked]:
    known = {projection.name: projection for projection in ALL}
    for name in names:
        if name not in known:
            message = f"There is no projection {name}. There are: {', '.join(known)}."
            raise WrongUse(message)
    return [_on_one(known[name], doing, work) for name in names or known]


def _on_one(projection: Projection, doing: str, work: Work) -> Worked:
    async def run(connection: asyncpg.Connection) -> Compared:
        with advancing(f"{doing} {projection.name}") as told:
            return await work(connection, projection, told)

    started = time.monotonic()
    try:
        compared = on_database(run)
    except PoisonEvent as error:
        message = (
            f"{projection.name} cannot be folded ({error}): a newer program may know the event."
        )
        raise NotWhole(message) from error
    return Worked(
        name=projection.name,
        events=compared.position,
        seconds=time.monotonic() - started,
        rows=compared.rows,
        differing=compared.differing,
        examples=compared.examples,
    )


def _tell(out: Output, worked: list[Worked]) -> None:
    if out.as_json:
        out.value({"items": worked, "next": None})
        return
    out.columns(
        ["PROJECTION", "EVENTS", "ROWS", "SECONDS", "EVENTS/S", "DIFFERING"],
        [
            (
                w.name,
                w.events,
                w.rows,
                f"{w.seconds:.2f}",
                f"{w.events / w.seconds:.0f}",
                w.differing,
            )
            for w in worked
        ],
    )
    for each in worked:
        for example in each.examples:
            out.note(f"{each.name}: {example}")
