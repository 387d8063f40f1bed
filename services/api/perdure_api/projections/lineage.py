"""Runs that were asked for again from another."""

from sqlalchemy import select

from perdure_api.domain.run import Run
from perdure_api.projections.run_list import runs_of
from perdure_api.store.database import Database
from perdure_api.store.tables import run_list


async def reruns_of(db: Database, tenant: str, run_id: str, *, limit: int) -> tuple[Run, ...]:
    """Give the runs that were asked for again from a run, newest first."""
    c = run_list.c
    query = (
        select(c.run_id)
        .where(c.rerun_of == run_id, c.tenant == tenant)
        .order_by(c.created.desc())
        .limit(limit)
    )
    async with db.engine.connect() as connection:
        found = [str(row[0]) for row in await connection.execute(query)]
    return await runs_of(db, found)
