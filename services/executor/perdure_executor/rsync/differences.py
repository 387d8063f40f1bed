"""What a dry run would do, counted, with the first names of each kind."""

from typing import Final

from perdure_contract.rsync.output import Change

SHOWN: Final = 200
NAME_CHARACTERS: Final = 300
NAMES_BYTES: Final = 14_000
"""Of each kind: a result has at most 64 KiB."""
KINDS: Final = ("new", "changed", "attributes", "deleted")


class Differences:
    """Collects changes."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(KINDS, 0)
        self._names: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._bytes = dict.fromkeys(KINDS, 0)

    def add(self, change: Change) -> None:
        """Count a change, and keep its name while it is one of the first."""
        self._counts[change.kind] += 1
        names = self._names[change.kind]
        if len(names) < SHOWN and self._bytes[change.kind] < NAMES_BYTES:
            name = change.name[:NAME_CHARACTERS]
            names.append(name)
            self._bytes[change.kind] += len(name.encode()) + 4

    def result(self, figures: dict[str, float]) -> dict[str, object]:
        """Give the result of the run: each kind's count and first names, and what stays as it is."""
        files = int(figures.get("files", 0))
        touched = self._counts["new"] + self._counts["changed"] + self._counts["attributes"]
        kinds = {kind: {"count": self._counts[kind], "first": self._names[kind]} for kind in KINDS}
        return {
            **kinds,
            "unchanged": max(0, files - touched),
            "files": files,
            "bytes": int(figures.get("transferred_bytes", 0)),
            "total_bytes": int(figures.get("total_bytes", 0)),
        }
