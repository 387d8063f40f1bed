r"""What rsync prints, read: progress that never goes back, changes, final figures.

No name of a file can be taken for anything else: rsync writes control characters as `\#nnn`, and a
line about a file begins with eleven characters of its own.
"""

import re
from typing import Final, Literal

from msgspec import Struct

_PROGRESS: Final = re.compile(
    r"\s*(?P<bytes>\d+)\s+(?P<percent>\d+)%\s+(?P<rate>\d+(?:\.\d+)?)(?P<unit>[kMGT]?)B/s\s+"
    r"(?:\d+:\d\d:\d\d|\?\?:\?\?:\?\?)"
    r"(?:\s+\(xfr#(?P<copied>\d+), (?:ir|to)-chk=(?P<left>\d+)/(?P<total>\d+)\))?\s*"
)
_CHANGE: Final = re.compile(r"(?:[<>ch.][fdLDS][.+?a-zA-Z ]{9}|\*deleting  ) (?P<name>.+)")
_UNITS: Final = {"": 1, "k": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}

_FIGURES: Final = {
    "Number of files": "files",
    "Number of created files": "created",
    "Number of deleted files": "deleted",
    "Number of regular files transferred": "transferred",
    "Total file size": "total_bytes",
    "Total transferred file size": "transferred_bytes",
    "Literal data": "literal_bytes",
    "Matched data": "matched_bytes",
    "Total bytes sent": "sent_bytes",
    "Total bytes received": "received_bytes",
}
_FIGURE: Final = re.compile(r"([A-Z][a-z ]+): ([\d,]+)")
_SPEED_UP: Final = re.compile(r"total size is [\d,]+  speedup is ([\d,.]+)")


class Standing(Struct, frozen=True, kw_only=True):
    """How far a copy is. Nothing of it but the rate ever gets smaller."""

    fraction: float = 0.0
    bytes: int = 0
    """Copied so far, as files have them."""
    files: int = 0
    """Copied so far."""
    checked: int = 0
    """Looked at so far, of `total`."""
    total: int = 0
    bytes_per_second: float = 0.0


def standing_after(before: Standing, line: str) -> Standing | None:
    """Take a line of `--info=progress2`; none when it is another line.

    rsync's percentage counts copied bytes against everything there is, so a copy of few changes would
    never leave 0 %. Where most files are left as they are, the share of files looked at counts more.
    """
    found = _PROGRESS.fullmatch(line)
    if found is None:
        return None
    copied, left, total = before.files, before.total - before.checked, before.total
    if found["copied"] is not None:
        copied, left, total = int(found["copied"]), int(found["left"]), int(found["total"])
    checked = max(before.checked, total - left)
    total = max(before.total, total)
    files = max(before.files, copied)
    of_bytes = min(int(found["percent"]), 100) / 100
    of_files = checked / total if total else 0.0
    weight = min(1.0, (files + 1) / (checked + 1))
    fraction = max(before.fraction, min(weight * of_bytes + (1 - weight) * of_files, 0.999))
    return Standing(
        fraction=fraction,
        bytes=max(before.bytes, int(found["bytes"])),
        files=files,
        checked=checked,
        total=total,
        bytes_per_second=float(found["rate"]) * _UNITS[found["unit"]],
    )


class Change(Struct, frozen=True):
    """One thing that is, or would be, made different at the destination."""

    kind: Literal["new", "changed", "attributes", "deleted"]
    name: str


def change_in(line: str) -> Change | None:
    """Read a line about a file; none when it is another line, or a directory's time alone."""
    found = _CHANGE.fullmatch(line)
    if found is None:
        return None
    name = found["name"]
    if line.startswith("*deleting"):
        return Change("deleted", name)
    if line[2:11] == "+++++++++":
        return Change("new", name)
    if line[0] != "." and line[1] != "d":
        return Change("changed", name)
    if line[1] == "d" and not line[2:11].strip(".t "):
        return None
    return Change("attributes", name)


def figures_in(line: str) -> dict[str, float]:
    """Read a line of the final figures; empty when it is another line."""
    found = _FIGURE.match(line)
    if found is not None and found[1] in _FIGURES:
        return {_FIGURES[found[1]]: float(found[2].replace(",", ""))}
    found = _SPEED_UP.match(line)
    if found is not None:
        return {"speed_up": float(found[1].replace(",", ""))}
    return {}
