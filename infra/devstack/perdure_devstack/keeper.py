"""Keeps one part of the system running."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from perdure_devstack.errors import CannotStart
from perdure_devstack.processes import Child, how_it_ended

WAITS: Final = (0.05, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each start in a row; the last one repeats."""

STEADY_SECONDS: Final = 5.0
"""A part that lived this long begins again at the shortest wait."""


class Part(Protocol):
    """A part of the running system that can be started and stopped any number of times."""

    @property
    def name(self) -> str:
        """What the person at the terminal knows it by."""
        ...

    async def start(self) -> Child:
        """Start it and wait until it is of use."""
        ...

    async def stop(self, child: Child) -> None:
        """Stop it, in good order if there is time."""
        ...


class Keeper:
    """One part and its present process; starts it again whenever it ends."""

    def __init__(self, part: Part, say: Callable[[str], None]) -> None:
        self.part = part
        self._say = say
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process that was running last."""
        return self._child.pid if self._child is not None else None

    @property
    def child(self) -> Child | None:
        """The process that was running last, with its exit code once it has ended."""
        return self._child

    async def start(self) -> None:
        """Start the part for the first time; failures are the caller's."""
        self._child = await self.part.start()

    async def keep(self) -> None:
        """Start the part again each time it ends, for ever; waits longer when it keeps ending."""
        tries = 0
        while (child := self._child) is not None:
            since = asyncio.get_running_loop().time()
            ended = how_it_ended(await child.ended())
            if asyncio.get_running_loop().time() - since > STEADY_SECONDS:
                tries = 0
            tries = await self._start_again(f"{self.part.name} ended ({ended})", tries)

    async def _start_again(self, what_happened: str, tries: int) -> int:
        while True:
            wait = WAITS[min(tries, len(WAITS) - 1)]
            tries += 1
            when = "starting it again" if wait < 1 else f"starting it again in {wait:.0f} s"
            self._say(f"{what_happened}: {when}.")
            await asyncio.sleep(wait)
            try:
                self._child = await self.part.start()
            except (CannotStart, OSError) as error:
                what_happened = f"{self.part.name} does not start ({str(error).rstrip('.')})"
            else:
                self._say(f"{self.part.name} runs again (process {self._child.pid}).")
                return tries

    async def stop(self) -> None:
        """Stop the part if it runs."""
        if self._child is not None:
            await self.part.stop(self._child)
