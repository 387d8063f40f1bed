"""Schedules over real PostgreSQL, the executor played: each fire time once, or told why not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.duties import Core
from perdure_api.errors import Refused, Rejected
from perdure_api.firing import run_id_for
from perdure_api.intake.schedule_care import ScheduleCare
from perdure_api.intake.schedule_clock import ScheduleClock
from perdure_api.job_commands import Saved
from perdure_api.kinds.kind import argv_of
from perdure_api.projections import jobs as job_views
from perdure_api.projections.schedules import fires_of, get_schedule
from perdure_api.store.state import StreamRow
from perdure_contract.jobs import FireView, JobDefinition, Parameter, SchedulePlan
from perdure_contract.specs import CommandSpec
from perdure_contract.triggers import CronTrigger, DateTrigger, IntervalTrigger, Trigger
from perdure_runtime.zone_rules import zone_rules
from tests.support.api_core import BY, read_run, running_core
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.asyncio
HOURLY = CronTrigger(expression="0 * * * *")
DAILY = CronTrigger(expression="30 2 * * *")
TELLING = JobDefinition(
    spec=CommandSpec(argv=("/bin/echo", "{who}")),
    params={"who": Parameter(type="string", default="you")},
)


@pytest.fixture
async def core(database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api) as running:
        await running.jobs.create(BY, "tell", Saved(definition=TELLING))
        yield running


async def schedule(core: Core, trigger: Trigger = HOURLY, **fields: object) -> str:
    plan = SchedulePlan(job="tell", trigger=trigger, **fields)  # type: ignore[arg-type]
    done = await core.schedules.create(BY, plan)
    assert isinstance(done.result, StreamRow)
    assert isinstance(done.result.state, Schedule)
    return done.result.state.id


async def came_due(core: Core, schedule_id: str, *, hours: float) -> None:
    """Let the clock have stood still for some hours."""
    await core.database.pool.execute(
        "UPDATE perdure.schedules SET next_fire_at = date_trunc('hour', clock_timestamp()) "
        "- $2::interval WHERE schedule_id = $1::text::uuid",
        schedule_id,
        timedelta(hours=hours - 1),
    )


async def outcomes(core: Core, schedule_id: str, at_least: int = 1) -> list[FireView]:
    async def look() -> list[FireView] | None:
        found = await fires_of(core.database.pool, schedule_id, before=None, limit=500)
        return found if len(found) >= at_least else None

    found = await becomes(look)
    assert found is not None
    return found


async def events_of(core: Core, schedule_id: str) -> list[str]:
    rows = await core.database.pool.fetch(
        "SELECT type FROM perdure.events WHERE stream = $1 ORDER BY version",
        f"schedule-{schedule_id}",
    )
    return [row[0].split(".")[2] for row in rows]


async def test_a_date_fires_once_and_asks_for_a_run_of_its_job(core: Core) -> None:
    now = await core.database.pool.fetchval("SELECT clock_timestamp()")
    moment = now + timedelta(milliseconds=300)
    schedule_id = await schedule(core, DateTrigger(run_at=moment), params={"who": "them"})
    (fire,) = await outcomes(core, schedule_id)
    assert (fire.outcome, fire.why, fire.run) == ("fired", "due", run_id_for(schedule_id, moment))
    run = await read_run(core, str(fire.run))
    assert (run.request.job, run.request.job_revision) == ("tell", 1)
    assert argv_of(run.request.spec) == ("/bin/echo", "them")
    view = await get_schedule(core.database.pool, "default", schedule_id)
    assert view.next_fire_at is None


@pytest.mark.parametrize(
    ("coalesce", "expected"),
    [
        ("latest", {"fired": 1, "skipped": 2}),
        ("earliest", {"fired": 1, "skipped": 2}),
        ("all", {"fired": 1, "waiting": 2}),
    ],
)
async def test_after_a_standstill_coalesce_does_what_it_says(
    core: Core, coalesce: str, expected: dict[str, int]
) -> None:
    schedule_id = await schedule(
        core, coalesce=coalesce, catch_up_seconds=9 * 3600, misfire_grace_seconds=None
    )
    await came_due(core, schedule_id, hours=3)
    found = await outcomes(core, schedule_id, at_least=2)
    counts: dict[str, int] = {}
    for fire in found:
        counts[fire.outcome] = counts.get(fire.outcome, 0) + (fire.count or 0)
    assert counts == expected


async def test_what_waits_fires_when_the_run_before_has_ended(core: Core) -> None:
    schedule_id = await schedule(
        core, coalesce="all", catch_up_seconds=9 * 3600, misfire_grace_seconds=None
    )
    await came_due(core, schedule_id, hours=2)
    found = await outcomes(core, schedule_id, at_least=2)
    (first,) = [fire for fire in found if fire.outcome == "fired"]
    await end(core, str(first.run))

    async def all_fired() -> bool:
        became = await fires_of(core.database.pool, schedule_id, before=None, limit=9)
        return [fire.outcome for fire in became] == ["fired", "fired"]

    assert await becomes(all_fired)


async def test_fire_times_beyond_the_grace_are_missed_and_told(core: Core) -> None:
    schedule_id = await schedule(core, catch_up_seconds=9 * 3600, misfire_grace_seconds=1)
    await came_due(core, schedule_id, hours=3)
    (fire,) = await outcomes(core, schedule_id)
    assert (fire.outcome, fire.why, fire.count) == ("missed", "misfire-grace", 3)
    assert await events_of(core, schedule_id) == ["created", "missed"]


async def test_a_schedule_that_fires_over_an_unfinished_run_is_skipped(core: Core) -> None:
    schedule_id = await schedule(core, IntervalTrigger(seconds=1))
    found = await outcomes(core, schedule_id, at_least=3)
    assert [fire.outcome for fire in found if fire.outcome == "fired"] == ["fired"]
    assert {fire.why for fire in found if fire.outcome == "skipped"} == {"overlap"}


async def test_cancel_other_ends_the_run_before(core: Core) -> None:
    schedule_id = await schedule(core, IntervalTrigger(seconds=1), overlap="cancel_other")
    found = await outcomes(core, schedule_id, at_least=2)
    await core.schedules.pause(BY, schedule_id, None)
    oldest = await read_run(core, str(found[-1].run))
    assert oldest.phase == "cancelled"


async def test_several_clocks_fire_each_time_once(core: Core) -> None:
    others = [ScheduleClock(core.database, core.writer, core.controls) for _ in range(3)]
    schedule_ids = [
        await schedule(core, IntervalTrigger(seconds=1), overlap="allow") for _ in range(5)
    ]
    for schedule_id in schedule_ids:
        while len(await fires_of(core.database.pool, schedule_id, before=None, limit=9)) < 3:
            for other in others:
                await other.tick()
    rows = await core.database.pool.fetch(
        "SELECT data ->> 'schedule', data ->> 'fire_at', count(*) FROM perdure.events "
        "WHERE type = 'perdure.schedule.fired.v1' GROUP BY 1, 2"
    )
    assert {row[2] for row in rows} == {1}


async def test_another_trigger_never_fires_the_past_again(core: Core) -> None:
    schedule_id = await schedule(core)
    await came_due(core, schedule_id, hours=1)
    await outcomes(core, schedule_id)
    plan = SchedulePlan(job="tell", trigger=CronTrigger(minute="0"))
    await core.schedules.revise(BY, schedule_id, plan, enabled=True)
    view = await get_schedule(core.database.pool, "default", schedule_id)
    assert view.next_fire_at is not None
    assert datetime.fromisoformat(view.next_fire_at) > datetime.now(UTC)
    await came_due(core, schedule_id, hours=1)
    await becomes(lambda: _is_ahead(core, schedule_id))
    assert (await events_of(core, schedule_id)).count("fired") == 1


async def _is_ahead(core: Core, schedule_id: str) -> bool:
    view = await get_schedule(core.database.pool, "default", schedule_id)
    return view.next_fire_at is not None and datetime.fromisoformat(
        view.next_fire_at
    ) > datetime.now(UTC)


async def test_a_paused_schedule_is_silent_and_can_be_fired_by_hand(core: Core) -> None:
    schedule_id = await schedule(core)
    await core.schedules.pause(BY, schedule_id, "Maintenance.")
    view = await get_schedule(core.database.pool, "default", schedule_id)
    assert (view.enabled, view.paused_reason, view.next_fire_at) == (False, "Maintenance.", None)
    run = (await core.schedules.trigger(BY, schedule_id, "tell")).result
    assert isinstance(run, Run)
    assert (await outcomes(core, schedule_id))[0].run == run.id
    await core.schedules.resume(BY, schedule_id, None)
    assert (await get_schedule(core.database.pool, "default", schedule_id)).next_fire_at


async def test_a_backfill_fires_what_was_not_kept_and_nothing_twice(core: Core) -> None:
    schedule_id = await schedule(core, overlap="allow")
    hour = datetime(2026, 1, 1, tzinfo=UTC)
    times = [hour + timedelta(hours=n) for n in range(3)]
    await core.schedules.backfill(BY, schedule_id, "tell", times[:2])
    await core.schedules.backfill(BY, schedule_id, "tell", times)
    found = await outcomes(core, schedule_id, at_least=3)
    assert [(fire.outcome, fire.why) for fire in found] == [("fired", "backfilled")] * 3
    assert (await events_of(core, schedule_id)).count("fired") == 3


async def test_a_date_of_the_past_and_an_unknown_job_are_refused(core: Core) -> None:
    with pytest.raises(Refused) as refused:
        await schedule(core, DateTrigger(run_at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert refused.value.code == "in-past"
    plan = SchedulePlan(job="nobody", trigger=HOURLY)
    with pytest.raises(Refused) as refused:
        await core.schedules.create(BY, plan)
    assert refused.value.code == "unknown-job"


async def test_a_deleted_job_takes_its_schedules_along(core: Core) -> None:
    schedule_id = await schedule(core)
    await core.jobs.delete(BY, "tell", [schedule_id])
    assert await events_of(core, schedule_id) == ["created", "deleted"]
    await core.jobs.create(BY, "tell", Saved(definition=TELLING))
    with pytest.raises(Rejected) as refused:
        await core.jobs.create(BY, "tell", Saved(definition=TELLING))
    assert refused.value.rejection.code == "already-exists"


async def test_revisions_tell_what_they_changed(core: Core) -> None:
    plain = JobDefinition(spec=CommandSpec(argv=("/bin/true",)), priority=5)
    await core.jobs.revise(BY, "tell", Saved(definition=plain), reason="Simpler.")
    row, job = await job_views.find_job(core.database.pool, "default", "tell")
    newest, first = await job_views.revisions(core.database.pool, row)
    assert (job.revision, newest.revision, first.revision) == (2, 2, 1)
    assert newest.reason == "Simpler."
    assert {change.pointer for change in newest.changes} >= {"/priority", "/spec/argv"}


async def end(core: Core, run_id: str) -> None:
    """End a run that nobody has started."""
    from perdure_api.domain.run_commands import Cancel  # noqa: PLC0415 - used here only

    await core.commands.act(BY, run_id, Cancel())


async def test_other_rules_of_a_zone_move_the_next_fire_time_and_nothing_that_came_due(
    core: Core,
) -> None:
    pool = core.database.pool
    ids = [await schedule(core, DAILY, timezone="Europe/Berlin") for _ in range(2)]
    right = [(await get_schedule(pool, "default", i)).next_fire_at for i in ids]
    for rules in ("those of last year", None):
        await pool.execute(
            "UPDATE perdure.schedules SET next_fire_at = next_fire_at + interval '1 hour', "
            "zone_rules = $1",
            rules,
        )
        await ScheduleCare(core.database, core.writer).tick()
        assert [(await get_schedule(pool, "default", i)).next_fire_at for i in ids] == right
    marks = await pool.fetch("SELECT DISTINCT zone, zone_rules FROM perdure.schedules")
    assert [tuple(row) for row in marks] == [("Europe/Berlin", zone_rules("Europe/Berlin"))]


async def test_what_became_of_old_fire_times_is_removed_but_for_what_is_still_open(
    core: Core,
) -> None:
    pool, schedule_id = core.database.pool, await schedule(core)
    await pool.execute(
        "INSERT INTO perdure.schedule_fires (schedule_id, fire_at, count, outcome, why, open) "
        "SELECT $1::text::uuid, clock_timestamp() - make_interval(days => d), 1, 'missed', "
        "'misfire-grace', d = 95 FROM unnest(ARRAY[10, 91, 95]) AS u(d)",
        schedule_id,
    )
    await ScheduleCare(core.database, core.writer).tick()
    kept = await fires_of(pool, schedule_id, before=None, limit=9)
    ages = [(datetime.now(UTC) - datetime.fromisoformat(fire.fire_at)).days for fire in kept]
    assert ages == [10, 95]


async def test_no_time_is_backfilled_twice_though_what_became_of_it_is_forgotten(
    core: Core,
) -> None:
    pool, schedule_id = core.database.pool, await schedule(core, overlap="allow")
    times = [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (1, 2)]
    await core.schedules.backfill(BY, schedule_id, "tell", times[:1])
    await pool.execute("UPDATE perdure.schedule_fires SET open = false")
    await ScheduleCare(core.database, core.writer).tick()
    assert await fires_of(pool, schedule_id, before=None, limit=9) == []
    await core.schedules.backfill(BY, schedule_id, "tell", times)
    assert (await events_of(core, schedule_id)).count("fired") == 2
