"""The agent's side of the socket to the warden; starts a warden where there is none."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from perdure_executor.errors import CannotStart
from perdure_executor.papers import written
from perdure_executor.settings import Settings
from perdure_executor.warden.frames import (
    CALL,
    END,
    LEAVE,
    START,
    TAKEN,
    TRIP,
    Frame,
    Unpacker,
    pack,
)
from perdure_executor.warden.launcher import SOCKET
from perdure_executor.warden.order import Order
from perdure_runtime import clock, logs

log = logs.get(__name__)

START_SECONDS = 10.0
TAKEN_SECONDS = 0.05
_PROGRAM = Path(__file__).parent / "warden" / "__main__.py"


class Hello(msgspec.Struct, frozen=True):
    """What a warden says first."""

    pid: int
    warden: str
    """Which one it is: no other ever has the same."""
    carried: list[str]
    """Attempts whose processes live."""
    ended: list[str]
    """Attempts whose records follow, or that follow as given back."""


class Custody(asyncio.Protocol):
    """The connection to one warden, until one of the two is gone."""

    def __init__(self, heard: Callable[[list[Frame]], None], gone: Callable[[], None]) -> None:
        """Prepare.

        Args:
            heard: gets what the warden says, all that came together at once.
            gone: called once when the warden is gone, unless we told it to leave.
        """
        self._heard = heard
        self._gone = gone
        self._unpacker = Unpacker()
        self._transport: asyncio.WriteTransport | None = None
        self._hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._leaving = False
        self._loop = asyncio.get_running_loop()
        self._unsaid = bytearray()
        self._soon = False
        self._sending: asyncio.TimerHandle | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def open(self, settings: Settings) -> Hello:
        """Reach the warden of the spool, starting one when there is none.

        Raises:
            CannotStart: when none can be started.
        """
        spool = os.open(settings.spool, os.O_RDONLY | os.O_DIRECTORY)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        try:
            while True:
                try:  # through the descriptor, because a socket's path may have 107 bytes only
                    await loop.create_unix_connection(
                        lambda: self, f"/proc/self/fd/{spool}/{SOCKET}"
                    )
                    return await asyncio.wait_for(self._hello, START_SECONDS)
                except TimeoutError as error:
                    message = "The warden does not answer: is it stopped?"
                    raise CannotStart(message) from error
                except (FileNotFoundError, ConnectionRefusedError) as error:
                    if self._process is None:
                        self._process = start_warden(settings)
                    elif self._process.poll() is not None or loop.time() > deadline:
                        message = f"The warden does not start: see {settings.spool / 'warden.log'}."
                        raise CannotStart(message) from error
                    await clock.pause(0.01)
        finally:
            os.close(spool)

    def start(self, key: str, order: Order) -> None:
        """Have a program started."""
        self._say(pack(START, key, written(order)))

    def call(self, trip: Sequence[tuple[str, Order]]) -> None:
        """Have functions called, one after the other; what has to wait for long is given back."""
        calls = (pack(CALL, key, written(order)) for key, order in trip)
        self._say(pack(TRIP, "", b"".join(calls)))

    def end(self, key: str, why: str, grace: float) -> None:
        """Have an attempt ended: TERM, grace, KILL."""
        self._say(pack(END, key, msgspec.json.encode({"why": why, "grace": grace})))

    def taken(self, key: str) -> None:
        """Tell that the end of an attempt, or that it is back, is safe here; it goes out soon."""
        self._unsaid += pack(TAKEN, key)
        if self._sending is None:
            self._sending = self._loop.call_later(TAKEN_SECONDS, self._send)

    def leave(self) -> None:
        """Let the warden exit, when it holds nothing."""
        self._leaving = True
        self._unsaid += pack(LEAVE)
        self._send()
        if self._transport is not None:
            self._transport.close()

    def _say(self, frame: bytes) -> None:
        """Send it with all else that is said in this turn of the loop."""
        self._unsaid += frame
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        self._soon = False
        if self._transport is not None and self._unsaid:
            self._transport.write(bytes(self._unsaid))
            self._unsaid.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what the warden says."""
        frames = self._unpacker.feed(data)
        if not self._hello.done():
            if not frames:
                return
            _, _, body = frames.pop(0)  # HELLO: a warden says nothing before it
            self._hello.set_result(msgspec.json.decode(body, type=Hello))
        if frames:
            self._heard(frames)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell that the warden is gone."""
        self._transport = None
        if self._process is not None:
            self._process.poll()
        if not self._leaving and self._hello.done():
            self._gone()


def start_warden(settings: Settings) -> subprocess.Popen[bytes]:
    """Start a warden in a session of its own, with nothing of our environment but what children get."""
    log_file = settings.spool / "warden.log"
    log_file.touch(0o600)
    with log_file.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(_PROGRAM), str(settings.spool)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=settings.environment,
            cwd="/",
            start_new_session=True,
        )
    log.info("warden started", pid=process.pid)
    return process
