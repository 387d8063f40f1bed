"""The jobs file as it was last looked at: taken over, or refused with its faults."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_contract.facts import FileFault, JobsFileFact, JobsFileLoaded, JobsFileRefused


class JobsFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a tenant's jobs file."""

    file: str
    sha256: str
    """Of what was looked at last."""
    loaded_sha256: str | None = None
    """Of what counts."""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    unchanged: int = 0
    names: tuple[str, ...] = ()
    """The jobs of what counts."""
    faults: tuple[FileFault, ...] = ()
    """Why what was looked at last does not count; none when it does."""


def evolve(known: JobsFile | None, fact: JobsFileFact) -> JobsFile:
    """Fold one fact into the state."""
    match fact:
        case JobsFileLoaded():
            return JobsFile(
                file=fact.file,
                sha256=fact.sha256,
                loaded_sha256=fact.sha256,
                added=fact.added,
                changed=fact.changed,
                paused=fact.paused,
                unchanged=fact.unchanged,
                names=fact.names,
            )
        case JobsFileRefused():
            known = known or JobsFile(file=fact.file, sha256=fact.sha256)
            return replace(known, file=fact.file, sha256=fact.sha256, faults=fact.faults)
        case _:
            assert_never(fact)
