"""The last runs of the same job, or of the same name where there is no job."""

from typing import Final

from sqlalchemy import select

from perdure_api.domain.run import Run
from perdure_api.projections.run_list import runs_of
from perdure_api.store.database import Database
from perdure_api.store.tables import run_list

LOOKED_AT: Final = 1000
"""Among so many of the newest, ended ones are looked for: a long queue of one name costs no more."""


async def runs_alike(db: Database, run: Run, *, limit: int) -> tuple[Run, ...]:
    """Give the last runs like this one that have ended, oldest first.

    They are the newest of all, or where this one is older than those, the ones up to it.
    """
    found = await _last(db, run, limit, upto=None)
    if run.id not in found and len(found) == limit:
        found = await _last(db, run, limit, upto=run.created)
    return (await runs_of(db, found))[::-1]


async def _last(db: Database, run: Run, limit: int, *, upto: int | None) -> list[str]:
    c = run_list.c
    job = run.request.job
    alike = [c.job == job] if job is not None else [c.name == run.request.name]
    if upto is not None:
        alike.append(c.created <= upto)
    newest = (
        select(c.run_id, c.created, c.ended_at)
        .where(c.tenant == run.tenant, *alike)
        .order_by(c.created.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    query = (
        select(newest.c.run_id)
        .where(newest.c.ended_at.is_not(None))
        .order_by(newest.c.created.desc())
        .limit(limit)
    )
    async with db.engine.connect() as connection:
        return [str(row[0]) for row in await connection.execute(query)]
