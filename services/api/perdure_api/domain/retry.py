"""Whether a failed attempt is tried again, and after how long."""

import zlib
from datetime import timedelta

from perdure_contract.facts import Failure
from perdure_contract.specs import MAX_LOST_IN_A_ROW, Retry

NEVER_RETRIED = frozenset({"rejected", "declared"})


def wait_before_next(
    policy: Retry, failure: Failure, *, tries: int, lost_in_a_row: int, seed: str
) -> timedelta | None:
    """Give the wait before the next attempt, or None when there is none.

    `tries` counts the attempts since requested, restarted or resumed, the failed one included. The
    jitter is taken from `seed` and `tries`, so the same history always gives the same wait.
    """
    if failure.reason in NEVER_RETRIED or failure.reason not in policy.on:
        return None
    if failure.exit_code is not None and failure.exit_code in policy.not_exit_codes:
        return None
    if tries >= policy.max_attempts:
        return None
    if failure.reason == "lost" and lost_in_a_row >= MAX_LOST_IN_A_ROW:
        return None
    base = _exponential(policy, tries)
    spread = zlib.crc32(f"{seed}:{tries}".encode()) / 0xFFFFFFFF * 2 - 1
    return timedelta(seconds=round(base * (1 + policy.jitter * spread), 3))


def _exponential(policy: Retry, tries: int) -> float:
    try:
        wait = policy.initial_seconds * policy.factor ** (tries - 1)
    except OverflowError:
        return policy.max_seconds if policy.initial_seconds > 0 else 0
    return min(wait, policy.max_seconds)
