"""What a run is asked to do: the spec of each kind, limits, retry policy, and the whole request.

The same classes serve the HTTP body, the stored event and the grant to an executor. Bounds stand
here, so that every way in gives the same answer.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from perdure_contract.identifiers import DEFAULT_QUEUE, Name
from perdure_contract.rsync.spec import RsyncSpec

Json = Any
"""A JSON value of somebody else's; opaque to Perdure."""

Seconds = Annotated[float, Meta(gt=0, le=366 * 86400)]
Text = Annotated[str, Meta(max_length=131072)]
"""One argument or variable: what Linux takes for a single string (128 KiB)."""

FailureReason = Literal[
    "exit", "signal", "error", "timeout", "stuck", "lost", "rejected", "declared"
]
RetryReason = Literal["exit", "signal", "error", "timeout", "stuck", "lost"]

RETRIED_BY_DEFAULT: tuple[RetryReason, ...] = ("exit", "signal", "error", "timeout", "lost")

MAX_LOST_IN_A_ROW = 3
"""After so many lost attempts in a row a run ends: it may be what breaks its hosts."""

INLINE_BYTES = 16384
"""Scripts, stdin and results above this go to the blob table; the event holds their hash."""


class BlobRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content kept outside the event, by its hash: it can be deleted while the fact stays."""

    sha256: str
    bytes: int


class CommandSpec(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="command",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A program with its arguments, or a script given to a shell. Exactly one of the two."""

    argv: Annotated[tuple[Text, ...], Meta(max_length=4096)] | None = None
    """First element absolute, or a bare name found on the executor's PATH."""
    script: Annotated[str, Meta(max_length=786432)] | BlobRef | None = None
    shell: Text = "/bin/sh"
    env: dict[str, Text] = {}
    cwd: Text | None = None
    stdin: Annotated[str, Meta(max_length=786432)] | BlobRef | None = None


class PythonSpec(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="python",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A Python function with its arguments, called in a warm worker process."""

    func: Annotated[str, Meta(min_length=1, max_length=500)]
    """`package.module:callable`, or all with dots."""
    args: Annotated[tuple[Json, ...], Meta(max_length=1000)] = ()
    kwargs: Annotated[dict[str, Json], Meta(max_length=1000)] = {}


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a failed attempt is tried again, and how long to wait before.

    The wait before try n+1 is `initial_seconds × factor^(n-1)`, at most `max_seconds`, ± `jitter`.
    """

    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 1
    initial_seconds: Annotated[float, Meta(ge=0, le=86400)] = 1
    factor: Annotated[float, Meta(ge=1, le=100)] = 2
    max_seconds: Annotated[float, Meta(ge=0, le=7 * 86400)] = 60
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.1
    on: tuple[RetryReason, ...] = RETRIED_BY_DEFAULT
    not_exit_codes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=255)], ...], Meta(max_length=255)
    ] = ()


class InputRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The items of a batch as they were stored with its first request; a rerun shares them."""

    input: str
    """Its id."""
    sha256: str
    """Over its items, each as one line of JSON that ends with a newline."""
    total: int
    fields: tuple[str, ...] = ()
    """Names that every item has; none when the items are scalars."""


class BatchSpec(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="batch",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One command or function for each of many items.

    Asked for with exactly one of `items`, `file`, `upload`; stored with `input` instead of the first.
    """

    each: CommandSpec | PythonSpec
    items: Annotated[tuple[Json, ...], Meta(min_length=1)] | None = None
    file: Text | None = None
    """CSV with a header, or JSON lines; read by the api when the run is requested, or its job is saved."""
    upload: str | None = None
    input: InputRef | None = None
    checkpoint_every: Annotated[int, Meta(ge=1, le=10_000)] = 5
    """After so many items, and every 5 s, outcomes are durable on the executor's disk."""
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 1
    item_retry: Retry | None = None
    stop_after_failures: Annotated[int, Meta(ge=1)] | None = None
    park_after: Annotated[int, Meta(ge=1, le=100)] = 3
    """An item begun in so many attempts that were lost or timed out is failed and passed over."""


Spec = CommandSpec | PythonSpec | RsyncSpec | BatchSpec
"""Every kind of work."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an attempt may use, and how it is ended."""

    timeout_seconds: Seconds | None = None
    stuck_after_seconds: Seconds | None = None
    grace_seconds: Annotated[float, Meta(ge=0, le=3600)] = 10
    memory_bytes: Annotated[int, Meta(ge=1048576)] | None = None
    log_bytes: Annotated[int, Meta(ge=0, le=1 << 40)] = 50_000_000
    when_cut_off: Literal["end", "continue"] = "end"


class Dependency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another run that must have ended before this one may start."""

    run: str
    on: Literal["completed", "ended", "failed"] = "completed"


class RunRequest(Struct, frozen=True, kw_only=True):
    """A request as it is stored: every default filled in, nothing left to look up later."""

    name: str
    spec: Spec
    job: Name | None = None
    job_revision: int | None = None
    """The revision of the job that this was made of."""
    params: dict[str, str | int | float | bool | None] = {}
    queue: Name = DEFAULT_QUEUE
    priority: int = 0
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    run_at: datetime | None = None
    """When it may start, UTC; none for now."""
    after: tuple[Dependency, ...] = ()
    unique_key: str | None = None
    retry: Retry = msgspec.field(default_factory=Retry)
    limits: Limits = msgspec.field(default_factory=Limits)
    rerun_of: str | None = None
    trusted_func: Literal[True] | UnsetType = UNSET
    """Set by us alone, for runs of jobs that the jobs file defines: its functions are allowed as named."""
