"""What the builder's buttons do: a dry run, a run, a saved job, an entry of a jobs file."""

from collections.abc import Sequence
from typing import Any, Final

import yaml
from msgspec.structs import replace

from perdure_api.backups import Backup, BackupChecks
from perdure_api.domain.run import Run
from perdure_api.drafts import read_run
from perdure_api.errors import NotFoundError, invalid
from perdure_api.fields import read
from perdure_api.job_commands import Saved
from perdure_api.job_drafts import (
    JobDraft,
    PreviewDraft,
    ScheduleDraft,
    definition_of,
    read_job,
    read_plan,
)
from perdure_api.once import StoredAnswer
from perdure_api.pages.backup_form import BackupForm, request_json, trigger_json
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.quantities import write_seconds
from perdure_api.pages.sent_forms import idempotency_of
from perdure_api.projections import jobs
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_contract.jobs import JobDefinition, SchedulePlan
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import Limits, RunRequest

Fields = dict[str, list[str]]
NAME_NEEDED: Final = "A saved job needs a name."


class UnreadableFormError(Exception):
    """Something that was typed is not what its field takes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("the form cannot be read")
        self.problems = tuple(problems)


def read_request(form: BackupForm, *, dry_run: bool = False) -> RunRequest:
    """Make the request of a run.

    Raises:
        UnreadableFormError: when a field cannot be read.
        Refused: with every fault and its JSON pointer.
    """
    body, problems = request_json(form)
    if problems:
        raise UnreadableFormError(problems)
    if dry_run:
        body["spec"]["dry_run"] = True
    return read_run(body)


def read_whole(form: BackupForm) -> tuple[JobDraft, SchedulePlan | None]:
    """Make a job and its schedule, if it has one; raises as `read_request` does."""
    body, problems = request_json(form)
    trigger, more = trigger_json(form)
    if not form["name"]:
        more = (Problem(field="name", label="Name", message=NAME_NEEDED), *more)
    if problems or more:
        raise UnreadableFormError((*problems, *more))
    body |= {"name": form["name"], "description": form["description"]}
    draft = read_job(body, JobDraft)
    if trigger is None:
        return draft, None
    asked = {"job": draft.name, "trigger": trigger, "timezone": form["timezone"] or "UTC"}
    return draft, read_plan(read(asked, ScheduleDraft))


def read_preview(trigger: dict[str, Any], timezone: str) -> PreviewDraft:
    """Make the question when a trigger fires; raises as `read_request` does."""
    return read({"trigger": trigger, "timezone": timezone, "count": 5}, PreviewDraft)


def yaml_of(form: BackupForm) -> str:
    """Write the entry of a jobs file that makes the same job with the same schedule."""
    body, _ = request_json(form)
    trigger, _ = trigger_json(form)
    entry: dict[str, Any] = {"id": form["name"]}
    if form["description"]:
        entry["description"] = form["description"]
    entry |= body
    if trigger is not None:
        entry["trigger"] = trigger
        if form["timezone"] not in ("", "UTC"):
            entry["timezone"] = form["timezone"]
    text: str = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=100)
    return text


async def checked_spec(services: Services, tenant: str, form: BackupForm) -> tuple[RsyncSpec, bool]:
    """Give what the form describes, its host filled in, and whether a dry run of it is missing.

    Raises as `read_request` does.
    """
    spec = read_request(form).spec
    assert isinstance(spec, RsyncSpec)  # noqa: S101 -- the form makes no other
    backup = Backup("/spec", spec)
    checks = BackupChecks(tenant, services.commands.backup_roots, [backup])
    await checks.look_up(services.database.pool)
    faults = tuple(checks.faults(backup))
    if faults:
        raise invalid(faults)
    return checks.resolved(spec), checks.lacks_proof(backup)


async def start_dry_run(request: HttpRequest, form: BackupForm) -> BackupForm:
    """Start a dry run, and give the form that it belongs to."""
    wanted = read_request(form, dry_run=True)
    done = await services_of(request).commands.request_run(caller_of(request), wanted)
    assert not isinstance(done.result, StoredAnswer)  # noqa: S101 -- no idempotency key was given
    return form.having(dry_run=done.result.id)


async def start_run(request: HttpRequest, form: BackupForm, fields: Fields) -> str:
    """Start a run, and give the address of its page."""
    wanted = read_request(form)
    if form["name"]:
        wanted = replace(wanted, name=form["name"])
    if form["origin"]:
        database, tenant = services_of(request).database, caller_of(request).tenant
        if await find_run(database, tenant, as_run_id(form["origin"])) is None:
            raise NotFoundError(form["origin"])
        wanted = replace(wanted, rerun_of=form["origin"])
    done = await services_of(request).commands.request_run(
        caller_of(request), wanted, idempotency=idempotency_of(fields, "/backups/new", _answer)
    )
    result = done.result
    return result.body.decode() if isinstance(result, StoredAnswer) else f"/runs/{result.id}"


async def save_job(request: HttpRequest, form: BackupForm) -> str:
    """Save a job with its schedule, or a new revision of it; give the address of its page."""
    draft, plan = read_whole(form)
    services, caller = services_of(request), caller_of(request)
    if form["job"]:
        _, job = await jobs.find_job(services.database.pool, caller.tenant, form["job"])
        version = int(form["version"]) if form["version"].isdecimal() else None
        saved = Saved(definition=changed(job.definition, draft), source="ui")
        await services.jobs.revise(caller, job.name, saved, expected_version=version)
        return f"/backups/{job.name}"
    saved = Saved(definition=definition_of(draft), source="ui")
    await services.jobs.create(caller, draft.name, saved)
    if plan is not None:
        await services.schedules.create(caller, plan, source="ui")
    return f"/backups/{draft.name}"


def changed(before: JobDefinition, draft: JobDefinition) -> JobDefinition:
    """Give a definition after the builder: what the builder has no field for stays as it was."""
    timeout = None if draft.limits is None else draft.limits.timeout_seconds
    limits = replace(before.limits or Limits(), timeout_seconds=timeout)
    return replace(
        before,
        spec=draft.spec,
        description=draft.description,
        queue=draft.queue,
        labels=draft.labels,
        limits=before.limits if limits == (before.limits or Limits()) else limits,
    )


def time_limit(limits: Limits | None) -> str:
    """Write a job's time limit as it is typed."""
    return "" if limits is None else write_seconds(limits.timeout_seconds)


def _answer(run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=f"/runs/{run.id}".encode(), headers={})
