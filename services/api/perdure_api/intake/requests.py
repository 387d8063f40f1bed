"""Answers executors' requests over NATS: session, heartbeat, reports, content.

All replicas share one queue group, so each request is answered once. A request is answered after the
commit of what it brought; no answer means that the executor asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import nats.errors
from nats.aio.msg import Msg

from perdure_api.errors import Unavailable
from perdure_api.intake.item_pages import item_page
from perdure_api.intake.reports import Reports
from perdure_api.intake.sessions import Sessions
from perdure_api.store.database import Database
from perdure_contract import subjects, wire
from perdure_contract.wire import Answer
from perdure_runtime import logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

AT_ONCE = 64
"""Requests under way in one replica; more wait in NATS and their senders ask again."""

Handler = Callable[[bytes], Awaitable[Answer]]


class Requests:
    """Subscribes to the request subjects and answers."""

    def __init__(
        self, database: Database, nats: NatsConnection, sessions: Sessions, reports: Reports
    ) -> None:
        self._database = database
        self._nats = nats
        self._sessions = sessions
        self._reports = reports
        self._handlers: dict[str, Handler] = {
            subjects.SESSION: self._open,
            subjects.HEARTBEAT: self._beat,
            subjects.REPORT: self._report,
            subjects.BLOB: self._blob,
            subjects.ITEMS: self._items,
        }

    async def serve(self) -> None:
        """Answer until cancelled; the subscriptions outlive reconnects."""
        queue: asyncio.Queue[tuple[Handler, Msg]] = asyncio.Queue(maxsize=AT_ONCE * 4)
        for subject, handler in self._handlers.items():

            async def arrived(message: Msg, handler: Handler = handler) -> None:
                await queue.put((handler, message))

            await self._nats.client.subscribe(subject, queue=subjects.RPC_GROUP, cb=arrived)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work(queue))

    async def _work(self, queue: asyncio.Queue[tuple[Handler, Msg]]) -> None:
        while True:
            handler, message = await queue.get()
            answer = await self._answer(handler, message.data)
            if answer is None:
                continue
            try:
                await message.respond(wire.encode(answer))
            except (OSError, nats.errors.Error) as error:
                log.warning("answer not sent", subject=message.subject, error=type(error).__name__)

    async def _answer(self, handler: Handler, data: bytes) -> Answer | None:
        try:
            return await handler(data)
        except Unavailable as error:
            return Answer(
                unavailable=wire.Unavailable(
                    why=str(error), retry_after_seconds=error.retry_after_seconds
                )
            )
        except msgspec.ValidationError as error:
            log.warning("message not understood", error=str(error))
            return None
        except Exception:
            log.exception("request failed")
            return Answer(unavailable=wire.Unavailable(why="The server had a fault; it is logged."))

    async def _open(self, data: bytes) -> Answer:
        answer = await self._sessions.open(wire.decode(data, wire.OpenSession))
        if isinstance(answer, wire.SessionRefused):
            return Answer(refused=answer)
        return Answer(opened=answer)

    async def _beat(self, data: bytes) -> Answer:
        return Answer(beat=await self._sessions.beat(wire.decode(data, wire.Heartbeat)))

    async def _report(self, data: bytes) -> Answer:
        return Answer(confirmed=await self._reports.take(wire.decode(data, wire.Reports)))

    async def _items(self, data: bytes) -> Answer:
        return Answer(items=await item_page(self._database, wire.decode(data, wire.FetchItems)))

    async def _blob(self, data: bytes) -> Answer:
        asked = wire.decode(data, wire.FetchBlob)
        row = await self._database.pool.fetchrow(
            "SELECT substring(data FROM $3 FOR $4), length(data) FROM perdure.blobs "
            "WHERE run_id = $1::text::uuid AND sha256 = $2",
            asked.run,
            bytes.fromhex(asked.sha256),
            asked.offset + 1,
            wire.BLOB_PAGE_BYTES,
        )
        page = wire.BlobPage(gone=True) if row is None else wire.BlobPage(data=row[0], total=row[1])
        return Answer(blob=page)
