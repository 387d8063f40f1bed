"""What dry runs have found out."""

import msgspec

from perdure_api.projections.results import whole_result
from perdure_api.projections.run_detail import find_run, run_view
from perdure_api.store.database import Database
from perdure_contract.objects import DryRunResult, DryRunView
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.sentences import words
from perdure_contract.rsync.spec import RsyncSpec


async def get_dry_run(database: Database, tenant: str, run_id: str) -> DryRunView | None:
    """Give a dry run as it is now; None when there is none of this id."""
    found = await find_run(database, tenant, run_id)
    if found is None:
        return None
    run, spec = found.run, found.run.request.spec
    if not isinstance(spec, RsyncSpec) or not spec.dry_run:
        return None
    plain = await whole_result(database.pool, run)
    view = run_view(run, found.now, found.live)
    return DryRunView(
        id=view.id,
        state=view.state,
        argv=argv(spec),
        words=words(spec),
        result=None if plain is None else msgspec.convert(plain, DryRunResult),
        failure=view.failure,
    )
