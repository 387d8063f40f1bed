"""Takes what programs print and say off the disk while it grows, and their outcomes at the end."""

import asyncio
from contextlib import suppress

from perdure_executor.carried import Carried
from perdure_executor.ledger import Ledger
from perdure_executor.segments import Chunk
from perdure_executor.voice import Voice
from perdure_executor.warden.lease import boottime
from perdure_runtime import clock, logs

log = logs.get(__name__)

SHORTEST_WAIT_SECONDS = 0.001


class Reader:
    """Reads for all attempts, a piece at a time, so that nobody waits for a flood."""

    def __init__(self, ledger: Ledger, voice: Voice) -> None:
        """Prepare.

        Args:
            ledger: where attempts are kept and reports go.
            voice: publishes what people watch.
        """
        self._ledger = ledger
        self._voice = voice
        self._news: dict[str, None] = {}
        self._woken = asyncio.Event()

    def note(self, key: str) -> None:
        """There is something new of an attempt."""
        self._news[key] = None
        self._woken.set()

    async def read(self) -> None:
        """Read for ever."""
        while True:
            patience = self._patience()
            if patience != 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._woken.wait()
            self._woken.clear()
            now = boottime()
            due = (key for key, carried in self._ledger.carried.items() if carried.due(now))
            for key in {*self._news, *due}:
                carried = self._ledger.carried.get(key)
                with self._ledger.round():
                    if carried is None or self.take(carried):
                        self._news.pop(key, None)
                await clock.pause(0)

    def take(self, carried: Carried) -> bool:
        """Take the next piece of an attempt, in a round; tell whether there is nothing more for now."""
        now = boottime()
        heard, chunk = carried.take()
        items = carried.take_items(now)
        if items is not None:
            self._ledger.report(carried, items)
        found = carried.reported.due(now, ending=carried.record is not None)
        for finding in found:
            self._ledger.report(carried, finding)
        if chunk is not None:
            self._report_chunk(carried, chunk)
        progress = carried.reported.live(now)
        if progress is not None:
            self._voice.progress(carried.grant, progress)
        took = heard or chunk is not None or items is not None
        if took or (found and carried.record is None):
            self._ledger.spool.save(carried.key, carried.log.next_line, carried.reported)
            return False
        if carried.record is not None:
            self._finish(carried)
        return True

    def _patience(self) -> float | None:
        if self._news:
            return 0
        moments = [
            moment
            for carried in self._ledger.carried.values()
            if (moment := carried.reported.wake_at()) is not None
        ]
        return max(SHORTEST_WAIT_SECONDS, min(moments) - boottime()) if moments else None

    def _report_chunk(self, carried: Carried, chunk: Chunk) -> None:
        self._ledger.report_chunk(carried, chunk)
        if carried.shown:
            self._voice.lines(carried.grant, chunk.rows)

    def _finish(self, carried: Carried) -> None:
        """Everything is taken: report the outcome and let go."""
        attempt = carried.grant.attempt
        complaint = carried.complain()
        if complaint is not None:
            self._report_chunk(carried, complaint)
        ended = carried.ended()
        if ended is not None:
            self._ledger.close(carried, ended)
            return
        log.info("attempt ended with the lease", run=attempt.run, attempt=attempt.number)
        self._ledger.lose([carried])
