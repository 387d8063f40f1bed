"""Ports and passwords of the embedded servers: chosen once, kept for good."""

import errno
import secrets
import socket
from pathlib import Path
from typing import Final

import msgspec

from perdure_devstack.directories import Directories, write_private
from perdure_devstack.errors import CannotStart

PORTS: Final = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, so that a kept one stays free."""


LOOPBACK: Final = "127.0.0.1"


class PostgresChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PostgreSQL's port and the passwords of its three roles."""

    port: int
    superuser_password: str
    owner_password: str
    app_password: str


class NatsChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """NATS's port and the passwords of its three users."""

    port: int
    api_password: str
    executor_password: str
    reader_password: str


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that was chosen for one data directory."""

    postgres: PostgresChoice
    nats: NatsChoice


def choose(directories: Directories) -> Chosen:
    """Read what was chosen before, or choose and keep it.

    Raises:
        CannotStart: when the kept file cannot be read.
    """
    path = _path(directories)
    if not path.exists():
        chosen = _new()
        _keep(directories, chosen)
        return chosen
    try:
        return msgspec.json.decode(path.read_bytes(), type=Chosen)
    except (msgspec.DecodeError, OSError) as error:
        message = f"Cannot read {path} ({error}): put it back from a copy, or remove it."
        raise CannotStart(message) from error


def choose_other_ports(directories: Directories, chosen: Chosen) -> Chosen:
    """Choose and keep another port for each that a stranger has taken."""
    postgres, nats = chosen.postgres, chosen.nats
    if not is_free(LOOPBACK, postgres.port):
        postgres = msgspec.structs.replace(postgres, port=free_port())
    if not is_free(LOOPBACK, nats.port):
        nats = msgspec.structs.replace(nats, port=free_port())
    chosen = Chosen(postgres, nats)
    _keep(directories, chosen)
    return chosen


def ports_are_free(chosen: Chosen) -> bool:
    """Tell whether both servers could listen now."""
    return is_free(LOOPBACK, chosen.postgres.port) and is_free(LOOPBACK, chosen.nats.port)


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    while True:
        port = secrets.choice(PORTS)
        if is_free(LOOPBACK, port):
            return port


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now.

    Raises:
        OSError: when the host is no address of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # As servers do: connections of an earlier server that still linger are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _keep(directories: Directories, chosen: Chosen) -> None:
    write_private(_path(directories), msgspec.json.format(msgspec.json.encode(chosen)))


def _new() -> Chosen:
    return Chosen(
        postgres=PostgresChoice(free_port(), _password(), _password(), _password()),
        nats=NatsChoice(free_port(), _password(), _password(), _password()),
    )


def _password() -> str:
    # Hexadecimal: it stands in URLs, SQL and configuration files without escapes.
    return secrets.token_hex(24)


def _path(directories: Directories) -> Path:
    return directories.servers / "servers.json"
