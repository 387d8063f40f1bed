"""`perdure bench`: the command."""

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

import click
import msgspec

from perdure import PerdureError
from perdure_cli.advancing import advancing
from perdure_cli.bench import figures, peers
from perdure_cli.bench.measures import FULL, MEASURES, QUICK, Measured
from perdure_cli.bench.quiet import until_quiet
from perdure_cli.bench.system import existing, throw_away
from perdure_cli.output import Output, json_option
from perdure_cli.printable import printable
from perdure_cli.stops import NotMeasured

ROUNDS: Final = 3

Step = tuple[str, str, Callable[[], Measured]]
"""Whose measure it is, what it is called, and how it is taken."""


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="This measure only.")
@click.option("--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True)
@click.option("--quick", is_flag=True, help="Less of everything, one round: does it work at all?")
@click.option("--url", help="Measure what runs there; runs are left in it.")
@click.option("--token", help="API token for --url.")
@click.option("--peers", "peer_names", help="Others to measure in the same rounds, with commas.")
@click.option(
    "--peers-home",
    envvar="PERDURE_BENCH_PEERS",
    type=click.Path(exists=True, file_okay=False),
    help="Folder with their scripts (PERDURE_BENCH_PEERS).",
)
@json_option
def bench(
    *,
    only: tuple[str, ...],
    rounds: int,
    quick: bool,
    url: str | None,
    token: str | None,
    peer_names: str | None,
    peers_home: str | None,
    as_json: bool,
) -> None:
    """Measure speed, memory and latency on this machine.

    Starts a Perdure of its own in a temporary folder and removes it afterwards. The rounds go
    through all measures in turn, so that what else the machine does falls on all of them; each
    measure waits for a quiet machine, 20 seconds at most.
    """
    size = QUICK if quick else FULL
    rounds = 1 if quick else rounds
    names = only or tuple(MEASURES)
    others = peers.find(peer_names, peers_home)
    results: figures.Results = {}
    failed = []
    with ExitStack() as stack:
        told = stack.enter_context(advancing("measures taken"))
        system = stack.enter_context(existing(url, token) if url else throw_away())
        ours: list[Step] = [
            (figures.OURS, name, partial(MEASURES[name], system, size)) for name in names
        ]
        theirs: list[Step] = [(peer.name, "all", partial(peer.measure, names)) for peer in others]
        steps = [*ours, *theirs] * rounds
        for done, (who, what, measure) in enumerate(steps, start=1):
            until_quiet()
            try:
                figures.add(results, who, measure())
            except (
                RuntimeError,
                OSError,
                PerdureError,
                subprocess.SubprocessError,
                msgspec.MsgspecError,
            ) as error:
                failed.append(f"{who}, {what}: {error}")
            told(done, len(steps))
    out = Output(as_json=as_json)
    if as_json:
        out.value(figures.as_json(results))
    else:
        figures.show(out, results)
    if failed:
        raise NotMeasured(printable(" · ".join(failed)))
