"""What the page of a run says about a backup: how far it is, what it did, what a dry run found."""

from dataclasses import dataclass
from typing import Final

from perdure_api.pages.backup_contexts import DryRun
from perdure_api.pages.backup_dry import seen_dry_run
from perdure_api.pages.words import counted, number, size
from perdure_api.store.database import Database
from perdure_contract.objects import RunView
from perdure_contract.rsync.exits import meaning
from perdure_contract.rsync.spec import RsyncSpec

ONE_PLACE: Final = 10
"""Above this, decimals of a speed-up say nothing."""
INCOMPLETE_WORDS: Final = (
    "Some files could not be copied, or vanished before they were (rsync's exit codes 23 and 24): "
    "the output names them. This backup accepts that."
)
UNFINISHED: Final = frozenset({"failed", "cancelled", "retrying", "paused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBackup:
    """A run that is a backup."""

    live: tuple[tuple[str, str], ...]
    """While it copies: what is counted, and how far it is."""
    did: str
    """What it did, in sentences; empty while it is not known."""
    exit_words: str
    """What rsync's exit code means; empty for none, and for 0."""
    goes_on: str
    """What the next attempt begins with; empty when there is nothing to say."""
    dry: DryRun | None
    """What a dry run found; none when it is none."""


async def backup_of(database: Database, run: RunView) -> RunBackup | None:
    """Tell about a run with rsync; none when it is another kind."""
    spec = run.spec
    if not isinstance(spec, RsyncSpec):
        return None
    copies = not spec.dry_run
    return RunBackup(
        live=live_figures(run) if run.ended_at is None else (),
        did=statistics_words(run.metrics) if run.ended_at is not None and copies else "",
        exit_words=exit_words(run),
        goes_on=goes_on_words(run, spec),
        dry=await seen_dry_run(database, run.tenant, run.id) if spec.dry_run else None,
    )


def exit_words(run: RunView) -> str:
    """Say what rsync's exit code means, where the page does not say it already."""
    if run.state == "partial":
        return INCOMPLETE_WORDS
    code = None if run.failure is None else run.failure.exit_code
    return meaning(code) if code is not None and run.state == "retrying" else ""


def live_figures(run: RunView) -> tuple[tuple[str, str], ...]:
    """Give what is counted while it copies."""
    figures = {} if run.progress is None else run.progress.figures
    if not figures:
        return ()
    found = [("Copied", size(int(figures.get("bytes", 0))))]
    found.append(("Files copied", number(int(figures.get("files", 0)))))
    if total := int(figures.get("files_total", 0)):
        looked = f"{number(int(figures.get('files_checked', 0)))} of {number(total)}"
        found.append(("Looked at", looked))
    if rate := int(figures.get("bytes_per_second", 0)):
        found.append(("Rate", f"{size(rate)}/s"))
    return tuple(found)


def statistics_words(figures: dict[str, float]) -> str:
    """Say in sentences what rsync's final figures tell; empty when there are none."""
    if "files" not in figures:
        return ""
    whole = {name: int(value) for name, value in figures.items()}
    files, copied = whole["files"], whole.get("transferred", 0)
    looked = counted(files, "file or folder", "files and folders")
    said = [f"It looked at {looked}, {size(whole.get('total_bytes', 0))}."]
    if copied:
        said.append(
            f"It copied {counted(copied, 'file')}, {size(whole.get('transferred_bytes', 0))}."
        )
    else:
        said.append("No file had to be copied.")
    if whole.get("deleted"):
        said.append(f"It deleted {number(whole['deleted'])} at the destination.")
    sent = whole.get("sent_bytes", 0) + whole.get("received_bytes", 0)
    if sent:
        said.append(
            f"{size(sent)} passed between both sides{_speed_up(figures.get('speed_up', 0))}."
        )
    return " ".join(said)


def _speed_up(factor: float) -> str:
    if factor <= 1:
        return ""
    shown = number(round(factor)) if factor >= ONE_PLACE else f"{factor:.1f}".removesuffix(".0")
    return f", {shown} times less than everything"


def goes_on_words(run: RunView, spec: RsyncSpec) -> str:
    """Say what the next attempt begins with."""
    never_ran = run.failure is not None and run.failure.reason == "rejected"
    if spec.dry_run or never_ran or run.attempt == 0 or run.state not in UNFINISHED:
        return ""
    if spec.options.partial:
        return (
            f"What was half copied is kept in {spec.options.partial_dir} beside each file: the "
            "next attempt goes on with it, and leaves alone what is there already."
        )
    return "The next attempt leaves alone what is there already; half copied files begin anew."
