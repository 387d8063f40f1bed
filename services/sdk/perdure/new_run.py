"""What one asks for: a run that is not there yet."""

from msgspec import Struct

from perdure_contract.specs import Limits, Retry, Spec


class NewRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run to request. What is left out gets the server's defaults."""

    spec: Spec | None = None
    """What to do; left out only where a run that is there says it."""
    name: str | None = None
    queue: str | None = None
    priority: int = 0
    """-100 to 100; higher goes first."""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    """What an executor must have to take the run."""
    run_at: str | None = None
    """RFC 3339 time before which it does not start."""
    unique_key: str | None = None
    """While a run with this key is not final, another one is refused (`Conflict`)."""
    retry: Retry | None = None
    limits: Limits | None = None


class Requested(Struct, frozen=True, kw_only=True):
    """What a bulk request answers for each run."""

    id: str
    state: str
