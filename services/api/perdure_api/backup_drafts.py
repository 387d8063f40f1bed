"""Backups as they are asked for outside of runs and jobs: previews and dry runs."""

from msgspec import to_builtins
from msgspec.structs import replace

from perdure_api.backups import BackupChecks, backups_of
from perdure_api.drafts import read_run, refuse_bad_text
from perdure_api.errors import invalid
from perdure_api.fields import read
from perdure_api.kinds import kind
from perdure_api.projections.executors import list_executors
from perdure_api.store.database import Database
from perdure_contract.objects import BackupPreview
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.sentences import number_of, warnings, words
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import RunRequest

NO_EXECUTOR = "No executor that is connected has rsync: it would wait until one has."


def read_backup(value: object, *, clean: bool = False) -> RsyncSpec:
    """Read a spec; its kind may be left out.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    if not clean:
        refuse_bad_text(value)
    whole = {"kind": "rsync", **value} if isinstance(value, dict) else value
    spec = read(whole, RsyncSpec)
    faults = tuple(kind.faults(spec, ""))
    if faults:
        raise invalid(faults)
    return spec


async def preview(
    database: Database, tenant: str, roots: tuple[str, ...], spec: RsyncSpec
) -> BackupPreview:
    """Say what would be run, in elements and in words, and what may surprise.

    Raises:
        Rejected: when its host is unknown or a path lies outside of the roots.
    """
    backups = list(backups_of("", spec))
    checks = BackupChecks(tenant, roots, backups)
    await checks.look_up(database.pool)
    checks.refuse_places()
    executors = await list_executors(database.pool, tenant)
    versions = [
        e.programs["rsync"] for e in executors if e.state == "live" and "rsync" in e.programs
    ]
    said = warnings(spec, min(versions, key=number_of, default=None))
    return BackupPreview(
        argv=argv(checks.resolved(spec)),
        words=words(spec),
        warnings=said if versions else (NO_EXECUTOR, *said),
        dry_run_needed=any(map(checks.lacks_proof, backups)),
    )


def dry_run_of(spec: RsyncSpec) -> RunRequest:
    """Give the request of the dry run of a backup."""
    return read_run({"spec": to_builtins(replace(spec, dry_run=True)), "tags": ["dry-run"]})
