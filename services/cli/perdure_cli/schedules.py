"""`perdure schedule`: when jobs are run by the clock."""

from datetime import datetime

import click

from perdure import CronTrigger, DateTrigger, IntervalTrigger, NewSchedule
from perdure_cli.jobs import values_of
from perdure_cli.quantities import DURATION, MOMENT, PAIR
from perdure_cli.stops import WrongUse
from perdure_cli.talking import Talk, talking
from perdure_contract.jobs import ScheduleView
from perdure_contract.triggers import Trigger

ID = click.argument("schedule_id", metavar="SCHEDULE")
REASON = click.option("--reason", help="Why; it stands in the schedule's events.")
ZONE = click.option("--timezone", default="UTC", help="Like Europe/Berlin (UTC).")
CRON = click.option("--cron", metavar="EXPRESSION", help='Five fields, like "30 2 * * 1-5".')
EVERY = click.option("--every", type=DURATION, help="Elapsed time between two, like 5m.")
AT = click.option("--at", "moment", type=MOMENT, help="Once: 2030-01-31T02:30:00Z, or +30s.")


@click.group()
def schedule() -> None:
    """Have jobs run by the clock."""


@schedule.command("list")
@click.option("--job", help="Only those of this job.")
@talking
def list_schedules(talk: Talk, *, job: str | None) -> None:
    """List the schedules."""
    page = talk.client.list_schedules(job=job, limit=500)
    talk.out.listed(
        page,
        ["SCHEDULE", "JOB", "ENABLED", "NEXT", "LAST", "WHEN"],
        [(s.id, s.job, s.enabled, s.next_fire_at, s.last_fire_at, s.words) for s in page.items],
    )


@schedule.command()
@ID
@talking
def show(talk: Talk, *, schedule_id: str) -> None:
    """Show a schedule as it is now."""
    _tell(talk, talk.client.get_schedule(schedule_id))


@schedule.command(epilog='Example: perdure schedule create report --cron "30 2 * * 1-5"')
@click.argument("job", metavar="JOB")
@CRON
@EVERY
@AT
@ZONE
@click.option("--overlap", type=click.Choice(["skip", "queue_one", "allow", "cancel_other"]))
@click.option("--coalesce", type=click.Choice(["latest", "earliest", "all"]))
@click.option("--grace", type=DURATION, help="A fire time later than this is missed (1h).")
@click.option("--max-instances", type=click.IntRange(1), help="Unfinished runs at once (1).")
@click.option("-p", "--param", "params", type=PAIR, multiple=True, help="Value of a parameter.")
@click.option("--description", help="What it is for.")
@talking
def create(
    talk: Talk,
    *,
    job: str,
    cron: str | None,
    every: float | None,
    moment: str | None,
    timezone: str,
    overlap: str | None,
    coalesce: str | None,
    grace: float | None,
    max_instances: int | None,
    params: tuple[tuple[str, str], ...],
    description: str | None,
) -> None:
    """Have a job run by the clock."""
    wanted = NewSchedule(
        job=job,
        trigger=_trigger(cron, every, moment),
        timezone=timezone,
        overlap=overlap,
        coalesce=coalesce,
        misfire_grace_seconds=grace,
        max_instances=max_instances,
        params=values_of(talk.client.get_job(job).params, dict(params)) if params else {},
        description=description,
    )
    _tell(talk, talk.client.create_schedule(wanted))


@schedule.command()
@CRON
@EVERY
@AT
@ZONE
@click.option("--count", type=click.IntRange(1, 100), default=10, help="How many times (10).")
@talking
def preview(
    talk: Talk,
    *,
    cron: str | None,
    every: float | None,
    moment: str | None,
    timezone: str,
    count: int,
) -> None:
    """Tell when a trigger would fire."""
    trigger = _trigger(cron, every, moment)
    found = talk.client.preview_trigger(trigger, timezone=timezone, count=count)
    if talk.out.as_json:
        talk.out.value(found)
        return
    talk.out.line(found.words)
    for line in (*found.fires, *found.notes):
        talk.out.line(line)


@schedule.command()
@ID
@REASON
@talking
def pause(talk: Talk, *, schedule_id: str, reason: str | None) -> None:
    """Let a schedule fire no more until it is resumed."""
    _tell(talk, talk.client.pause_schedule(schedule_id, reason=reason))


@schedule.command()
@ID
@REASON
@talking
def resume(talk: Talk, *, schedule_id: str, reason: str | None) -> None:
    """Let a paused schedule go on with the next fire time ahead."""
    _tell(talk, talk.client.resume_schedule(schedule_id, reason=reason))


@schedule.command()
@ID
@talking
def trigger(talk: Talk, *, schedule_id: str) -> None:
    """Fire a schedule now; prints the run."""
    run = talk.client.trigger_schedule(schedule_id)
    talk.out.told(run, run.id)


@schedule.command()
@ID
@click.option("--from", "since", type=MOMENT, required=True, help="First moment, included.")
@click.option("--until", type=MOMENT, required=True, help="Last moment, included.")
@talking
def backfill(talk: Talk, *, schedule_id: str, since: str, until: str) -> None:
    """Fire for times of the past that were not kept."""
    page = talk.client.backfill_schedule(schedule_id, since=since, until=until)
    talk.out.listed(
        page, ["FIRE TIME", "OUTCOME", "RUN"], [(f.fire_at, f.outcome, f.run) for f in page.items]
    )


@schedule.command()
@ID
@click.option("--limit", type=click.IntRange(1, 500), default=50, help="How many (50).")
@talking
def fires(talk: Talk, *, schedule_id: str, limit: int) -> None:
    """List what became of a schedule's fire times, the latest first."""
    page = talk.client.fires(schedule_id, limit=limit)
    talk.out.listed(
        page,
        ["FIRE TIME", "UNTIL", "COUNT", "OUTCOME", "WHY", "RUN"],
        [(f.fire_at, f.until, f.count, f.outcome, f.why, f.run) for f in page.items],
    )


@schedule.command()
@ID
@REASON
@talking
def delete(talk: Talk, *, schedule_id: str, reason: str | None) -> None:
    """Delete a schedule; its runs stay."""
    deleted = talk.client.delete_schedule(schedule_id, reason=reason)
    talk.out.told(deleted, f"Schedule {schedule_id} is deleted.")


def _trigger(cron: str | None, every: float | None, moment: str | None) -> Trigger:
    if sum(given is not None for given in (cron, every, moment)) != 1:
        message = "Say when with one of --cron, --every and --at."
        raise WrongUse(message)
    if cron is not None:
        return CronTrigger(expression=cron)
    if every is not None:
        return IntervalTrigger(seconds=every)
    return DateTrigger(run_at=datetime.fromisoformat(str(moment)))


def _tell(talk: Talk, found: ScheduleView) -> None:
    if talk.out.as_json:
        talk.out.value(found)
        return
    talk.out.facts(
        [
            ("schedule", found.id),
            ("job", found.job),
            ("when", found.words),
            ("enabled", found.enabled),
            ("paused because", found.paused_reason),
            ("next", found.next_fire_at),
            ("last", found.last_fire_at),
            ("overlap", found.overlap),
            ("coalesce", found.coalesce),
            ("grace seconds", found.misfire_grace_seconds),
            ("max instances", found.max_instances),
            ("parameters", found.params),
            ("description", found.description),
        ]
    )
