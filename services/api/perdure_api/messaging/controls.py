"""What the api tells an executor at once. May be lost: the next heartbeat says it again."""

from collections import defaultdict
from collections.abc import Iterable

import nats.errors

from perdure_contract import subjects, wire
from perdure_contract.wire import Control, ControlBatch
from perdure_runtime import logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

MESSAGES_AT_ONCE = 100
"""Keeps a message below NATS's payload limit even with large requests inside grants."""
BYTES_AT_ONCE = 512 * 1024


class Controls:
    """Publishes grants, cancels and revocations to executors over core NATS."""

    def __init__(self, nats: NatsConnection) -> None:
        self._nats = nats

    async def send(self, messages: Iterable[tuple[str, Control]]) -> None:
        """Tell each executor its messages, in order; quietly nothing while NATS is away."""
        by_executor: dict[str, list[Control]] = defaultdict(list)
        for executor, message in messages:
            by_executor[executor].append(message)
        for executor, said in by_executor.items():
            for first in range(0, len(said), MESSAGES_AT_ONCE):
                await self._publish(executor, said[first : first + MESSAGES_AT_ONCE])

    async def _publish(self, executor: str, said: list[Control]) -> None:
        data = wire.encode(ControlBatch(messages=tuple(said)))
        if len(data) > BYTES_AT_ONCE and len(said) > 1:
            half = len(said) // 2
            await self._publish(executor, said[:half])
            await self._publish(executor, said[half:])
            return
        try:
            await self._nats.client.publish(subjects.control(executor), data)
        except (OSError, nats.errors.Error) as error:
            log.warning("control message not sent", executor=executor, error=type(error).__name__)
