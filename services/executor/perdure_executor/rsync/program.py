"""Which rsync there is on this executor."""

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from perdure_contract.rsync.command import PROGRAM
from perdure_contract.rsync.sentences import OLDEST, number_of
from perdure_executor.settings import Settings

ANSWER_SECONDS = 10.0
FIRST_WORDS = ["rsync", "version"]


class Rsync(Struct, frozen=True):
    """A program and its version, like `3.4.1`."""

    path: str
    version: str

    @property
    def is_usable(self) -> bool:
        """Whether it has the options that are always given."""
        return number_of(self.version) >= OLDEST


def find(settings: Settings) -> Rsync | None:
    """Give the rsync on the executor's PATH; none when there is none that answers."""
    path = shutil.which(PROGRAM, path=settings.environment.get("PATH", os.defpath))
    if path is None:
        return None
    state = Path(path).stat()
    version = _version(path, state.st_mtime_ns, state.st_ino)
    return None if version is None else Rsync(path, version)


def programs_here(settings: Settings) -> dict[str, str]:
    """Give what this executor announces: rsync with its version, where it can be used."""
    found = find(settings)
    return {PROGRAM: found.version} if found is not None and found.is_usable else {}


@lru_cache(maxsize=4)
def _version(path: str, _changed: int, _inode: int) -> str | None:
    """Ask it once, and again when another file takes its place."""
    try:
        asked = subprocess.run(  # noqa: S603 -- the executor's own rsync
            [path, "--version"],
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = asked.stdout.decode("ascii", "replace").split(maxsplit=3)
    return words[2] if words[:2] == FIRST_WORDS and len(words) > len(FIRST_WORDS) else None
