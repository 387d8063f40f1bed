"""The only reader of clocks and maker of ids. Everything else gets time and ids as arguments."""

import asyncio
import time
from datetime import UTC, datetime

import uuid_utils


def now() -> datetime:
    """Give this host's wall clock, UTC. Decisions use the database's clock instead."""
    return datetime.now(UTC)


def epoch_seconds() -> float:
    """Give this host's wall clock in seconds since the epoch."""
    return time.time()


def monotonic() -> float:
    """Give seconds on a clock that no one sets; it may stand still while the host sleeps."""
    return time.monotonic()


def boottime() -> float:
    """Give seconds since boot, sleep included: the clock for leases, which end while a host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def pause(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


def new_id() -> str:
    """Make a UUIDv7: unique, and sorting by the time it was made."""
    return str(uuid_utils.uuid7())


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 UTC; whole seconds without a fraction."""
    text = moment.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 moment; raises ValueError without an offset or when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = "a time needs an offset, like 2026-01-31T02:30:00Z"
        raise ValueError(message)
    return moment.astimezone(UTC)
