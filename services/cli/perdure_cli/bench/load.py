"""A process of its own that sends requests as fast as they are answered.

A general HTTP client spends more processor time on a request than the server under test; on two
cores it would be what is measured. So this one writes the same bytes again and again over
connections that stay open, and reads of an answer only its status, length and body.

Run as `python -m perdure_cli.bench.load`: a `Plan` as JSON comes in, an `Outcome` goes out.
"""

import asyncio
import subprocess
import sys
import time
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

CREATED: Final = 201
LONGEST_SECONDS: Final = 300


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, how often, and how many at a time."""

    url: str
    token: str
    path: str
    body: str
    count: int
    in_flight: int = 1
    per_second: float | None = None
    """A fixed pace instead of as fast as possible; an answer is awaited before the next."""
    keep_answers: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How it went; times are seconds since the epoch."""

    seconds: float
    statuses: dict[str, int]
    sent_at: list[float]
    answers: list[str]
    first_refusal: str = ""


def run_load(plan: Plan) -> Outcome:
    """Carry out a plan in a process of its own.

    Raises:
        RuntimeError: when the process fails, or a request was answered other than created.
    """
    process = subprocess.run(
        [sys.executable, "-m", "perdure_cli.bench.load"],
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if process.returncode != 0:
        message = f"The load process failed with code {process.returncode}."
        raise RuntimeError(message)
    try:
        outcome = msgspec.json.decode(process.stdout, type=Outcome)
    except msgspec.DecodeError as error:
        message = f"The load process said nothing of use: {error}"
        raise RuntimeError(message) from error
    if set(outcome.statuses) != {str(CREATED)}:
        message = f"Not every request was taken: {outcome.statuses}: {outcome.first_refusal}"
        raise RuntimeError(message)
    return outcome


class _Load:
    """What all connections share."""

    def __init__(self, plan: Plan) -> None:
        host = urlsplit(plan.url).netloc
        body = plan.body.encode()
        self.request = (
            f"POST {plan.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {plan.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.left = plan.count
        self.plan = plan
        self.statuses: dict[str, int] = {}
        self.sent_at: list[float] = []
        self.answers: list[str] = []
        self.first_refusal = ""
        self.open = plan.in_flight
        self.ended = asyncio.Event()

    def answered(self, status: str, body: bytes) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if self.plan.keep_answers:
            self.answers.append(body.decode())
        if status != str(CREATED) and not self.first_refusal:
            self.first_refusal = body[:500].decode(errors="replace")

    def closed(self) -> None:
        self.open -= 1
        if self.open == 0:
            self.ended.set()


class _Connection(asyncio.Protocol):
    """One request after the other on one connection."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # what TCP gives
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._buffer[:head_end]).lower()
        length_at = head.find(b"content-length:") + len(b"content-length:")
        line_end = head.find(b"\r\n", length_at)
        length = int(head[length_at : line_end if line_end >= 0 else None])
        whole = head_end + 4 + length
        if len(self._buffer) < whole:
            return
        self._load.answered(head[9:12].decode(), bytes(self._buffer[head_end + 4 : whole]))
        del self._buffer[:whole]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or self._buffer:
            self._load.statuses["broken"] = self._load.statuses.get("broken", 0) + 1
        self._load.closed()

    def _next(self) -> None:
        pace = self._load.plan.per_second
        if pace is None or self._load.left <= 0:
            self._send()
        else:
            self._due += 1 / pace
            self._loop.call_at(self._due, self._send)

    def _send(self) -> None:
        if self._load.left <= 0:
            self._transport.close()
            return
        self._load.left -= 1
        self._load.sent_at.append(time.time())
        self._transport.write(self._load.request)


async def _carry_out(plan: Plan) -> Outcome:
    load = _Load(plan)
    parts = urlsplit(plan.url)
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    for _ in range(plan.in_flight):
        await loop.create_connection(
            lambda: _Connection(load), parts.hostname or "127.0.0.1", parts.port or 80
        )
    await load.ended.wait()
    return Outcome(
        seconds=time.monotonic() - started,
        statuses=load.statuses,
        sent_at=load.sent_at if plan.keep_answers else [],
        answers=load.answers,
        first_refusal=load.first_refusal,
    )


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_carry_out(wanted))))
