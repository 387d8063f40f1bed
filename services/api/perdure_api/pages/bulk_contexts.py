"""What the pages of an action on many runs are rendered from: before it is done, while it is, and after."""

from dataclasses import dataclass

from perdure_api.pages.form_contexts import FormSecrets
from perdure_api.pages.link_contexts import Link
from perdure_contract.objects import BulkPreview, BulkView, RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRow:
    """The runs of one state in a preview."""

    state: str
    """The state."""
    count: int
    """How many of them were chosen."""
    touched: int
    """How many the action would touch."""
    whys: tuple[str, ...]
    """Why it would not touch the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkQuestion(FormSecrets):
    """What an action would do to the chosen runs, before it is done."""

    title: str
    """The question."""
    chosen_words: str
    """Which runs were chosen, as a phrase."""
    lines: tuple[str, ...]
    """What will happen to each."""
    preview: BulkPreview
    """The numbers."""
    rows: tuple[BulkRow, ...]
    """The numbers by state, the most first."""
    touched: int
    """How many runs the action would touch."""
    hidden: tuple[tuple[str, str], ...]
    """Fields that say again which runs: name and value."""
    may_try_first: bool
    """Whether one run may go first, and the others only when it completes."""
    may_kill: bool
    """Whether processes may be killed without grace."""
    go: str
    """Word for doing it."""
    icon: str
    """Icon of doing it."""
    tone: str
    """`danger` or `primary`."""
    back: str
    """Where to go without doing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkLine:
    """An action on many runs, in a list of them or at the head of its page."""

    bulk: BulkView
    """The operation."""
    title: str
    """What it does."""
    state: str
    """State whose badge it has."""
    state_words: str
    """What stands in the badge."""
    requested_by: str
    """Who asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """What became of one run."""

    run: str
    """Its id."""
    name: str
    """Its name."""
    view: RunView | None
    """The run as it is now; none when it is gone."""
    outcome: str | None
    """`done`, `refused`, or none while it is still to come."""
    why: str | None
    """Why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPage(FormSecrets):
    """One action on many runs while it is done, and after."""

    line: BulkLine
    """The operation."""
    words: str
    """How far it is, or why it ended, in a sentence."""
    filters: tuple[Link, ...]
    """All outcomes, done, refused."""
    rows: tuple[OutcomeRow, ...]
    """One page of outcomes, in the order of the operation."""
    href: str
    """Address of exactly this page."""
    first_href: str | None
    """The first page, from a later one."""
    next_href: str | None
    """The page after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkListPage:
    """The actions on many runs, latest first."""

    lines: tuple[BulkLine, ...]
    """One page of them."""
    href: str
    """Address of exactly this page."""
    first_href: str | None
    """The first page, from a later one."""
    next_href: str | None
    """The page after."""
