"""What the HTTP API shows: the objects that programs read. Fields only grow."""

from typing import Literal

from msgspec import Struct

from perdure_contract.facts import Failure, Json
from perdure_contract.specs import Limits, Retry, Spec

State = Literal[
    "scheduled",
    "waiting",
    "queued",
    "running",
    "retrying",
    "paused",
    "cancelling",
    "completed",
    "partial",
    "failed",
    "cancelled",
]

FINAL_STATES: frozenset[str] = frozenset({"completed", "partial", "failed", "cancelled"})


class ProgressView(Struct, frozen=True, kw_only=True):
    """How far a run is; `fraction` 0..1 when the total is known."""

    done: float | None
    total: float | None
    unit: str | None
    fraction: float | None
    eta_seconds: float | None
    message: str | None
    figures: dict[str, float] = {}


class CheckpointView(Struct, frozen=True, kw_only=True):
    """The last durable mark of a run."""

    number: int
    cursor: Json
    at: str


class ItemCountsView(Struct, frozen=True, kw_only=True):
    """How many items a batch has, by outcome."""

    total: int
    pending: int
    done: int
    failed: int
    skipped: int
    filtered: int


class ItemView(Struct, frozen=True, kw_only=True):
    """One item of a batch; `attempt` is the one that brought its outcome."""

    ordinal: int
    key: str
    outcome: Literal["pending", "done", "failed", "skipped", "filtered"]
    tries: int
    error: str | None
    attempt: int | None
    passed_over: bool = False
    """It failed without a try: it was begun in too many attempts that were lost or timed out."""


class RunView(Struct, frozen=True, kw_only=True):
    """A run as of now, or as of one of its events."""

    id: str
    name: str
    kind: str
    state: State
    version: int
    position: int
    job: str | None
    queue: str
    priority: int
    tags: tuple[str, ...]
    labels: dict[str, str]
    attempt: int
    max_attempts: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    next_attempt_at: str | None
    executor: str | None
    progress: ProgressView | None
    checkpoint: CheckpointView | None
    items: ItemCountsView | None
    result: Json
    """Left out where many runs are listed, when it is kept apart; `result_bytes` tells so."""
    result_bytes: int | None = None
    """Size of a result of more than 16 KiB, which is kept apart from the run."""
    metrics: dict[str, float]
    failure: Failure | None
    rerun_of: str | None
    unique_key: str | None
    retry: Retry
    limits: Limits
    spec: Spec
    actions: dict[str, str | None]
    """Each action, and why it is not legal now; null where it is."""
    tenant: str


class AttemptView(Struct, frozen=True, kw_only=True):
    """One try of a run."""

    number: int
    state: Literal[
        "running", "cancelling", "completed", "failed", "cancelled", "lost", "released", "fenced"
    ]
    executor: str
    started_at: str
    ended_at: str | None
    failure: Failure | None
    from_checkpoint: int | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    lines: int | None
    bytes: int | None


class Omitted(Struct, frozen=True, kw_only=True):
    """How much of the output was left out at a cut."""

    lines: int
    bytes: int


class LogEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of output, or a cut (text empty, `omitted` set)."""

    line: int
    stream: Literal["stdout", "stderr"]
    at: str
    text: str
    omitted: Omitted | None = None


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue with its limits and what is in it."""

    name: str
    concurrency: int | None
    rate_per_minute: int | None
    paused: bool
    queued: int
    running: int
    version: int


class ExecutorView(Struct, frozen=True, kw_only=True):
    """An executor as the api last heard of it."""

    name: str
    state: Literal["live", "draining", "lost", "left"]
    labels: dict[str, str]
    slots: int
    running: int
    queues: tuple[str, ...]
    last_seen_at: str
    version: str
    programs: dict[str, str] = {}
    """Programs that some kinds of runs need, with their versions."""


class HostView(Struct, frozen=True, kw_only=True):
    """A saved host."""

    name: str
    address: str
    user: str
    port: int
    key: str
    host_key: str
    roots: tuple[str, ...]
    version: int


class BackupPreview(Struct, frozen=True, kw_only=True):
    """What a backup would run: each element of its command line, and the same in words."""

    argv: tuple[str, ...]
    words: str
    warnings: tuple[str, ...]
    dry_run_needed: bool
    """Whether it deletes and no dry run of exactly this was completed within the last 7 days."""


class Differences(Struct, frozen=True, kw_only=True):
    """Things of one kind that a dry run found."""

    count: int
    first: tuple[str, ...]
    """At most 200 names."""


class DryRunResult(Struct, frozen=True, kw_only=True):
    """What a backup would do."""

    new: Differences
    changed: Differences
    attributes: Differences
    """Only times, permissions or owners differ."""
    deleted: Differences
    unchanged: int
    files: int
    bytes: int
    """Of the files that would be copied."""
    total_bytes: int


class DryRunView(Struct, frozen=True, kw_only=True):
    """A dry run: a run of its own, and what it has found."""

    id: str
    """Of the run."""
    state: State
    argv: tuple[str, ...]
    words: str
    result: DryRunResult | None
    """None while it goes on, or when it failed."""
    failure: Failure | None


class Because(Struct, frozen=True, kw_only=True):
    """One link of a reason: the rule, the values it saw, the event that shows it."""

    rule: str
    values: dict[str, Json]
    event: int | None


class WhyView(Struct, frozen=True, kw_only=True):
    """Why a run is in its state, in words and in links."""

    state: State
    sentence: str
    because: tuple[Because, ...]
    expected_at: str | None


class RefusedCount(Struct, frozen=True, kw_only=True):
    """How many of the runs an action would not touch, by state, and why."""

    state: State
    count: int
    why: str


class BulkPreview(Struct, frozen=True, kw_only=True):
    """What a bulk operation would do."""

    matched: int
    by_state: dict[str, int]
    refused: tuple[RefusedCount, ...]


class BulkView(Struct, frozen=True, kw_only=True):
    """A bulk operation: what was asked, how far it is."""

    id: str
    action: str
    state: Literal["running", "stopping", "finished"]
    matched: int
    done: int
    refused: int
    left: int
    canary: bool
    why: str | None
    """Why it ended: `all-done`, `stopped` or `canary-failed`."""
    requested_at: str
    requested_by: str | None


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """Something that was said about a run and did not count, and why not."""

    at: str
    kind: str
    """A command's name, or a kind of report; `duplicate-…` for what was heard before."""
    why: str
    by: str | None
    attempt: int | None
    """Of reports."""
    times: int


class StuckView(Struct, frozen=True, kw_only=True):
    """A run that a sweep would end now, with the evidence."""

    run: str
    name: str
    attempt: int
    executor: str
    last_sign: Literal["start", "output", "progress", "checkpoint"]
    last_sign_at: str
    silent_seconds: float
    allowed_seconds: float
