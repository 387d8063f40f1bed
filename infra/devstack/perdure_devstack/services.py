"""Api and executor as parts that are kept running."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure_devstack.address import Address
from perdure_devstack.endpoint import read_warden
from perdure_devstack.errors import CannotStart, ServerDied
from perdure_devstack.keeper import Keeper
from perdure_devstack.processes import Child, Command, end_all, ended_on_failure, find
from perdure_devstack.program import Program, why
from perdure_devstack.servers import Urls
from perdure_devstack.terminal import say

ANSWER_SECONDS: Final = 60.0
WARDEN_SECONDS: Final = 10.0
ASK_AGAIN_SECONDS: Final = 0.03


class Api:
    """The api; started when it answers."""

    name = "api"

    def __init__(self, command: Command, warmed: Command | None, address: Address) -> None:
        self._command = command
        self._warmed = warmed
        self._address = address
        self._waiting: tuple[Child, int] | None = None

    async def warm_up(self) -> None:
        """Let the first process import what it needs, and wait for `start`."""
        if self._warmed is not None:
            self._waiting = await Child.start_waiting(self._warmed)

    def cool_down(self) -> None:
        """Let a process that still waits end."""
        if self._waiting is not None:
            os.close(self._waiting[1])
            self._waiting = None

    async def start(self) -> Child:
        """Start the api and wait until it answers.

        Raises:
            ServerDied: when it ends instead.
            CannotStart: when it never answers.
        """
        child = self._let_go() or await Child.start(self._command)
        async with ended_on_failure(child):
            deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
            while not await self._address.is_alive():
                if child.code is not None:
                    raise ServerDied(why(child))
                if asyncio.get_running_loop().time() > deadline:
                    message = f"The api gives no answer: see {child.command.log}."
                    raise CannotStart(message)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        return child

    def _let_go(self) -> Child | None:
        if self._waiting is None:
            return None
        child, pipe = self._waiting
        with suppress(BrokenPipeError):
            os.write(pipe, b"\n")
        self.cool_down()
        return child

    async def stop(self, child: Child) -> None:
        """Stop the api; answers under way are finished."""
        await child.stop((signal.SIGTERM, 1.2))


class Executor:
    """The executor's agent; started when its process is, the warden is its own affair."""

    name = "executor"

    def __init__(self, command: Command, warden_note: Path) -> None:
        self._command = command
        self._warden_note = warden_note

    @property
    def warden(self) -> int | None:
        """The process id of the living warden."""
        return read_warden(self._warden_note)

    async def start(self) -> Child:
        """Start the agent."""
        return await Child.start(self._command)

    async def stop(self, child: Child) -> None:
        """Stop the agent, which ends and releases its runs; then a warden that stayed."""
        warden = self.warden
        await child.stop((signal.SIGTERM, 4.2))
        if warden is not None:
            await end_all(find(lambda process: process.pid == warden), signal.SIGTERM, 0.3)


class Services:
    """Api and executor of one data directory."""

    def __init__(self, program: Program, urls: Urls, address: Address) -> None:
        settings = program.settings
        self._address = address
        self._executor = Executor(
            program.command(
                "executor",
                PERDURE_NATS_URL=urls.nats_executor,
                PERDURE_EXECUTOR_NAME=settings.executor_name,
            ),
            program.directories.root / f"executor-{settings.executor_name}" / "warden.json",
        )
        api = program.command(
            "api",
            PERDURE_DATABASE_URL=urls.application,
            PERDURE_NATS_URL=urls.nats_api,
            PERDURE_HOST=address.host,
            PERDURE_PORT=str(address.port),
        )
        self._api = Api(api, program.warmed(api, "perdure_api.bootstrap"), address)
        self.api = Keeper(self._api, say)
        self.executor = Keeper(self._executor, say)

    @property
    def warden(self) -> int | None:
        """The process id of the executor's living warden."""
        return self._executor.warden

    async def warm_up(self) -> None:
        """Begin what can be done before the servers are there."""
        await self._api.warm_up()

    async def start(self) -> None:
        """Start both and wait until requests are taken and the executor has its warden.

        Raises:
            CannotStart: when one of them ends; the text is its last line.
        """
        outcomes = await asyncio.gather(
            self.api.start(), self.executor.start(), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_SECONDS
        while not await self._address.is_ready():
            self._see_that_none_ended()
            if loop.time() > deadline:
                message = f"The api does not become ready: ask {self._address.url}/readyz why."
                raise CannotStart(message)
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        deadline = loop.time() + WARDEN_SECONDS
        while self.warden is None and loop.time() < deadline:
            self._see_that_none_ended()
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def stop(self) -> None:
        """Stop the executor, which gives its runs back through the api, then the api."""
        self._api.cool_down()
        await self.executor.stop()
        await self.api.stop()

    def _see_that_none_ended(self) -> None:
        for keeper in (self.api, self.executor):
            if keeper.child is not None and keeper.child.code is not None:
                raise ServerDied(why(keeper.child))
