"""What the api reads from the environment. Every knob is here."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from perdure_api.errors import CannotStart
from perdure_contract.rsync.roots import roots

HIGHEST_PORT: Final = 65535
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one api process."""

    data_dir: Path
    """Where the note with the unused login link is kept."""
    host: str
    port: int
    """0 is any free one."""
    public_url: str | None
    """Allowed Host and Origin beside loopback; https turns on Secure cookies and HSTS."""
    allow_plain_http: bool
    database_url: str
    nats_url: str
    lease_seconds: float
    """An executor silent for longer loses its attempts; the reaper waits 9/8 of it."""
    stuck_after_seconds: float
    """A run that lives but shows no progress for longer is ended, unless it says another time."""
    backup_roots: tuple[str, ...]
    """Where the local paths of backups must lie."""
    upload_bytes: int
    """The largest upload."""
    jobs_file: Path
    """Jobs and schedules as a file says; nothing while it is not there."""
    log_level: str

    @property
    def is_https(self) -> bool:
        """Whether people reach it over TLS."""
        return self.public_url is not None and self.public_url.startswith("https://")

    @property
    def address(self) -> str:
        """The address that people open, without a slash at its end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - looked up, not bound
        return f"http://{f'[{local}]' if ':' in local else local}:{self.port}"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; an empty variable counts as unset.

        Raises:
            CannotStart: when a value makes no sense; the text names the variable.
        """
        given = {name: value for name, value in environment.items() if value}
        host = given.get("PERDURE_HOST", "127.0.0.1")
        public_url = _public_url(given)
        allow_plain_http = given.get("PERDURE_ALLOW_PLAIN_HTTP") == "1"
        if not is_loopback(host) and public_url is None and not allow_plain_http:
            message = (
                f"PERDURE_HOST {host} can be reached from other machines: set PERDURE_PUBLIC_URL to the "
                "address that people use, or PERDURE_ALLOW_PLAIN_HTTP=1 in a network that you trust."
            )
            raise CannotStart(message)
        return cls(
            data_dir=Path(given.get("PERDURE_DATA_DIR", ".perdure")).expanduser().absolute(),
            host=host,
            port=_port(given.get("PERDURE_PORT", "8000")),
            public_url=public_url,
            allow_plain_http=allow_plain_http,
            database_url=_server_url(given, "PERDURE_DATABASE_URL", "postgresql", "postgres"),
            nats_url=_server_url(given, "PERDURE_NATS_URL", "nats", "tls"),
            lease_seconds=_seconds(given, "PERDURE_LEASE_SECONDS", 60.0),
            stuck_after_seconds=_seconds(
                given, "PERDURE_STUCK_AFTER_SECONDS", 86400.0, longest=366 * 86400
            ),
            backup_roots=roots(environment),
            upload_bytes=_bytes(given, "PERDURE_UPLOAD_BYTES", 1_000_000_000),
            jobs_file=Path(given.get("PERDURE_JOBS_FILE", "jobs.yaml")).expanduser().absolute(),
            log_level=given.get("PERDURE_LOG_LEVEL", "info"),
        )

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings of this process."""
        return cls.read(os.environ)


def is_loopback(host: str) -> bool:
    """Tell whether a host to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _public_url(given: Mapping[str, str]) -> str | None:
    url = given.get("PERDURE_PUBLIC_URL")
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        message = "PERDURE_PUBLIC_URL is no address like https://perdure.example.org."
        raise CannotStart(message)
    return url


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        message = f"PERDURE_PORT is no number from 0 (any free port) to {HIGHEST_PORT}."
        raise CannotStart(message)
    return int(text)


def _server_url(given: Mapping[str, str], variable: str, *schemes: str) -> str:
    url = given.get(variable)
    if url is None:
        message = f"{variable} is not set: give the address of a server, or use `perdure up`."
        raise CannotStart(message)
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        message = f"{variable} is no address of a server: it begins with {schemes[0]}://."
        raise CannotStart(message)
    return url


def _bytes(given: Mapping[str, str], variable: str, default: int) -> int:
    text = given.get(variable, str(default))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1 << 40:
        message = f"{variable} is no number of bytes from 1 to {1 << 40}."
        raise CannotStart(message)
    return int(text)


def _seconds(
    given: Mapping[str, str], variable: str, default: float, *, longest: int = 86400
) -> float:
    text = given.get(variable)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1 <= seconds <= longest:
        message = f"{variable} is no number of seconds from 1 to {longest}."
        raise CannotStart(message)
    return seconds
