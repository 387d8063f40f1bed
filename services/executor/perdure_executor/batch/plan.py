"""What the agent tells the driver, as one file of JSON."""

from msgspec import Struct

from perdure_contract.specs import Json, Retry

PLAN_SUFFIX = ".plan"
ITEMS_SUFFIX = ".items"
JOURNAL_SUFFIX = ".done"


class Programs(Struct, frozen=True, kw_only=True, tag="command"):
    """A program is started for each item."""

    argv: tuple[str, ...]
    program: str | None
    """Absolute; none where the item says which, and `places` and `allowed` decide."""
    stdin: str
    """File that each one reads."""
    places: str
    """PATH on which bare names are looked for."""
    allowed: tuple[str, ...] | None
    """Real paths of the programs that may be started; none means any."""


class Functions(Struct, frozen=True, kw_only=True, tag="python"):
    """A function is called for each item, in workers."""

    func: str
    args: tuple[Json, ...]
    kwargs: dict[str, Json]
    cwd: str
    path: tuple[str, ...]
    """Directories where the user's modules are found."""
    allowed: tuple[str, ...] | None
    """Prefixes of modules that the function must be defined in; none for any."""


class Plan(Struct, frozen=True, kw_only=True):
    """One attempt of a batch."""

    path: str
    """What its files begin with."""
    run: str
    executor: str
    each: Programs | Functions
    env: dict[str, str]
    """Environment of each item, but for its idempotency key."""
    total: int
    """Items of the whole run."""
    done: int
    """How many of them had an outcome before."""
    concurrency: int
    checkpoint_every: int
    retry: Retry
    stop_after_failures: int | None
    park_after: int
