"""The dry run that belongs to a form: how it stands, and what it found."""

from dataclasses import replace
from typing import Final

import msgspec

from perdure_api.errors import NotFoundError, Refused
from perdure_api.pages.backup_contexts import Changes, DryRun
from perdure_api.pages.backup_form import BackupForm, spec_json
from perdure_api.pages.words import counted, failure_words, number, size
from perdure_api.projections.dry_runs import get_dry_run
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_api.store.database import Database
from perdure_contract.objects import Differences, DryRunResult, DryRunView
from perdure_contract.rsync.command import fingerprint
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import Spec

FINAL: Final = frozenset({"completed", "partial", "failed", "cancelled"})
KINDS: Final = (
    ("new", "new"),
    ("changed", "changed"),
    ("deleted", "deleted"),
    ("attributes", "with other times or permissions"),
)


async def dry_run_of(request: HttpRequest, form: BackupForm) -> DryRun | None:
    """Give the dry run that a form names; none when it names none."""
    if not form["dry_run"]:
        return None
    try:
        run_id = as_run_id(form["dry_run"])
    except (NotFoundError, Refused):
        return None
    database, tenant = services_of(request).database, caller_of(request).tenant
    seen = await seen_dry_run(database, tenant, run_id)
    asked = await find_run(database, tenant, run_id)
    if seen is None or asked is None:
        return None
    return replace(seen, fits=_fits(form, asked.run.request.spec))


async def seen_dry_run(database: Database, tenant: str, run_id: str) -> DryRun | None:
    """Tell how a dry run stands; none when there is none of this id."""
    found = await get_dry_run(database, tenant, run_id)
    if found is None:
        return None
    return DryRun(
        run=found.id,
        state=found.state,
        open=found.state not in FINAL,
        words=dry_words(found),
        fits=True,
        changes=changes_of(found.result),
    )


def changes_of(result: DryRunResult | None) -> tuple[Changes, ...]:
    """Give what a dry run found, by kind; empty while there is nothing."""
    if result is None:
        return ()
    found = []
    for key, label in KINDS:
        kind: Differences = getattr(result, key)
        found.append(Changes(key=key, label=label, count=kind.count, names=kind.first))
    return tuple(found)


def dry_words(found: DryRunView) -> str:
    """Say in a sentence how a dry run stands."""
    if found.state not in FINAL:
        waits = found.state != "running"
        return "It waits for an executor." if waits else "It compares both sides."
    result, failure = found.result, found.failure
    if result is None:
        why = f" {failure_words(failure)}: {failure.message}" if failure is not None else ""
        return f"It found nothing out.{why}"
    copied = result.new.count + result.changed.count
    if not copied + result.attributes.count + result.deleted.count:
        return "Nothing would change: both sides are alike."
    return (
        f"{counted(copied, 'thing')} would be copied ({size(result.bytes)}), "
        f"{number(result.deleted.count)} deleted, {number(result.unchanged)} left as they are."
    )


def _fits(form: BackupForm, spec: Spec) -> bool:
    """Tell whether a dry run is one of exactly what a form says."""
    body, problems = spec_json(form)
    if problems or not isinstance(spec, RsyncSpec):
        return False
    try:
        wanted = msgspec.convert(body, RsyncSpec)
    except msgspec.ValidationError:
        return False
    return fingerprint(wanted) == fingerprint(msgspec.structs.replace(spec, saved_host=None))
