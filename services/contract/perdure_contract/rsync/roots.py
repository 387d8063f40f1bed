"""Where the local paths of backups may lie: api and executor read it alike."""

import posixpath
from collections.abc import Mapping


def roots(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Give the directories of PERDURE_BACKUP_ROOTS, left out: the home directory."""
    named = environment.get("PERDURE_BACKUP_ROOTS") or environment.get("HOME", "")
    return tuple(
        posixpath.normpath(root) for root in named.split(":") if posixpath.isabs(root.strip())
    )
