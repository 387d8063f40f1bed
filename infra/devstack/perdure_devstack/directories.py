"""What lies where under the data directory, and who holds it.

<data dir>/lock             held by the supervisor that uses the directory
<data dir>/endpoint.json    how to reach the running system
<data dir>/postgres         PostgreSQL's files
<data dir>/nats             JetStream's files: may be deleted at any time
<data dir>/servers          ports, passwords, configuration: kept for good
<data dir>/logs             what the processes print
"""

import errno
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perdure_devstack.errors import CannotStart

LOG_BYTES_KEPT: Final = 10_000_000
"""A log larger than this is set aside as `.log.1`, replacing the one before."""


@dataclass(frozen=True, slots=True)
class Directories:
    """The folders of one data directory; all paths are absolute."""

    root: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's cluster."""
        return self.root / "postgres"

    @property
    def nats(self) -> Path:
        """JetStream's store, and nothing that is needed to start."""
        return self.root / "nats"

    @property
    def servers(self) -> Path:
        """What was chosen once: ports, passwords, the NATS configuration, the admin token."""
        return self.root / "servers"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def endpoint(self) -> Path:
        """The file that tells programs how to reach the running system."""
        return self.root / "endpoint.json"

    def prepare(self) -> None:
        """Make the folders, closed to other users; repeatable.

        Raises:
            CannotStart: when the directory cannot be made or written.
        """
        # Root's PostgreSQL runs as another user, which must pass through (not list) this folder.
        passable = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.root.stat().st_uid == os.geteuid():
                self.root.chmod(passable)
            for folder in (self.servers, self.logs, self.nats):
                folder.mkdir(mode=0o700, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            raise cannot_use(self.root, error) from error

    def log(self, name: str) -> Path:
        """Name the log of one process."""
        return self.logs / f"{name}.log"

    def bound_logs(self) -> None:
        """Set aside each log that grew too long, while its process goes on appending.

        What is written between the copy and the cut is lost.
        """
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_BYTES_KEPT:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def lock(self) -> int:
        """Take the directory for this process until it ends, however it ends.

        Returns:
            The descriptor that holds the lock; it is not inherited by children.

        Raises:
            CannotStart: when another living process holds it.
        """
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise cannot_use(self.root, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            by = f" by process {holder}" if holder else ""
            message = (
                f"The data directory {self.root} is in use{by}: "
                "stop that one, or set PERDURE_DATA_DIR to another directory."
            )
            raise CannotStart(message) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place in one step, readable by its owner only."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def cannot_use(directory: Path, error: OSError) -> CannotStart:
    """Say in one line why a data directory is of no use, and what to do."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return CannotStart(f"The disk that holds {directory} is full: make room and start again.")
    return CannotStart(
        f"Cannot use the data directory {directory} ({reason}): "
        "set PERDURE_DATA_DIR to one that can be written."
    )
