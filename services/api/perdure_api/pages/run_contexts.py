"""What the page of one run is rendered from, whichever part of it is shown."""

from dataclasses import dataclass, field
from typing import Literal

from perdure_api.pages.action_contexts import ActionButton, MenuAction
from perdure_api.pages.definition_contexts import Definition, ResultShown
from perdure_api.pages.item_contexts import ItemsBar, ItemsPane
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.log_contexts import LogPane
from perdure_api.pages.metric_contexts import MetricsPane
from perdure_api.pages.run_backup import RunBackup
from perdure_api.pages.run_history_contexts import EventRow, LedgerRow, Story, Timeline, WhyRow
from perdure_contract.objects import AttemptView, CheckpointView, RunView

RunTab = Literal["summary", "log", "items", "metrics", "events", "attempts", "definition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One run."""

    run: RunView
    """The run, as of now or as of `at`."""
    tab: RunTab
    """Which part is shown."""
    tab_template: str
    """Template of that part."""
    tabs: tuple[Link, ...]
    """All parts."""
    here: str
    """Address of this part, with the attempt whose output is shown."""
    live: str | None
    """Address of the run's stream; none in the past."""
    shown: int | None
    """The attempt whose output the page had before this answer; none when it is the whole page."""
    state_words: str | None
    """What stands in the badge instead of the state's own word."""
    requested_by: str
    """Who asked for it."""
    actions: tuple[ActionButton, ...]
    """What is legal now, the most wanted first."""
    story: Story
    """What happens, or how it ended."""
    timeline: Timeline
    """The attempts as bars."""
    attempts: tuple[AttemptView, ...]
    """The attempts, oldest first."""
    events_total: int
    """How many events it has now."""
    at: int | None = None
    """Event as of which the run is shown; none for now."""
    at_time: str = ""
    """When that event happened."""
    events: tuple[EventRow, ...] = ()
    """The events, oldest first."""
    events_more_href: str | None = None
    """The events after these."""
    previous_at: int | None = None
    """One step back in time."""
    next_at: int | None = None
    """One step forward in time."""
    log: LogPane | None = None
    """Output, on the parts that show it."""
    definition: Definition | None = None
    """The request, on its part."""
    result: ResultShown | None = None
    """What it brought; none while it brought nothing."""
    bar: ItemsBar | None = None
    """How the items of a batch stand."""
    items: ItemsPane | None = None
    """Items of a batch, on their part."""
    metrics: MetricsPane | None = None
    """Its numbers beside those of runs like it, on their part."""
    backup: RunBackup | None = None
    """What there is to say of a backup; none for other kinds."""
    menu: tuple[MenuAction, ...] = ()
    """Every action; none in the past, and for those who may only look."""
    why_sentence: str | None = None
    """Why it is in its state, when the story does not say it yet."""
    why: tuple[WhyRow, ...] = ()
    """The rules behind its state."""
    origins: dict[int, str] = field(default_factory=dict)
    """How attempts came about that were asked for or went on from a checkpoint, by number."""
    checkpoints: tuple[CheckpointView, ...] = ()
    """Its newest durable marks, newest first."""
    ledger: tuple[LedgerRow, ...] = ()
    """What did not count, newest first."""
    reruns: tuple[RunView, ...] = ()
    """Runs that were asked for again from it, newest first."""
