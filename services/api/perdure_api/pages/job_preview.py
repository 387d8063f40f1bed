"""What a filled form of a job or schedule would do, in words: shown beside it while one types."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from perdure_api.domain.job import Job, request_of
from perdure_api.domain.triggers import read_zone
from perdure_api.errors import Refused
from perdure_api.job_drafts import JobDraft, PreviewDraft
from perdure_api.job_drafts import preview as look_ahead
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.forms.parameters import ParameterRow
from perdure_api.pages.job_contexts import PlanPreview
from perdure_api.pages.job_reading import led_to_schedule, read_definition, read_schedule
from perdure_api.pages.preview import preview_of
from perdure_contract.jobs import PreviewView

ASKED_OF: Final = {"cron": "expression", "interval": "every", "date": "once_at"}
"""What is asked first of each kind of time; nothing is wrong with it before it is written."""


def preview_of_form(
    values: Mapping[str, str],
    rows: Sequence[ParameterRow] | None,
    now: datetime,
    *,
    asks_when: bool = True,
) -> PlanPreview:
    """Say what would be executed, and when; `rows` are none where no job is asked for.

    A form that does not ask when says nothing about it: a saved job may have schedules.
    """
    argv: tuple[str, ...] = ()
    lines: list[str] = []
    problems: list[Problem] = []
    if rows is not None:
        named = {**values, "name": values["name"].strip() or "new"}
        draft, wrong = read_definition(named, [row for row in rows if row["name"]])
        problems += wrong
        if draft is not None:
            argv, lines = _work(draft)
    found = None
    if values["when"]:
        found, late = _ahead(values, now)
        problems += late
    elif rows is not None and asks_when:
        lines.append("It is run by hand only.")
    empty = rows is not None and not any(values[n].strip() for n in ("argv", "script", "func"))
    if empty and values["mode"] != "json":
        problems = [p for p in problems if p.field not in ("argv", "script", "func")]
        lines.insert(0, "Say what to run to see it here.")
    if values.get("over") == "batch" and not values.get("items", "-").strip():
        problems = [p for p in problems if p.field != "items"]
    if not values.get(asked := ASKED_OF.get(values["when"], ""), "-").strip():
        problems = [p for p in problems if p.field != asked]
        lines.append("Say when it is run to see the next times here.")
    return PlanPreview(
        argv=argv,
        lines=tuple(lines),
        found=found,
        local=tuple(_local(fire, values["timezone"]) for fire in found.fires) if found else (),
        warnings=tuple(f"{p.label}: {p.message}" if p.label else p.message for p in problems),
    )


def _work(draft: JobDraft) -> tuple[tuple[str, ...], list[str]]:
    request = request_of(Job(name=draft.name, revision=1, definition=draft), {})
    seen = preview_of(request, read_when="save it")
    # What comes first says when a run starts; that is the schedule's matter here.
    return seen.argv, [line for line in seen.lines if not line.startswith("Starts ")]


def _ahead(
    values: Mapping[str, str], now: datetime
) -> tuple[PreviewView | None, Sequence[Problem]]:
    plan, problems = read_schedule(values, "", {})
    if plan is None:
        return None, problems
    try:
        return look_ahead(PreviewDraft(trigger=plan.trigger, timezone=plan.timezone), now), ()
    except Refused as refused:
        return None, led_to_schedule(refused.errors, values)


def _local(fire: str, timezone: str) -> str:
    moment = datetime.fromisoformat(fire).astimezone(read_zone(timezone.strip() or "UTC"))
    return moment.strftime("%a %Y-%m-%d %H:%M:%S %Z")
