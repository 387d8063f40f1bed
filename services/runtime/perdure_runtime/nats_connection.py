"""One NATS connection that never gives up, and says what state it is in."""

import asyncio
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client

from perdure_runtime import logs

log = logs.get(__name__)

RECONNECT_SECONDS = 0.25


class NatsConnection:
    """A connection that is kept: it connects in the background and reconnects for ever.

    It does not hear what it says itself. Publishing while away raises or is dropped, never buffered:
    what must not be lost has a spool or the log behind it.
    """

    def __init__(
        self, url: str, *, name: str, on_connect: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._url = url
        self._name = name
        self._on_connect = on_connect
        self.client: Client = Client()
        self._first = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the server can be reached now."""
        return self.client.is_connected

    async def connect(self, *, patience_seconds: float | None = None) -> None:
        """Connect; try for ever, or raise `OSError` when `patience_seconds` are over."""
        started = asyncio.get_running_loop().time()
        delay = 0.1
        while True:
            try:
                await self.client.connect(
                    self._url,
                    name=self._name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_SECONDS,  # type: ignore[arg-type]  # any number of seconds works
                    ping_interval=5,
                    max_outstanding_pings=2,
                    pending_size=0,
                    no_echo=True,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnect,
                    reconnected_cb=self._on_reconnect,
                )
            except Exception as error:
                spent = asyncio.get_running_loop().time() - started
                if patience_seconds is not None and spent > patience_seconds:
                    message = f"cannot reach NATS: {error}"
                    raise OSError(message) from error
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                self._first.set()
                log.info("connected to NATS", server=str(self.client.connected_server_version))
                return

    async def until_connected(self) -> None:
        """Wait for the first connection."""
        await self._first.wait()

    async def close(self) -> None:
        """Flush and leave; quietly when there is no connection."""
        if self.client.is_connected:
            await self.client.drain()
        elif not self.client.is_closed:
            await self.client.close()

    async def _on_error(self, error: Exception) -> None:
        log.warning("NATS reports an error", error=str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        log.warning("NATS is away")

    async def _on_reconnect(self) -> None:
        log.info("NATS is back")
        if self._on_connect is not None:
            await self._on_connect()


ANSWER_SECONDS = 6.0


async def server_version(url: str) -> tuple[int, ...]:
    """Give the version of the NATS server at `url`; raises `OSError` when it cannot be reached."""

    async def quiet(_: Exception) -> None:
        """Say nothing: what is raised is what is shown."""

    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            client = await nats.connect(
                url,
                connect_timeout=3,
                allow_reconnect=False,
                # 0 would mean without end.
                max_reconnect_attempts=1,
                reconnect_time_wait=0.1,
                error_cb=quiet,
            )
    except Exception as error:
        message = f"cannot reach NATS: {error}"
        raise OSError(message) from error
    try:
        version = client.connected_server_version
        return (version.major, version.minor, version.patch)
    finally:
        await client.close()
