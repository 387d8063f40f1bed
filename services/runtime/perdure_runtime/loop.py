"""One background duty: ticks, wakes, failures and back-off, written once."""

import asyncio
from collections.abc import Awaitable, Callable

from perdure_runtime import logs

log = logs.get(__name__)

FIRST_BACKOFF_SECONDS = 0.2
MAX_BACKOFF_SECONDS = 10.0


class Loop:
    """Calls `tick` until cancelled: at once when woken, else after the pause that tick asks for.

    `tick` gives the seconds until it wants to look again (0 = at once). A tick that raises is logged
    and tried again after a growing pause; the duty never dies of a failure.
    """

    def __init__(self, name: str, tick: Callable[[], Awaitable[float]]) -> None:
        self.name = name
        self._tick = tick
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now. Cheap, and safe to call at any rate: wakes during a tick count as one."""
        self._woken.set()

    async def run(self) -> None:
        """Tick until cancelled."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            self._woken.clear()
            try:
                pause = await self._tick()
                backoff = FIRST_BACKOFF_SECONDS
            except Exception:
                log.exception("duty failed", duty=self.name, again_in_seconds=backoff)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
                continue
            if pause > 0:
                try:
                    # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with a wake.
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
                except TimeoutError:
                    continue
            else:
                await asyncio.sleep(0)
