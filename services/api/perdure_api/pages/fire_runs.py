"""Fire times together with the runs that they started."""

from collections.abc import Mapping, Sequence

from perdure_api.pages.schedule_contexts import FireRow, ScheduleRow
from perdure_api.pages.schedule_words import fire_row, rules_of, state_of
from perdure_api.projections import run_list, schedules
from perdure_api.projections.run_detail import run_view
from perdure_api.store.database import Database
from perdure_contract.jobs import FireView, ScheduleView
from perdure_contract.objects import RunView
from perdure_runtime import clock


async def fire_rows(database: Database, fires: Sequence[FireView]) -> tuple[FireRow, ...]:
    """Say what became of fire times, each with its run as it stands now."""
    runs = await _runs_of(database, fires)
    return tuple(fire_row(fire, runs.get(fire.run or "")) for fire in fires)


async def schedule_rows(
    database: Database, found: Sequence[ScheduleView], *, strip: int
) -> tuple[ScheduleRow, ...]:
    """Show schedules with what became of their last fire times, `strip` of each."""
    latest = await schedules.latest_fires(database.pool, [s.id for s in found], strip)
    runs = await _runs_of(database, [fire for fires in latest.values() for fire in fires])
    return tuple(_row(schedule, latest[schedule.id], runs) for schedule in found)


def _row(
    schedule: ScheduleView, fires: Sequence[FireView], runs: Mapping[str, RunView]
) -> ScheduleRow:
    state, word = state_of(schedule)
    rows = [fire_row(fire, runs.get(fire.run or "")) for fire in fires]
    return ScheduleRow(
        schedule=schedule,
        state=state,
        state_word=word,
        rules=rules_of(schedule),
        last=rows[0] if rows else None,
        strip=tuple(reversed(rows)),
    )


async def _runs_of(database: Database, fires: Sequence[FireView]) -> dict[str, RunView]:
    now = clock.now()
    ids = [fire.run for fire in fires if fire.run is not None]
    return {run.id: run_view(run, now) for run in await run_list.runs_of(database, ids)}
