"""The form of a job, a schedule or both: its fields, and how it is shown.

`job_filling` fills it, `job_reading` reads what was filled in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perdure_api.pages.form_contexts import FilledForm
from perdure_api.pages.forms import command, parameters, python, rules, schedule
from perdure_api.pages.forms.parameters import ParameterRow
from perdure_api.pages.job_contexts import ParameterInput

MODES: Final = (
    ("argv", "Program and arguments"),
    ("script", "Script"),
    ("python", "Python function"),
    ("json", "JSON"),
)
LABELS: Final = {
    **command.LABELS,
    **python.LABELS,
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
    **command.DEFAULTS,
    **python.DEFAULTS,
    **rules.DEFAULTS,
    **schedule.DEFAULTS,
    "enabled": "on",
}

RARE: Final = rules.RARE | {"cwd", "env", "stdin"}
"""Fields behind the fold of a job."""
EMPTIED: Final = ("timeout", "queue", "shell", *schedule.EMPTIED)
"""Fields that stay empty when they were emptied, instead of getting their default."""
BLANKS: Final = 1
"""Empty rows for parameters that are offered."""


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
        """Tell whether a fold with rarer fields is open: `limits` or `when`."""
        rare = schedule.RARE if fold == "when" else RARE
        filled = any(self.values[name] != DEFAULTS[name] for name in rare)
        return filled or any(p.field in rare for p in self.problems)


def typed(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Take the values of a sent form; browsers send line ends as CRLF."""
    values = dict(DEFAULTS)
    for name in LABELS:
        if name == "on":
            values[name] = " ".join(fields.get("on", ())) if "mode" in fields else values[name]
        elif name == "enabled":
            values[name] = "on" if fields.get(name) else ""
        elif fields.get(name):
            values[name] = fields[name][-1].replace("\r\n", "\n")
        elif name in EMPTIED and name in fields:
            values[name] = ""
    return values
