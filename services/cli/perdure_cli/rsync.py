"""`perdure rsync`: what a backup would run, what it would change, and running it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click
import msgspec

from perdure import NewRun, Retry, RsyncSpec
from perdure.errors import Conflict
from perdure_cli.policies import policies
from perdure_cli.quantities import PAIR, value_of
from perdure_cli.stops import RunFailed, WrongUse
from perdure_cli.talking import Talk, talking
from perdure_cli.watching import watch
from perdure_contract.objects import DryRunView
from perdure_contract.specs import Limits

EXAMPLE: Final = "Example: perdure rsync run /home/me/photos/ /mnt/disk/photos --follow"
FINAL: Final = frozenset({"completed", "partial", "failed", "cancelled"})
SHOWN: Final = 20
PATIENCE_SECONDS: Final = 20

OPTIONS: Final = (
    click.argument("source"),
    click.argument("destination"),
    click.option("--host", metavar="NAME", help="Saved host on which one side lies."),
    click.option(
        "--host-side", type=click.Choice(["source", "destination"]), default="destination",
        help="Which side lies there (destination).",
    ),
    click.option("--delete", is_flag=True, help="Delete at the destination what is gone."),
    click.option("--max-delete", type=int, help="Stop deleting after so many (1000)."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches."),
    click.option("--include", multiple=True, metavar="PATTERN", help="But not what matches this."),
    click.option("--checksum", is_flag=True, help="Compare contents, not size and time."),
    click.option("--compress", is_flag=True, help="Compress on the way."),
    click.option("--hard-links", is_flag=True, help="Keep hard links."),
    click.option("--backup", is_flag=True, help="Keep what is replaced or deleted, by date."),
    click.option("--bandwidth-limit", metavar="RATE", help="KiB a second, or like 1.5M."),
    click.option(
        "--set", "more", type=PAIR, multiple=True, metavar="NAME=VALUE",
        help="Any other option by the name that the API has, like sparse=true.",
    ),
)  # fmt: skip
SWITCHES: Final = ("delete", "checksum", "compress", "hard_links", "backup")
LISTS: Final = ("exclude", "include")


def a_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Take a spec from the options of a command; it is given as `spec`."""

    @wraps(command)
    def called(*args: Any, **given: Any) -> None:  # noqa: ANN401 -- click's
        options: dict[str, object] = {name: True for name in SWITCHES if given.pop(name)}
        options |= {name: found for name in LISTS if (found := given.pop(name))}
        for name in ("max_delete", "bandwidth_limit"):
            if (value := given.pop(name)) is not None:
                options[name] = value_of(str(value))
        options |= {name: value_of(text) for name, text in given.pop("more")}
        asked = {name: given.pop(name) for name in ("source", "destination", "host", "host_side")}
        try:
            spec = msgspec.convert({"kind": "rsync", **asked, "options": options}, RsyncSpec)
        except msgspec.ValidationError as error:
            raise WrongUse(f"{error}. {EXAMPLE}") from error
        command(*args, spec=spec, **given)

    for option in reversed(OPTIONS):
        called = option(called)
    return called


@click.group()
def rsync() -> None:
    """Preview and run backups with rsync."""


@rsync.command(epilog=EXAMPLE)
@a_spec
@talking
def preview(talk: Talk, *, spec: RsyncSpec) -> None:
    """Show exactly what would be run, one element a line, and the same in words."""
    found = talk.client.preview_backup(spec)
    if talk.out.as_json:
        talk.out.value(found)
        return
    for element in found.argv:
        talk.out.line(element)
    talk.out.note(found.words)
    for warning in found.warnings:
        talk.out.note(f"Note: {warning}")


@rsync.command(epilog=EXAMPLE)
@a_spec
@click.option("--dry-run", is_flag=True, help="Change nothing, tell what would change.")
@click.option("--name", help="What people see (default: what is copied where).")
@click.option("--queue", help="Queue to stand in (default).")
@click.option("--tag", "tags", multiple=True, help="Word to find it by.")
@policies
@click.option("--follow", is_flag=True, help="Watch it to its end; exit 1 if it did not complete.")
@talking
def run(
    talk: Talk,
    *,
    spec: RsyncSpec,
    dry_run: bool,
    name: str | None,
    queue: str | None,
    tags: tuple[str, ...],
    follow: bool,
    retry: Retry | None,
    limits: Limits | None,
) -> None:
    """Run a backup. One that deletes needs a dry run of exactly the same before: --dry-run."""
    if dry_run:
        _tell(talk, _ended(talk, talk.client.dry_run(spec, wait_seconds=PATIENCE_SECONDS)))
        return
    wanted = NewRun(spec=spec, name=name, queue=queue, tags=tags, retry=retry, limits=limits)
    try:
        made = talk.client.submit(wanted)
    except Conflict as refused:
        if refused.code != "dry-run-needed":
            raise
        message = "It deletes: run the same command with --dry-run first, and look at what it says."
        raise WrongUse(message) from refused
    if follow:
        if not talk.out.as_json:
            talk.out.note(f"run {made.id} · {talk.client.url}/runs/{made.id}")
        watch(talk, made.id)
    elif talk.out.as_json:
        talk.out.value(made)
    else:
        talk.out.line(made.id)


def _ended(talk: Talk, view: DryRunView) -> DryRunView:
    if view.state not in FINAL:
        talk.client.wait(view.id)
        return talk.client.get_dry_run(view.id)
    return view


def _tell(talk: Talk, view: DryRunView) -> None:
    result = view.result
    if talk.out.as_json:
        talk.out.value(view)
    elif result is not None:
        for sign, found in (
            ("+", result.new),
            ("~", result.changed),
            (".", result.attributes),
            ("-", result.deleted),
        ):
            for entry in found.first[:SHOWN]:
                talk.out.line(f"{sign} {entry}")
            if found.count > SHOWN:
                talk.out.line(f"{sign} … {found.count - SHOWN} more")
        talk.out.note(
            f"{result.new.count} new, {result.changed.count} changed, "
            f"{result.attributes.count} with other times or permissions, "
            f"{result.deleted.count} deleted, {result.unchanged} unchanged."
        )
    if result is None or view.state not in ("completed", "partial"):
        why = view.failure.message if view.failure is not None else f"It is {view.state}."
        raise RunFailed(f"The dry run {view.id} found nothing out: {why}")
