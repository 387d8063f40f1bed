"""Times and sizes as people write them: `90 s`, `15 min`, `2 h`, `512 MB`."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"^\s*(\d{1,12}(?:[.,]\d{1,6})?)\s*([a-zA-Z]*)\s*$")
_SECONDS: Final = {
    "": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_BYTES: Final = {
    "": 1, "b": 1, "k": 1000, "kb": 1000, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "tb": 10**12,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4,
}  # fmt: skip


def read_seconds(text: str) -> float | None:
    """Read a time in seconds; a bare number is seconds. None when it is no time."""
    found = _NUMBER.match(text)
    factor = _SECONDS.get(found[2].lower()) if found else None
    return (
        None
        if found is None or factor is None
        else round(float(found[1].replace(",", ".")) * factor, 3)
    )


def read_bytes(text: str) -> int | None:
    """Read a size in bytes; a bare number is bytes. None when it is no size."""
    found = _NUMBER.match(text)
    factor = _BYTES.get(found[2].lower()) if found else None
    return (
        None
        if found is None or factor is None
        else round(float(found[1].replace(",", ".")) * factor)
    )


def write_seconds(seconds: float | None) -> str:
    """Write a time so that it reads back as the same; nothing for none."""
    if seconds is None:
        return ""
    for factor, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds // factor:g} {unit}"
    return f"{seconds:g} s"


def write_bytes(count: int | None) -> str:
    """Write a size so that it reads back as the same; nothing for none."""
    if count is None:
        return ""
    for factor, unit in (
        (10**9, "GB"),
        (1024**3, "GiB"),
        (10**6, "MB"),
        (1024**2, "MiB"),
        (1000, "kB"),
    ):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return str(count)
