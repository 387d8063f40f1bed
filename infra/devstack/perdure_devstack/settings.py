"""What `perdure up` reads from the environment."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perdure_devstack.errors import CannotStart

DEFAULT_PORT: Final = "8000"
HIGHEST_PORT: Final = 65_535
NAME_LENGTH: Final = 63


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the supervisor; services read their own."""

    data_dir: Path
    host: str
    port: int
    """0 is any free one, chosen at the start."""
    executor_name: str
    database_url: str | None
    """None starts PostgreSQL from the wheel."""
    migrate_url: str | None
    """The owner's connection where it differs from `database_url`."""
    nats_url: str | None
    """None starts NATS from the wheel."""
    environment: Mapping[str, str]
    """All of it, for the children."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; an empty variable counts as unset.

        Raises:
            CannotStart: when a value makes no sense; the text names the variable.
        """
        given = {name: value for name, value in environment.items() if value}
        return cls(
            data_dir=Path(given.get("PERDURE_DATA_DIR", ".perdure")).expanduser().resolve(),
            host=given.get("PERDURE_HOST", "127.0.0.1"),
            port=_port(given.get("PERDURE_PORT", DEFAULT_PORT)),
            executor_name=given.get("PERDURE_EXECUTOR_NAME") or name_of(socket.gethostname()),
            database_url=_url("PERDURE_DATABASE_URL", given, "postgresql", "postgres"),
            migrate_url=_url("PERDURE_MIGRATE_URL", given, "postgresql", "postgres"),
            nats_url=_url("PERDURE_NATS_URL", given, "nats", "tls"),
            environment=dict(environment),
        )


def name_of(host: str) -> str:
    """Turn a host name into the name of an executor."""
    name = re.sub(r"[^a-z0-9_-]", "-", host.lower()).lstrip("-_")[:NAME_LENGTH]
    return name or "executor"


def from_environment() -> Settings:
    """Read the settings of this process."""
    return Settings.read(os.environ)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        message = f"PERDURE_PORT is {text!r}: give 0 (any free port) to {HIGHEST_PORT}."
        raise CannotStart(message)
    return int(text)


def _url(variable: str, given: Mapping[str, str], *schemes: str) -> str | None:
    url = given.get(variable)
    if url is not None and not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        message = f"{variable} is no address of a server: it begins with {schemes[0]}://."
        raise CannotStart(message)
    return url
