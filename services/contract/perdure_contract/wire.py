"""What executor and api say to each other over NATS: msgpack, requests with answers.

An executor opens a *session*, beats for it, is *granted* attempts on its control subject, and
delivers *reports* and log chunks in one ordered path, each batch answered after its commit. Readers
ignore fields they do not know, so both sides can be upgraded apart.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from perdure_contract.facts import Failure, Progress, Usage
from perdure_contract.items import Outcome
from perdure_contract.specs import Json, RunRequest


class Attempt(Struct, frozen=True, kw_only=True, array_like=True):
    """Which try of which run; `fence` is the version of its attempt-started event."""

    run: str
    number: int
    fence: int


# --- session and heartbeat (request subjects, one api replica answers) ---------------------------


class OpenSession(Struct, frozen=True, kw_only=True):
    """An executor is there. Sent after what the last session left in the spool was confirmed.

    `holding` are the attempts whose processes still live (taken over from a session before), `lost`
    those whose processes are gone. What is in neither is lost too, unless the executor remembers all
    that ever arrived: then it never arrived, and is granted again.
    """

    executor: str
    session: str
    """UUID made anew at each start of the agent."""
    slots: int
    labels: dict[str, str] = {}
    queues: tuple[str, ...] = ()
    program: str = ""
    programs: dict[str, str] = {}
    """Programs that some kinds of runs need, with their versions, as far as they are there."""
    holding: tuple[Attempt, ...] = ()
    lost: tuple[Attempt, ...] = ()
    remembers: bool = False
    previous: str | None = None
    """The session this data directory had before, so that a second executor of the name is told apart."""


class SessionOpened(Struct, frozen=True, kw_only=True):
    """The session is live. `revoked` are attempts of `holding` that are fenced: end them now."""

    now: float
    """The database's clock, seconds since the epoch."""
    lease_seconds: float
    revoked: tuple[Attempt, ...] = ()
    cancelling: tuple["Cancel", ...] = ()


class SessionRefused(Struct, frozen=True, kw_only=True):
    """Another live executor has this name; the newcomer must exit 2."""

    why: str


class Heartbeat(Struct, frozen=True, kw_only=True):
    """The session lives. `holding` = every attempt granted whose outcome is not yet confirmed."""

    executor: str
    session: str
    holding: tuple[Attempt, ...] = ()
    ahead: int = 0
    """How many attempts more than its slots it wants, so that short ones need not wait for a grant
    each. One that cannot start soon is given back (released), which does not count as a try."""
    draining: bool = False
    leaving: bool = False
    """Last beat of a clean stop: all attempts were released or ended, the session is over."""


class Beat(Struct, frozen=True, kw_only=True):
    """Answer to a heartbeat. `live` false: the whole session is over, open a new one."""

    now: float
    live: bool
    lease_seconds: float
    cancelling: tuple["Cancel", ...] = ()
    revoked: tuple[Attempt, ...] = ()
    drain: bool = False


# --- control (api → one executor, core NATS, may be lost: the next heartbeat says it again) ------


class Grant(Struct, frozen=True, kw_only=True, tag="grant"):
    """Start this attempt. Repeated until seen in a heartbeat's `holding`; known attempts ignore it."""

    attempt: Attempt
    session: str
    tenant: str
    request: RunRequest
    from_checkpoint: "Checkpoint | None" = None
    first_checkpoint_number: int = 1
    """Number that the next checkpoint of this attempt gets."""
    items_done: int = 0
    """Of a batch: how many of its items have an outcome that this attempt leaves as it is."""
    refused: str | None = None
    """Why it must not be started, known only when it was granted: it is to be ended as rejected."""


class Cancel(Struct, frozen=True, kw_only=True, tag="cancel"):
    """End this attempt: TERM, grace, KILL; with `force` KILL at once."""

    attempt: Attempt
    force: bool = False


class Revoke(Struct, frozen=True, kw_only=True, tag="revoke"):
    """This attempt is fenced: KILL it, report nothing."""

    attempt: Attempt


class Drain(Struct, frozen=True, kw_only=True, tag="drain"):
    """Take no new attempts."""


Control = Grant | Cancel | Revoke | Drain


class ControlBatch(Struct, frozen=True, kw_only=True):
    """What the api says to an executor in one message, in order."""

    messages: tuple[Control, ...]


# --- reports (executor → api, request with an answer after commit, one batch in flight) ----------


class Checkpoint(Struct, frozen=True, kw_only=True, tag="checkpoint"):
    """A durable mark of progress; `number` counts over the whole run."""

    number: int
    cursor: Json = None
    state: Json = None


class ProgressMade(Struct, frozen=True, kw_only=True, tag="progress"):
    """A milestone worth an event, or the newest value (`milestone` false; kept beside the log)."""

    progress: Progress
    milestone: bool = False
    number: int = 0
    """Of a milestone, counted from 1 within the attempt, so that a repetition is known; 0 is not counted."""


class LogChunk(Struct, frozen=True, kw_only=True, tag="log"):
    """Lines `first`..`last` of an attempt, at most some 256 KiB before compression.

    `lines` is zstd over msgpack of a list of `LogLine`.
    """

    first: int
    last: int
    text_bytes: int
    """Bytes of text in it."""
    lines: bytes


class LogLine(Struct, frozen=True, array_like=True):
    """One line of output, or a cut (`omitted_lines` > 0: so many lines from `line` on are gone)."""

    line: int
    stream: Literal["stdout", "stderr"]
    at: float
    """Seconds since the epoch by the executor's clock."""
    text: str
    omitted_lines: int = 0
    omitted_bytes: int = 0


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The attempt is over, its processes are gone. Always the last report of an attempt."""

    outcome: Literal["completed", "partial", "failed", "cancelled", "released"]
    usage: Usage
    failure: Failure | None = None
    progress: Progress | None = None
    metrics: dict[str, float] = {}
    result: Json = None
    result_blob: bytes | None = None
    """A result over 16 KiB, as JSON bytes; `result` is then none."""
    checkpoint: int | None = None


class ItemDone(Struct, frozen=True, array_like=True):
    """What became of one item."""

    ordinal: int
    key: str
    outcome: Outcome
    tries: int
    """In this attempt; an item that was begun in too many others fails without a try."""
    error: str | None = None

    @property
    def passed_over(self) -> bool:
        """Whether it failed for what it did to other attempts."""
        return self.outcome == "failed" and self.tries == 0


class ItemsRecorded(Struct, frozen=True, kw_only=True, tag="items"):
    """Outcomes since the last such report, in any order, and the checkpoint that they make."""

    number: int
    """Of the checkpoint."""
    outcomes: bytes
    """zstd over msgpack of a list of `ItemDone`; at most `items.MAX_SPANS` spans of equal outcomes."""
    begun: tuple[int, ...] = ()
    """Items that are begun and have no outcome yet."""


Finding = Checkpoint | ItemsRecorded | ProgressMade | LogChunk | Ended


class Report(Struct, frozen=True, kw_only=True):
    """One thing an attempt has to say."""

    attempt: Attempt
    finding: Finding


class Reports(Struct, frozen=True, kw_only=True):
    """What came together; in order, at most some 512 KiB."""

    executor: str
    session: str
    reports: Annotated[tuple[Report, ...], Meta(max_length=1000)]


Verdict = Literal["accepted", "duplicate", "refused"]


class Confirmed(Struct, frozen=True, kw_only=True):
    """Answer after commit: one verdict a report. `refused`: the attempt is fenced, end it."""

    verdicts: tuple[Verdict, ...]
    position: int = 0


class Unavailable(Struct, frozen=True, kw_only=True, tag="unavailable"):
    """The api cannot answer now (no PostgreSQL, or its queue is full): ask again later."""

    why: str
    retry_after_seconds: float = 1.0


# --- blobs ---------------------------------------------------------------------------------------

BLOB_PAGE_BYTES = 524288


class FetchBlob(Struct, frozen=True, kw_only=True):
    """Ask for a page of a blob from `offset` on, at most `BLOB_PAGE_BYTES`."""

    sha256: str
    run: str
    offset: int = 0


class BlobPage(Struct, frozen=True, kw_only=True):
    """A page; `total` bytes in all, or `gone` when the blob was deleted or is not of this run."""

    data: bytes = b""
    total: int = 0
    gone: bool = False


# --- items ---------------------------------------------------------------------------------------


class FetchItems(Struct, frozen=True, kw_only=True):
    """Ask for the next items that an attempt has to do, from after an ordinal on."""

    attempt: Attempt
    after: int = 0


class ItemToDo(Struct, frozen=True, array_like=True):
    """One item; `begun` is in how many attempts that were lost or timed out it was under way."""

    ordinal: int
    key: str
    value: Json
    begun: int = 0


class ItemsPage(Struct, frozen=True, kw_only=True):
    """Items in order; `next` is what to ask for after them, none at the end.

    `gone`: the items were deleted, or the attempt is fenced.
    """

    items: bytes = b""
    """zstd over msgpack of a list of `ItemToDo`."""
    next: int | None = None
    gone: bool = False


# --- live (executor → anyone, core NATS, may be lost) ---------------------------------------------


class LiveProgress(Struct, frozen=True, kw_only=True):
    """Published as JSON on `perdure.progress.<tenant>.<run>`, at most 4 a second."""

    run: str
    attempt: int
    progress: Progress
    at: float


class Answer(Struct, frozen=True, kw_only=True):
    """Every answer on a request subject: exactly one of the fields is set."""

    opened: SessionOpened | None = None
    refused: SessionRefused | None = None
    beat: Beat | None = None
    confirmed: Confirmed | None = None
    blob: BlobPage | None = None
    items: ItemsPage | None = None
    unavailable: Unavailable | None = None


_encoder = msgspec.msgpack.Encoder()


def encode(message: Struct) -> bytes:
    """Give the bytes of a message on the wire."""
    return _encoder.encode(message)


T = TypeVar("T")


def decode(data: bytes, kind: type[T]) -> T:
    """Read a message; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.msgpack.decode(data, type=kind)
