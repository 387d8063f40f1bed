"""What must be known before a backup is requested, saved or granted: its host, its roots, its dry run.

Requests and jobs are looked at inside the writer's transaction, so that every way in meets the same
answer. A host is filled in as late as an attempt is granted; what it was proven for is looked at again
then. The executor looks at the roots again, on the files as they are when it starts.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.host import Host
from perdure_api.domain.rejections import FieldError, Rejection
from perdure_api.errors import Rejected
from perdure_api.store.batch import Batch
from perdure_api.store.state import decode_stream_state
from perdure_contract.identifiers import host_stream
from perdure_contract.rsync.command import fingerprint
from perdure_contract.rsync.grammar import root_faults
from perdure_contract.rsync.spec import RsyncSpec, SavedHost
from perdure_contract.specs import Spec

HOSTS: Final = """
SELECT stream, state FROM perdure.streams WHERE stream = ANY($1::text[]) AND tenant = $2"""
PROOFS: Final = """
SELECT d.fingerprint, max(d.at) > clock_timestamp() - interval '7 days'
FROM perdure.dry_runs d JOIN perdure.runs r ON r.run_id = d.run_id
WHERE d.tenant = $1 AND d.fingerprint = ANY($2::text[])
  AND r.state ->> 'phase' IN ('completed', 'partial')
GROUP BY 1"""
OTHERS: Final = """
SELECT 1 FROM perdure.dry_runs WHERE tenant = $1 AND run_id = $2::text::uuid
HAVING count(*) > 0 AND NOT bool_or(fingerprint = $3)"""
NOTE_DRY_RUN: Final = """
INSERT INTO perdure.dry_runs (tenant, fingerprint, run_id) VALUES ($1, $2, $3::text::uuid)"""


HostStanding = Literal["fits", "changed", "gone"]
"""Of the saved host that a backup names: as its dry run saw it, not so any more, not saved any more."""


class Backup(Struct, frozen=True):
    """A spec that is asked for, and where it stands in what was sent."""

    at: str
    spec: RsyncSpec
    proven: bool = False
    """Whether it was checked before: a run of a job whose spec was proven when it was saved. Its host
    may be another machine by now, so a dry run of exactly this is looked for again, of any age."""

    @property
    def needs_proof(self) -> bool:
        """Whether a dry run must have come first."""
        return deletes(self.spec) and not (self.proven and self.spec.host is None)


class Granted(Struct, frozen=True):
    """A backup as it is handed to an executor."""

    spec: RsyncSpec
    refused: str | None = None
    """Why it must not be run; none when it may."""


class BackupChecks:
    """Checks some backups in one transaction: `look_up`, then `refuse`."""

    def __init__(self, tenant: str, roots: Sequence[str], backups: Sequence[Backup]) -> None:
        self._tenant = tenant
        self._roots = roots
        self._backups = backups
        self._hosts: dict[str, SavedHost] = {}
        self._proofs: dict[str, bool] = {}
        """Command lines that have a completed dry run, and whether it is of these days."""

    async def look_up(self, connection: asyncpg.Connection | asyncpg.Pool) -> None:
        """Read hosts and dry runs."""
        if not self._backups:
            return
        names = {backup.spec.host for backup in self._backups if backup.spec.host is not None}
        self._hosts = await saved_hosts(connection, self._tenant, names)
        asked = [self.fingerprint(backup.spec) for backup in self._backups if backup.needs_proof]
        if asked:
            self._proofs = dict(await connection.fetch(PROOFS, self._tenant, asked))

    async def prepare(self, connection: asyncpg.Connection, _batch: Batch) -> None:
        """As `look_up`, in the form that a work of the writer takes."""
        await self.look_up(connection)

    def refuse(self, known: Spec | None = None) -> None:
        """Refuse what cannot be, or lacks its dry run; a spec that is saved already needs none.

        Raises:
            Rejected: with every fault.
        """
        self.refuse_places()
        unproven = tuple(
            FieldError(f"{backup.at}/options/delete", "dry-run-needed", words_without_proof(backup))
            for backup in self._backups
            if backup.spec != known and self.lacks_proof(backup)
        )
        if unproven:
            raise Rejected(
                Rejection(code="dry-run-needed", message=unproven[0].message, errors=unproven)
            )

    def refuse_places(self) -> None:
        """Refuse unknown hosts, and paths outside of their roots.

        Raises:
            Rejected: with every fault.
        """
        faults = tuple(fault for backup in self._backups for fault in self.faults(backup))
        if faults:
            code = faults[0].code if len({fault.code for fault in faults}) == 1 else "validation"
            words = f"{len(faults)} field{'s need' if len(faults) > 1 else ' needs'} attention."
            raise Rejected(Rejection(code=code, message=words, errors=faults))

    def faults(self, backup: Backup) -> Iterator[FieldError]:
        """Find what is wrong with its host and its places."""
        spec = backup.spec
        if not self.has_host(spec):
            yield FieldError(
                f"{backup.at}/host", "unknown-host", "There is no saved host so named."
            )
            return
        for fault in root_faults(self.resolved(spec), self._roots, os.path.realpath):
            yield FieldError(backup.at + fault.at, fault.code, fault.message)

    def has_host(self, spec: RsyncSpec) -> bool:
        """Tell whether the host that it names is saved, if it names one."""
        return spec.host is None or spec.host in self._hosts

    def lacks_proof(self, backup: Backup) -> bool:
        """Tell whether a dry run of exactly this is needed and missing."""
        if not backup.needs_proof:
            return False
        is_fresh = self._proofs.get(self.fingerprint(backup.spec))
        return is_fresh is None or not (is_fresh or backup.proven)

    def resolved(self, spec: RsyncSpec) -> RsyncSpec:
        """Give a spec with what its saved host is now."""
        return spec if spec.host is None else replace(spec, saved_host=self._hosts.get(spec.host))

    def fingerprint(self, spec: RsyncSpec) -> str:
        """Give the hash of what would be run."""
        return fingerprint(self.resolved(spec))


DRY_RUN_NEEDED: Final = (
    "It deletes: do a dry run of exactly this first (POST /api/rsync/dry-run), and look at it."
)
MOVED: Final = (
    "It deletes, and saved host {host} is not what it was when the dry run of this was done: do a dry "
    "run again, and look at it."
)
MOVED_BEFORE_DRY: Final = (
    "Saved host {host} was changed after this dry run was asked for: ask for another one."
)


def deletes(spec: RsyncSpec) -> bool:
    """Tell whether a backup may delete something."""
    return spec.options.delete and not spec.dry_run


def words_without_proof(backup: Backup) -> str:
    """Say why a backup is refused that lacks its dry run."""
    return MOVED.format(host=backup.spec.host) if backup.proven else DRY_RUN_NEEDED


def backups_of(at: str, spec: Spec, *, proven: bool = False) -> Iterator[Backup]:
    """Give the backup that a spec is, if it is one."""
    if isinstance(spec, RsyncSpec):
        yield Backup(at, spec, proven)


async def saved_hosts(
    connection: asyncpg.Connection | asyncpg.Pool, tenant: str, names: set[str]
) -> dict[str, SavedHost]:
    """Give the saved hosts of some names; deleted and unknown ones are left out."""
    if not names:
        return {}
    rows = await connection.fetch(HOSTS, [host_stream(name) for name in sorted(names)], tenant)
    states = [decode_stream_state(stream, data) for stream, data in rows]
    return {h.name: h.saved for h in states if isinstance(h, Host) and not h.deleted}


async def granted(pool: asyncpg.Pool, tenant: str, run_id: str, spec: RsyncSpec) -> Granted:
    """Give a backup with what its saved host is now, and whether it may be run like that.

    The host may have been changed since the dry run, or since the dry run itself was asked for.
    """
    if spec.host is None:
        return Granted(spec)
    found = await saved_hosts(pool, tenant, {spec.host})
    spec = replace(spec, saved_host=found.get(spec.host))
    if spec.saved_host is None:
        return Granted(spec)
    of = fingerprint(spec)
    if spec.dry_run and await pool.fetchval(OTHERS, tenant, run_id, of):
        return Granted(spec, MOVED_BEFORE_DRY.format(host=spec.host))
    if deletes(spec) and not await pool.fetch(PROOFS, tenant, [of]):
        return Granted(spec, MOVED.format(host=spec.host))
    return Granted(spec)


async def hosts_of_jobs(
    pool: asyncpg.Pool, tenant: str, jobs: Mapping[str, RsyncSpec]
) -> dict[str, HostStanding]:
    """Tell of each job whether it would be refused because of its saved host."""
    checked = {name: Backup("", spec, proven=True) for name, spec in jobs.items()}
    checks = BackupChecks(tenant, (), list(checked.values()))
    await checks.look_up(pool)
    return {name: _standing(checks, backup) for name, backup in checked.items()}


def _standing(checks: BackupChecks, backup: Backup) -> HostStanding:
    if not checks.has_host(backup.spec):
        return "gone"
    return "changed" if checks.lacks_proof(backup) else "fits"
