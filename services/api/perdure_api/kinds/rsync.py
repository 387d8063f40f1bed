"""Backups with rsync: how one is named, and what may be wrong with it."""

from collections.abc import Iterator

from perdure_api.domain.rejections import FieldError
from perdure_contract.rsync import grammar
from perdure_contract.rsync.spec import RsyncSpec


def words_of(spec: RsyncSpec) -> str:
    """Give what is copied where."""
    there = {spec.host_side: f"{spec.host}:"} if spec.host is not None else {}
    source = there.get("source", "") + spec.source
    destination = there.get("destination", "") + spec.destination
    return f"rsync {'--dry-run ' if spec.dry_run else ''}{source} {destination}"


def faults(spec: RsyncSpec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    if spec.saved_host is not None:
        yield FieldError(f"{at}/saved_host", "not-allowed", "Name a saved host in `host` instead.")
    for fault in grammar.faults(spec):
        yield FieldError(at + fault.at, fault.code, fault.message)
