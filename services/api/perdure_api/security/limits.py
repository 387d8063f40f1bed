"""How often something may fail before it has to wait."""

from collections import deque
from typing import Final

from perdure_api.errors import Refused
from perdure_runtime.clock import monotonic

FAILURES: Final = 5
WINDOW_SECONDS: Final = 60.0
REMEMBERED: Final = 10_000


class Failures:
    """Counts failed logins by peer; who succeeds is never slowed down."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def check(self, peer: str) -> None:
        """Refuse a peer that failed five times within the last minute."""
        times = self._times.get(peer)
        if times is None:
            return
        while times and times[0] < monotonic() - WINDOW_SECONDS:
            times.popleft()
        if not times:
            del self._times[peer]
        elif len(times) >= FAILURES:
            wait = max(1, round(times[0] + WINDOW_SECONDS - monotonic()))
            raise Refused(
                "too-many-requests",
                "Too many attempts; wait a minute.",
                headers=(("retry-after", str(wait)),),
            )

    def failed(self, peer: str) -> None:
        """Note a failure."""
        if len(self._times) >= REMEMBERED:
            self._times.clear()
        self._times.setdefault(peer, deque(maxlen=FAILURES)).append(monotonic())
