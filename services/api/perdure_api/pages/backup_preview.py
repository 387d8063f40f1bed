"""What the builder's form would do, as it stands."""

from typing import Final

from perdure_api.errors import Refused
from perdure_api.job_drafts import PreviewDraft, preview
from perdure_api.pages import backup_deeds
from perdure_api.pages.backup_contexts import BackupPreview, DryRun
from perdure_api.pages.backup_form import BackupForm, problems_of, trigger_json
from perdure_api.pages.form_contexts import Problem
from perdure_api.services import Services
from perdure_contract.jobs import PreviewView
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.sentences import warnings, words
from perdure_runtime import clock

NEEDED: Final = "It deletes. Make a dry run of exactly this first: press Dry run."
WAIT: Final = "It deletes: its dry run is at work."
SEEN: Final = "It deletes what its dry run names: look at it before you go on."
SEEN_BEFORE: Final = "It deletes; a dry run of exactly this was made within the last 7 days."
ABOUT_THE_GUARD: Final = "a dry run of exactly this must have been seen"


async def preview_of(
    services: Services, tenant: str, form: BackupForm, dry: DryRun | None
) -> BackupPreview:
    """Say what would be run, and when; or what stands in the way."""
    if not form["source"] or not form["destination"]:
        return BackupPreview(empty=True)
    plan, troubles = _plan(form)
    try:
        spec, unproven = await backup_deeds.checked_spec(services, tenant, form)
    except backup_deeds.UnreadableFormError as unreadable:
        return BackupPreview(problems=_said((*unreadable.problems, *troubles)), plan=plan)
    except Refused as refused:
        return BackupPreview(problems=_said((*problems_of(refused.errors), *troubles)), plan=plan)
    return BackupPreview(
        words=words(spec),
        argv=argv(spec),
        warnings=tuple(said for said in warnings(spec) if ABOUT_THE_GUARD not in said),
        problems=_said(troubles),
        plan=plan,
        guard=_guard(dry, unproven=unproven) if spec.options.delete else "",
    )


def _guard(dry: DryRun | None, *, unproven: bool) -> str:
    if unproven:
        return WAIT if dry is not None and dry.open and dry.fits else NEEDED
    return SEEN if dry is not None and dry.fits else SEEN_BEFORE


def _plan(form: BackupForm) -> tuple[PreviewView | None, tuple[Problem, ...]]:
    trigger, problems = trigger_json(form)
    if trigger is None:
        return None, problems
    try:
        asked = backup_deeds.read_preview(trigger, form["timezone"] or "UTC")
        return _preview(asked), ()
    except Refused as refused:
        return None, problems_of(refused.errors)


def _preview(asked: PreviewDraft) -> PreviewView:
    return preview(asked, clock.now())


def _said(problems: tuple[Problem, ...]) -> tuple[str, ...]:
    return tuple(f"{p.label}: {p.message}" if p.label else p.message for p in problems)
