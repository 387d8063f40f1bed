"""A saved host as its stream tells it: where it is, who we are there, which key it must show."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.rejections import Rejection
from perdure_contract.facts import HostDeleted, HostFact, HostSaved
from perdure_contract.rsync.spec import SavedHost


class Host(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a saved host."""

    name: str
    saved: SavedHost
    deleted: bool = False


def evolve(host: Host | None, fact: HostFact) -> Host:
    """Fold one fact into the state."""
    match fact:
        case HostSaved():
            return Host(name=fact.host, saved=fact.saved)
        case HostDeleted():
            if host is None:
                message = "a host was deleted before it was saved"
                raise ValueError(message)
            return replace(host, deleted=True)
        case _:
            assert_never(fact)


def create(host: Host | None, name: str, saved: SavedHost) -> tuple[HostFact, ...] | Rejection:
    """Save a host under a name that is free."""
    if host is not None and not host.deleted:
        return Rejection(
            code="already-exists", message="There is a saved host of this name already."
        )
    return (HostSaved(host=name, saved=saved),)


def save(host: Host | None, name: str, saved: SavedHost) -> tuple[HostFact, ...]:
    """Save a host; the same once more changes nothing."""
    if host is not None and not host.deleted and host.saved == saved:
        return ()
    return (HostSaved(host=name, saved=saved),)


def delete(host: Host, reason: str | None) -> tuple[HostFact, ...]:
    """Let a host be named no more; deleting it again changes nothing."""
    return () if host.deleted else (HostDeleted(host=host.name, reason=reason),)
