"""`perdure host`: other machines that backups read from or write to."""

from typing import Final

import click

from perdure import SavedHost
from perdure_cli.talking import Talk, talking
from perdure_contract.objects import HostView

NAME: Final = click.argument("name", metavar="HOST")
EXAMPLE: Final = (
    "Example: perdure host save offsite --address backup.example.org --user backup "
    '--key /etc/perdure/offsite --host-key "ssh-ed25519 AAAA…" --root /srv/backups'
)


@click.group()
def host() -> None:
    """List, save and delete hosts for backups."""


@host.command("list")
@talking
def list_hosts(talk: Talk) -> None:
    """List the saved hosts."""
    page = talk.client.hosts()
    if talk.out.as_json:
        talk.out.value(page)
    else:
        _table(talk, *page.items)


@host.command(epilog=EXAMPLE)
@NAME
@click.option("--address", required=True, help="Its name in the network, or its IP address.")
@click.option("--user", required=True, help="Who to be there.")
@click.option("--port", type=click.IntRange(1, 65535), default=22, help="Of its sshd (22).")
@click.option("--key", required=True, metavar="FILE", help="Private key, on the executors.")
@click.option("--host-key", required=True, help="The one key that it may show: see ssh-keyscan.")
@click.option("--root", "roots", multiple=True, required=True, help="Where backups may lie there.")
@talking
def save(
    talk: Talk,
    *,
    name: str,
    address: str,
    user: str,
    port: int,
    key: str,
    host_key: str,
    roots: tuple[str, ...],
) -> None:
    """Save a host, new or anew; the key itself stays where it is."""
    saved = SavedHost(
        address=address, user=user, port=port, key=key, host_key=host_key, roots=roots
    )
    _tell(talk, talk.client.save_host(name, saved))


@host.command()
@NAME
@click.option("--reason", help="Why; it stands in the host's events.")
@talking
def delete(talk: Talk, *, name: str, reason: str | None) -> None:
    """Delete a host; runs that name it and start later are refused."""
    gone = talk.client.delete_host(name, reason=reason)
    talk.out.told(gone, gone.name)


def _tell(talk: Talk, found: HostView) -> None:
    if talk.out.as_json:
        talk.out.value(found)
    else:
        _table(talk, found)


def _table(talk: Talk, *found: HostView) -> None:
    talk.out.columns(
        ["HOST", "USER", "ADDRESS", "PORT", "KEY", "ROOTS"],
        [(h.name, h.user, h.address, h.port, h.key, " ".join(h.roots)) for h in found],
    )
