"""Publishing to JetStream in order, many in flight, with every refusal seen.

The client library's own asynchronous publish never resolves when the server answers with an error,
so it cannot be used where the answer decides what is published next.

Each message names the sequence after which it must come, so that the stream takes none after one that it
refused. The answer to the last message of a window therefore speaks for all, and that to the first says
why nothing goes on.
"""

import asyncio
from typing import NamedTuple

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg


class Message(NamedTuple):
    """One message for a stream, and the sequence that the stream must give it: its headers say so."""

    sequence: int
    subject: str
    data: bytes
    headers: dict[str, str]


class PublishRefused(Exception):
    """The stream did not take a message at its place; nothing after that message was taken either."""


class _Refusal(Struct, frozen=True):
    err_code: int = 0
    description: str = "refused without a word"


class _Acknowledgement(Struct, frozen=True):
    seq: int = 0
    error: _Refusal | None = None


class _Window:
    """The messages in flight: resolved by the acknowledgements of both ends or the first refusal."""

    def __init__(self, asked: frozenset[int]) -> None:
        self.outstanding = set(asked)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def acknowledged(self, sequence: int, answer: _Acknowledgement) -> None:
        if self.done.done():
            return
        if answer.error is not None:
            self.refused(f"{answer.error.description} (code {answer.error.err_code})")
        elif answer.seq != sequence:
            self.refused(f"message {sequence} was stored at {answer.seq}")
        else:
            self.outstanding.discard(sequence)
            if not self.outstanding:
                self.done.set_result(None)

    def refused(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(PublishRefused(why))


class Pipe:
    """A small pipe into one stream; one window of messages at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._windows = 0
        self._window: _Window | None = None
        self._decoder = msgspec.json.Decoder(_Acknowledgement)
        self._opened = False

    async def publish(self, messages: list[Message], *, timeout_seconds: float) -> None:
        """Publish all of them in order and wait until the stream has each at its sequence.

        Raises:
            PublishRefused: when one is not taken, with the server's words.
            TimeoutError: when an answer is missing; some may be stored.
            nats.errors.Error: when the connection is away.
        """
        if not messages:
            return
        if not self._opened:
            await self._client.subscribe(f"{self._inbox}.*.*", cb=self._answered)
            self._opened = True
        self._windows += 1
        asked = frozenset((messages[0].sequence, messages[-1].sequence))
        window = self._window = _Window(asked)
        reply = f"{self._inbox}.{self._windows}"
        try:
            async with asyncio.timeout(timeout_seconds):
                for message in messages:
                    number = message.sequence
                    await self._client.publish(
                        message.subject,
                        message.data,
                        reply=f"{reply}.{number}" if number in asked else "",
                        headers=message.headers,
                    )
                await window.done
        finally:
            self._window = None
            if window.done.done() and not window.done.cancelled():
                window.done.exception()  # seen, also when something else was raised first

    async def _answered(self, answer: Msg) -> None:
        _, number, sequence = answer.subject.rsplit(".", 2)
        if self._window is None or int(number) != self._windows:
            return  # late: its window was given up
        try:
            self._window.acknowledged(int(sequence), self._decoder.decode(answer.data))
        except msgspec.DecodeError:
            # Without responders the server answers with an empty body: JetStream is not there (yet).
            self._window.refused("no stream listens on this subject")
