"""Which rules of a time zone this process reckons with: governments change them, and so fire times."""

import hashlib
import zoneinfo
from functools import lru_cache
from importlib import resources
from pathlib import Path


@lru_cache(maxsize=1024)
def zone_rules(name: str) -> str:
    """Give a mark of the rules that a time zone has here: another one where they differ.

    They are read from where `zoneinfo` takes them: the system's files, else the package tzdata. A
    process keeps the rules that it began with, so the mark stays too.

    Args:
        name: of a zone that `zoneinfo` found.
    """
    for folder in zoneinfo.TZPATH:
        file = Path(folder, name)
        if file.is_file():
            return _mark(file.read_bytes())
    try:
        data = resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
    except OSError:
        return "unknown"
    return _mark(data)


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
