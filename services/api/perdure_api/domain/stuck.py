"""Whether a running attempt is stuck: alive by its executor's word, but without progress.

Lost is another thing: there the executor is silent. Here it beats, and only the work stands still.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_contract.facts import Silence

Sign = Literal["start", "output", "progress", "checkpoint"]


class Signs(Struct, frozen=True, kw_only=True):
    """When an attempt last gave each sign of life; those that came from elsewhere than its events."""

    output_at: datetime | None = None
    progress_at: datetime | None = None


def silence_of(run: Run, signs: Signs, now: datetime, *, allowed_seconds: float) -> Silence | None:
    """Give the evidence that the open attempt is stuck, or None while it is not.

    `allowed_seconds` holds where the run itself says nothing else.
    """
    attempt = run.attempt
    if run.phase != "running" or attempt is None:
        return None
    allowed = run.request.limits.stuck_after_seconds or allowed_seconds
    seen: list[tuple[Sign, datetime]] = [("start", attempt.started_at)]
    if signs.output_at is not None:
        seen.append(("output", signs.output_at))
    if signs.progress_at is not None:
        seen.append(("progress", signs.progress_at))
    if run.milestone_at is not None:
        seen.append(("progress", run.milestone_at))
    if run.checkpoint is not None:
        seen.append(("checkpoint", run.checkpoint.at))
    sign, at = max(seen, key=lambda pair: pair[1])
    silent = (now - at).total_seconds()
    if silent <= allowed:
        return None
    return Silence(
        last_sign=sign,
        last_sign_at=at,
        silent_seconds=round(silent, 1),
        allowed_seconds=allowed,
    )
