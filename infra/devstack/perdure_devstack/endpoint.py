"""`endpoint.json`: how programs reach the running system, true at every moment it is there."""

from pathlib import Path

import msgspec
import psutil

from perdure_devstack.directories import Directories, write_private


class Pids(msgspec.Struct, frozen=True):
    """The processes; null for a server of one's own."""

    supervisor: int
    api: int | None = None
    executor: int | None = None
    warden: int | None = None
    postgres: int | None = None
    nats: int | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """The content of the file."""

    url: str
    admin_token: str
    login_url: str
    database_url: str
    nats_url: str
    pids: Pids


class _Warden(msgspec.Struct, frozen=True):
    pid: int


class EndpointFile:
    """Writes the file when its content changes, in one step, readable by its owner only."""

    def __init__(self, directories: Directories) -> None:
        self._path = directories.endpoint
        self._written: Endpoint | None = None

    def write(self, endpoint: Endpoint) -> None:
        """Put this content in place; nothing happens when it is there already."""
        if endpoint != self._written:
            write_private(self._path, msgspec.json.format(msgspec.json.encode(endpoint)) + b"\n")
            self._written = endpoint

    def remove(self) -> None:
        """Take the file away: nothing runs."""
        self._path.unlink(missing_ok=True)
        self._written = None


def read_login_url(path: Path) -> str:
    """Read the unused login link that the api keeps in this file; '' while there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def read_warden(path: Path) -> int | None:
    """Read the process id of the warden that an executor notes; None when none lives."""
    try:
        pid = msgspec.json.decode(path.read_bytes(), type=_Warden).pid
        return pid if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except (OSError, msgspec.DecodeError, psutil.Error, ValueError):
        return None
