"""The form of a job, a schedule or both: its fields, and how it is shown.

`job_filling` fills it, `job_reading` reads what was filled in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perdure_api.pages.form_contexts import FilledForm
from perdure_api.pages.forms import batch, command, parameters, python, rules, schedule
from perdure_api.pages.forms.parameters import ParameterRow
from perdure_api.pages.job_contexts import ParameterInput

MODES: Final = (
    ("argv", "Program and arguments"),
    ("script", "Script"),
    ("python", "Python function"),
    ("json", "JSON"),
)
OVER: Final = (("once", "Once"), ("batch", "For each of many items"))
"""What is done once a run, or for each item of a batch."""
LABELS: Final = {
    "over": "Do it",
    **command.LABELS,
    **python.LABELS,
    **batch.LABELS,
    **rules.LABELS,
    **schedule.LABELS,
    "name": "Name",
    "description": "What it is for",
    "spec_json": "What it runs, as JSON",
    "enabled": "Enabled",
    "reason": "Why",
}
DEFAULTS: Final = {
    **dict.fromkeys(LABELS, ""),
    "over": "once",
    **command.DEFAULTS,
    **python.DEFAULTS,
    **batch.DEFAULTS,
    **rules.DEFAULTS,
    **schedule.DEFAULTS,
    "enabled": "on",
}

RARE: Final = rules.RARE | {"cwd", "env", "stdin"}
"""Fields behind the fold of a job."""
EMPTIED: Final = ("timeout", "queue", "shell", *schedule.EMPTIED)
"""Fields that stay empty when they were emptied, instead of getting their default."""
TICKED: Final = ("on", f"{batch.ITEM}on")
"""Groups of boxes; those that are ticked are the words of the value."""
BLANKS: Final = 1
"""Empty rows for parameters that are offered."""


OF_JOBS: Final = batch.ItemsPart(
    stored="Those that are stored",
    file_hint="It is read by the api, within its roots, when you save the job, and what it holds is "
    "stored with the job. Save the job again to have the file read again.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobForm(FilledForm):
    """The form of a job, a schedule or both as it is shown."""

    action: str
    """Where it is sent."""
    back: str
    """Where to go without saving."""
    go: str
    """Word for saving it."""
    of_job: bool
    """Whether it asks for a job."""
    of_schedule: bool
    """Whether it asks for a schedule."""
    is_new: bool
    """Whether a name is asked for."""
    rows: tuple[ParameterRow, ...] = ()
    """The parameters, with empty rows behind."""
    inputs: tuple[ParameterInput, ...] = ()
    """Fields for the values of a schedule's runs."""
    job: str = ""
    """The job that a schedule is of."""
    builder: str = ""
    """Where else its work can be changed; empty where there is no such place."""
    queues: tuple[str, ...] = ()
    """Queues to choose from."""
    zones: tuple[str, ...] = ()
    """Time zones to choose from."""
    modes: tuple[tuple[str, str], ...] = MODES
    """Kinds of work, with words."""
    overs: tuple[tuple[str, str], ...] = OVER
    """Whether it is done once or for each item, with words."""
    sources: tuple[tuple[str, str], ...] = batch.SOURCES
    """Where items may come from, with words."""
    written: tuple[tuple[str, str], ...] = batch.WRITTEN
    """How items may be written, with words."""
    items_part: batch.ItemsPart = OF_JOBS
    """How the part for items speaks."""
    items_words: str = ""
    """What is known of items that were uploaded, or are stored already."""
    types: tuple[tuple[str, str], ...] = parameters.TYPES
    """Types of parameters, with words."""
    reasons: tuple[tuple[str, str], ...] = rules.REASONS
    """Reasons to try again, with words."""
    whens: tuple[tuple[str, str], ...] = schedule.WHENS
    """Kinds of triggers, with words."""
    cron_fields: tuple[tuple[str, str], ...] = tuple(schedule.CRON_FIELDS.items())
    """Fields of a cron trigger, with words."""
    units: tuple[str, ...] = schedule.UNITS
    """Units of an interval."""
    overlaps: tuple[tuple[str, str], ...] = schedule.OVERLAPS
    """What may happen while a run has not ended."""
    coalesces: tuple[tuple[str, str], ...] = schedule.COALESCES
    """Which of several late fire times may be kept."""

    def opens(self, fold: str) -> bool:
        """Tell whether a fold with rarer fields is open: `limits`, `items` or `when`."""
        rare = {"when": schedule.RARE, "items": batch.RARE}.get(fold, RARE)
        filled = any(self.values[name] != DEFAULTS[name] for name in rare)
        return filled or any(p.field in rare for p in self.problems)


def typed(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Take the values of a sent form; browsers send line ends as CRLF."""
    values = dict(DEFAULTS)
    for name in LABELS:
        if name in TICKED:
            values[name] = " ".join(fields.get(name, ())) if "mode" in fields else values[name]
        elif name == "enabled":
            values[name] = "on" if fields.get(name) else ""
        elif fields.get(name):
            values[name] = fields[name][-1].replace("\r\n", "\n")
        elif name in EMPTIED and name in fields:
            values[name] = ""
    return values
