"""The two clients: the same calls, one blocks, one is awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx
from httpx_sse import EventSource, aconnect_sse, connect_sse

from perdure import (
    access,
    actions,
    answers,
    backups,
    batches,
    fleet,
    jobs,
    log_of_events,
    recovery,
    runs,
)
from perdure.endpoint import find_endpoint
from perdure.errors import BadAnswer, NotFound, Unavailable, Unreachable
from perdure.following import Following, Update
from perdure.listening import Listening
from perdure.log_of_events import EventView, Tailing
from perdure.operation import Operation
from perdure.requests import Pause, Request, Steps, parameters

T = TypeVar("T")
Heard = TypeVar("Heard")

TIMEOUT = httpx.Timeout(30, connect=5)
UPLOAD_TIMEOUT = httpx.Timeout(600, connect=5)
"""What is sent ahead is looked through before the answer comes."""
STREAM_TIMEOUT = httpx.Timeout(30, connect=5, read=60)
"""A stream says something at least every 15 seconds, if only that it lives."""


class Calls:
    """Everything that the API can be asked, as methods of a client."""

    submit = Operation(runs.submit)
    submit_many = Operation(runs.submit_many)
    list_runs = Operation(runs.list_runs)
    get_run = Operation(runs.get_run)
    wait = Operation(runs.wait)
    attempts = Operation(runs.attempts)
    run_events = Operation(log_of_events.run_events)
    log = Operation(runs.log)
    log_text = Operation(runs.log_text)
    checkpoints = Operation(runs.checkpoints)
    items = Operation(batches.items)
    items_csv = Operation(batches.items_csv)
    retry_items = Operation(batches.retry_items)
    upload = Operation(batches.upload)
    why = Operation(runs.why)
    cancel = Operation(actions.cancel)
    retry_now = Operation(actions.retry_now)
    hold = Operation(actions.hold)
    release = Operation(actions.release)
    fail = Operation(actions.fail)
    set_priority = Operation(actions.set_priority)
    resume = Operation(actions.resume)
    restart = Operation(actions.restart)
    rerun = Operation(actions.rerun)
    delete = Operation(actions.delete)
    stuck = Operation(recovery.stuck)
    ledger = Operation(recovery.ledger)
    preview_bulk = Operation(recovery.preview_bulk)
    bulk = Operation(recovery.bulk)
    get_bulk = Operation(recovery.get_bulk)
    stop_bulk = Operation(recovery.stop_bulk)
    get_job = Operation(jobs.get_job)
    create_job = Operation(jobs.create_job)
    revise_job = Operation(jobs.revise_job)
    delete_job = Operation(jobs.delete_job)
    job_revisions = Operation(jobs.job_revisions)
    roll_back_job = Operation(jobs.roll_back_job)
    run_job = Operation(jobs.run_job)
    list_schedules = Operation(jobs.schedules)
    get_schedule = Operation(jobs.get_schedule)
    create_schedule = Operation(jobs.create_schedule)
    revise_schedule = Operation(jobs.revise_schedule)
    delete_schedule = Operation(jobs.delete_schedule)
    pause_schedule = Operation(jobs.pause_schedule)
    resume_schedule = Operation(jobs.resume_schedule)
    trigger_schedule = Operation(jobs.trigger_schedule)
    backfill_schedule = Operation(jobs.backfill_schedule)
    fires = Operation(jobs.fires)
    preview_trigger = Operation(jobs.preview_trigger)
    list_jobs = Operation(jobs.jobs)
    preview_backup = Operation(backups.preview_backup)
    dry_run = Operation(backups.dry_run)
    get_dry_run = Operation(backups.get_dry_run)
    hosts = Operation(backups.hosts)
    save_host = Operation(backups.save_host)
    delete_host = Operation(backups.delete_host)
    queues = Operation(fleet.queues)
    configure_queue = Operation(fleet.configure_queue)
    pause_queue = Operation(fleet.pause_queue)
    resume_queue = Operation(fleet.resume_queue)
    executors = Operation(fleet.executors)
    drain_executor = Operation(fleet.drain_executor)
    events = Operation(log_of_events.events)
    last_position = Operation(log_of_events.last_position)
    list_tokens = Operation(access.list_tokens)
    issue_token = Operation(access.issue_token)
    revoke_token = Operation(access.revoke_token)

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        found = find_endpoint(url, token)
        self.url = found.url
        self._headers = {"Accept": "application/json", "User-Agent": "perdure-python"}
        if found.token:
            self._headers["Authorization"] = f"Bearer {found.token}"

    def _prepared(self, request: Request[T]) -> tuple[str, str, dict[str, str]]:
        sends_json = {"Content-Type": "application/json"} if request.body is not None else {}
        return request.method, self.url + request.path, {**sends_json, **request.headers}

    def _pause(self, listening: Listening[Heard], why: str) -> float:
        seconds = listening.broke()
        if seconds is None:
            raise Unreachable(self.url, why)
        return seconds


class Client(Calls):
    """Speaks to Perdure and waits for each answer. A context manager; safe to use from threads.

    Without arguments it finds the server by PERDURE_URL and PERDURE_TOKEN, else by the data
    directory (PERDURE_DATA_DIR) of a system that runs on this machine.
    """

    blocking = True

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        super().__init__(url, token)
        self._http = httpx.Client(headers=self._headers, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def send(self, what: Request[T] | Steps[T]) -> T:
        """Carry out a request, or several steps."""
        if isinstance(what, Request):
            return self._exchange(what)
        try:
            step = next(what)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = what.send(None)
                else:
                    step = what.send(self._exchange(step))
        except StopIteration as end:
            outcome: T = end.value
            return outcome

    def follow(self, run: str) -> Iterator[Update]:
        """Give what happens to a run, live, until it is final; the last state comes at the end."""
        return self._listen(Following(run))

    def follow_events(
        self,
        *,
        after: int = 0,
        type: str | None = None,  # noqa: A002 - the API's word
        stream: str | None = None,
    ) -> Iterator[EventView]:
        """Give the events behind a position, then new ones as they happen, without end."""
        return self._listen(Tailing(after=after, type=type, stream=stream))

    def _listen(self, listening: Listening[Heard]) -> Iterator[Heard]:
        while listening.streams and listening.goes_on():
            try:
                with connect_sse(
                    self._http,
                    "GET",
                    self.url + listening.path,
                    params=parameters(listening.params),
                    headers=listening.headers,
                    timeout=STREAM_TIMEOUT,
                ) as source:
                    if not source.response.is_success:
                        source.response.read()
                    _check(source, listening)
                    for event in source.iter_sse():
                        yield from listening.hear(event.event, event.data, event.id)
                        if not listening.goes_on():
                            return
                time.sleep(self._pause(listening, "the stream ended"))
            except (BadAnswer, NotFound, httpx.ReadTimeout):
                listening.cannot_stream()
            except (httpx.TransportError, Unavailable) as error:
                time.sleep(self._pause(listening, _why(error)))
        while listening.goes_on():
            yield from self.send(listening.look())

    def _exchange(self, request: Request[T]) -> T:
        method, url, headers = self._prepared(request)
        try:
            response = self._http.request(
                method,
                url,
                params=request.params,
                content=request.body if request.file is None else request.pieces(),
                headers=headers,
                timeout=TIMEOUT if request.file is None else UPLOAD_TIMEOUT,
            )
        except httpx.TransportError as error:
            raise Unreachable(self.url, _why(error)) from error
        return answers.read(request, response)


class AsyncClient(Calls):
    """Speaks to Perdure; each call is awaited. An asynchronous context manager.

    It finds the server as `Client` does.
    """

    awaited = True

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        super().__init__(url, token)
        self._http = httpx.AsyncClient(headers=self._headers, timeout=TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def send(self, what: Request[T] | Steps[T]) -> T:
        """Carry out a request, or several steps."""
        if isinstance(what, Request):
            return await self._exchange(what)
        try:
            step = next(what)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = what.send(None)
                else:
                    step = what.send(await self._exchange(step))
        except StopIteration as end:
            outcome: T = end.value
            return outcome

    def follow(self, run: str) -> AsyncIterator[Update]:
        """Give what happens to a run, live, until it is final; the last state comes at the end."""
        return self._listen(Following(run))

    def follow_events(
        self,
        *,
        after: int = 0,
        type: str | None = None,  # noqa: A002 - the API's word
        stream: str | None = None,
    ) -> AsyncIterator[EventView]:
        """Give the events behind a position, then new ones as they happen, without end."""
        return self._listen(Tailing(after=after, type=type, stream=stream))

    async def _listen(self, listening: Listening[Heard]) -> AsyncIterator[Heard]:
        while listening.streams and listening.goes_on():
            try:
                async with aconnect_sse(
                    self._http,
                    "GET",
                    self.url + listening.path,
                    params=parameters(listening.params),
                    headers=listening.headers,
                    timeout=STREAM_TIMEOUT,
                ) as source:
                    if not source.response.is_success:
                        await source.response.aread()
                    _check(source, listening)
                    async for event in source.aiter_sse():
                        for update in listening.hear(event.event, event.data, event.id):
                            yield update
                        if not listening.goes_on():
                            return
                await asyncio.sleep(self._pause(listening, "the stream ended"))
            except (BadAnswer, NotFound, httpx.ReadTimeout):
                listening.cannot_stream()
            except (httpx.TransportError, Unavailable) as error:
                await asyncio.sleep(self._pause(listening, _why(error)))
        while listening.goes_on():
            for update in await self.send(listening.look()):
                yield update

    async def _exchange(self, request: Request[T]) -> T:
        method, url, headers = self._prepared(request)
        try:
            response = await self._http.request(
                method,
                url,
                params=request.params,
                content=request.body if request.file is None else _each(request.pieces()),
                headers=headers,
                timeout=TIMEOUT if request.file is None else UPLOAD_TIMEOUT,
            )
        except httpx.TransportError as error:
            raise Unreachable(self.url, _why(error)) from error
        return answers.read(request, response)


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _check(source: EventSource, listening: Listening[Heard]) -> None:
    response = source.response
    if not response.is_success:
        raise answers.problem(response)
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind != "text/event-stream":
        raise BadAnswer(str(response.url), f"{kind or 'nothing'} instead of a stream")
    listening.opened()


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or "the connection broke"
