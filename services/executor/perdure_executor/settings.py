"""Every knob of an executor, read once from the environment."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

from perdure_contract.identifiers import Name, as_name
from perdure_contract.rsync.roots import roots
from perdure_executor.errors import CannotStart

PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "USER", "TMPDIR")
"""What a child gets from the executor's environment; nothing else."""

MAX_SLOTS = 1000
DEFAULT_ALLOWED = "perdure.demo"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Who this executor is and what it may do."""

    nats_url: str
    data_dir: Path
    """Absolute; the spool is in `executor-<name>` of it."""
    name: str
    slots: int
    """How many attempts run at once."""
    labels: dict[str, str]
    queues: tuple[str, ...]
    """Queues it serves; none means all."""
    programs: tuple[str, ...] | None
    """Real paths of the programs that may be started; none means any."""
    python_allow: tuple[str, ...]
    """Modules whose functions may be called, with all that is inside them."""
    python_path: tuple[str, ...]
    """Directories where they are found, by workers only."""
    environment: dict[str, str]
    """What children inherit."""
    backup_roots: tuple[str, ...]
    """Where the local paths of backups must lie."""
    directory: str
    """Where a program starts that names no directory: where the executor was started."""

    @property
    def spool(self) -> Path:
        """The directory that holds what is not yet confirmed."""
        return self.data_dir / f"executor-{self.name}"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        CannotStart: when one is missing or makes no sense; the text names the variable.
    """
    nats_url = environment.get("PERDURE_NATS_URL", "")
    if not nats_url:
        message = (
            "PERDURE_NATS_URL is not set: "
            "an executor needs the address of NATS, nats://user:password@host:4222."
        )
        raise CannotStart(message)
    if not nats_url.startswith(("nats://", "tls://", "ws://", "wss://")):
        message = "PERDURE_NATS_URL is not an address of NATS: it begins with nats:// or tls://."
        raise CannotStart(message)
    name = environment.get("PERDURE_EXECUTOR_NAME") or as_name(socket.gethostname())
    programs = _listed(environment.get("PERDURE_PROGRAMS", ""), ":")
    allow = environment.get("PERDURE_PYTHON_ALLOW", DEFAULT_ALLOWED).replace(":", ",")
    path = _listed(environment.get("PERDURE_PYTHON_PATH", ""), ":") or [str(Path.cwd())]
    return Settings(
        nats_url=nats_url,
        data_dir=Path(environment.get("PERDURE_DATA_DIR") or ".perdure").absolute(),
        name=_name("PERDURE_EXECUTOR_NAME", name),
        slots=_slots(environment.get("PERDURE_EXECUTOR_SLOTS")),
        labels=_labels(environment.get("PERDURE_EXECUTOR_LABELS", "")),
        queues=tuple(
            _name("PERDURE_EXECUTOR_QUEUES", queue)
            for queue in _listed(environment.get("PERDURE_EXECUTOR_QUEUES", ""), ",")
        ),
        programs=tuple(os.path.realpath(program) for program in programs) or None,
        backup_roots=roots(environment),
        python_allow=tuple(_listed(allow, ",")),
        python_path=tuple(str(Path(folder).absolute()) for folder in path),
        environment={name: environment[name] for name in PASSED_ON if name in environment},
        directory=str(Path.cwd()),
    )


def _listed(text: str, mark: str) -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def _name(variable: str, text: str) -> str:
    try:
        return msgspec.convert(text, Name)
    except msgspec.ValidationError as error:
        message = f"{variable} holds {text!r}: a name has lower-case letters, digits, _ and -, at most 63."
        raise CannotStart(message) from error


def _slots(text: str | None) -> int:
    if not text:
        return 2 * len(os.sched_getaffinity(0))
    if text.isdigit() and 1 <= int(text) <= MAX_SLOTS:
        return int(text)
    message = f"PERDURE_EXECUTOR_SLOTS is {text!r}: it is a number from 1 to {MAX_SLOTS}."
    raise CannotStart(message)


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in _listed(text, ","):
        key, found, value = part.partition("=")
        if not found or not key.strip():
            message = f"PERDURE_EXECUTOR_LABELS holds {part!r}: labels are written site=b,gpu=yes."
            raise CannotStart(message)
        labels[key.strip()] = value.strip()
    return labels
