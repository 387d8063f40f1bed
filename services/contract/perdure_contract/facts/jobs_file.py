"""What became of the jobs file each time it was read."""

from typing import ClassVar

from msgspec import Struct

from perdure_contract.facts.fact import Fact


class FileFault(Struct, frozen=True, kw_only=True):
    """What is wrong with the jobs file, and where; lines and columns count from 1."""

    line: int
    column: int
    message: str


class JobsFileLoaded(Fact, frozen=True, kw_only=True):
    """The jobs file was taken over whole."""

    event: ClassVar[str] = "jobsfile.loaded"
    file: str
    sha256: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    """Jobs that are in it no more; their schedules were paused."""
    unchanged: int = 0
    names: tuple[str, ...] = ()
    """Every job that it names."""


class JobsFileRefused(Fact, frozen=True, kw_only=True):
    """The jobs file has faults; what was loaded before stays."""

    event: ClassVar[str] = "jobsfile.refused"
    file: str
    sha256: str
    faults: tuple[FileFault, ...]


JobsFileFact = JobsFileLoaded | JobsFileRefused
