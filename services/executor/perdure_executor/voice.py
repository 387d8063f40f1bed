"""What people watch while it happens: lines and progress on core NATS. May be lost; the store has all."""

import asyncio

import msgspec

from perdure_contract import subjects
from perdure_contract.facts import Progress
from perdure_contract.wire import Grant, LiveProgress, LogLine
from perdure_runtime import clock
from perdure_runtime.nats_connection import NatsConnection

LINES_AT_ONCE = 200
MAX_UNSAID = 500


class Voice:
    """Publishes what it is given soon; says nothing while NATS is away."""

    def __init__(self, nats: NatsConnection) -> None:
        """Speak over this connection."""
        self._nats = nats
        self._unsaid: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_UNSAID)

    async def speak(self) -> None:
        """Publish for ever."""
        while True:
            subject, message = await self._unsaid.get()
            if self._nats.connected:
                try:
                    await self._nats.client.publish(subject, message)
                except Exception:  # noqa: BLE001, S112 - nats-py raises many kinds; this may be lost
                    continue

    def progress(self, grant: Grant, progress: Progress) -> None:
        """Publish how far a run is."""
        attempt = grant.attempt
        message = LiveProgress(
            run=attempt.run, attempt=attempt.number, progress=progress, at=clock.epoch_seconds()
        )
        self._say(subjects.progress(grant.tenant, attempt.run), message)

    def lines(self, grant: Grant, rows: list[LogLine]) -> None:
        """Publish the last of the new lines of a run."""
        attempt = grant.attempt
        message = {
            "run": attempt.run,
            "attempt": attempt.number,
            "lines": [
                {"line": row.line, "stream": row.stream, "at": row.at, "text": row.text}
                for row in rows[-LINES_AT_ONCE:]
            ],
        }
        self._say(subjects.live_log(grant.tenant, attempt.run), message)

    def _say(self, subject: str, message: object) -> None:
        if self._nats.connected and not self._unsaid.full():
            self._unsaid.put_nowait((subject, msgspec.json.encode(message)))
