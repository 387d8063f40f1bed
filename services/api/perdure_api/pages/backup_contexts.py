"""What the pages about backups are rendered from."""

from dataclasses import dataclass, field

from perdure_api.pages.backup_form import BackupForm
from perdure_api.pages.backup_options import COMMON, FOLDED, Group, Option
from perdure_api.pages.backup_standing import Backup
from perdure_api.pages.directories import Place
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.metric_contexts import MetricChart
from perdure_contract.jobs import PreviewView
from perdure_contract.objects import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLine:
    """One line of the picture of what lands where."""

    depth: int
    """How far it is moved in."""
    name: str
    """The name of a file, or of a directory with a slash."""
    new: bool
    """Whether the copy brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What lands at the destination, with and without the folder itself."""

    contents: tuple[TreeLine, ...]
    """When the contents of the source are copied."""
    itself: tuple[TreeLine, ...]
    """When the source itself is copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A path that was put through the rules."""

    path: str
    """As it was typed, or found in the source."""
    kept: bool
    """Whether it is copied."""
    why: str
    """The rule that decided, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tester:
    """What the rules say to some paths."""

    tried: tuple[Tried, ...] = ()
    """Each path."""
    words: str = ""
    """The counts; empty while nothing was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a dry run found of one kind."""

    key: str
    """Part of its id, and its colour."""
    label: str
    """Its word."""
    count: int
    """How many."""
    names: tuple[str, ...]
    """The first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """A dry run beside the form it was made of."""

    run: str
    """Its id."""
    state: str
    """Its state."""
    open: bool
    """Whether it is still at work, so that the page looks again."""
    words: str
    """How it stands, in a sentence."""
    fits: bool
    """Whether it is one of exactly what the form says now."""
    changes: tuple[Changes, ...] = ()
    """What would be done; empty while it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPreview:
    """What the form would do, as it stands."""

    words: str = ""
    """In sentences; empty while something is wrong."""
    argv: tuple[str, ...] = ()
    """One element a line."""
    warnings: tuple[str, ...] = ()
    """What may surprise."""
    problems: tuple[str, ...] = ()
    """What stands in the way."""
    empty: bool = False
    """Whether nothing was filled in yet."""
    plan: PreviewView | None = None
    """When it would be run; none by hand, or when that cannot be."""
    guard: str = ""
    """What is needed before it may delete; empty when nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPage:
    """The builder."""

    form: BackupForm
    """What is in its fields."""
    hosts: tuple[str, ...]
    """Saved hosts to choose from."""
    roots: tuple[str, ...]
    """Where local paths may lie."""
    picture: Picture
    """What lands where."""
    preview: BackupPreview
    """What it would do."""
    tester: Tester = Tester()
    """What the rules say to some paths."""
    places: dict[str, Place] = field(default_factory=dict)
    """The directories that are looked at, by the field that they are for."""
    dry: DryRun | None = None
    """Its dry run; none when there is none yet."""
    yaml: str = ""
    """Its entry of a jobs file; empty while it was not asked for."""
    common: tuple[Option, ...] = COMMON
    """Options in sight."""
    groups: tuple[Group, ...] = FOLDED
    """Options behind folds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsPage:
    """The list of backups."""

    rows: tuple[Backup, ...]
    """What needs someone first, then by name."""
    words: str
    """How many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneBackupPage:
    """One backup."""

    backup: Backup
    """The backup and how it stands."""
    href: str
    """Its address, with what is charted."""
    standing: str
    """How it stands, in a sentence."""
    trouble: str
    """What is wrong with it beside that; empty when nothing is."""
    words: str
    """What it does, in sentences."""
    argv: tuple[str, ...]
    """What is run, one element a line."""
    chart: MetricChart | None
    """A number over its last runs; none while there is no run."""
    choices: tuple[Link, ...]
    """What can be charted."""
    runs: tuple[RunView, ...]
    """Its last runs, the newest first."""
    failed: int
    """How many of them failed."""
