"""Which attempts are in our hands, and the spool that remembers them when this process is killed.

Whatever happens is done in a `round`: first one commit to the spool, then what follows from it, such
as words to the warden. A killed process has therefore never said what it does not remember.
"""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from perdure_contract.wire import Attempt, Ended, Finding, Report
from perdure_executor.carried import Carried
from perdure_executor.errors import SpoolBroken
from perdure_executor.segments import Chunk, delete_files
from perdure_executor.spool import MAX_WAITING_BYTES, Spool

REMEMBERED = 20_000
"""Attempts that are over and that a late grant does not start again."""


class Ledger:
    """The attempts of one executor."""

    def __init__(self, spool: Spool, taken: Callable[[str], None]) -> None:
        """Begin empty.

        Args:
            spool: what survives us.
            taken: tells the warden that the record of an attempt is safe here.
        """
        self.spool = spool
        self.carried: dict[str, Carried] = {}
        self.holding: dict[str, Attempt] = {}
        """Every attempt granted whose outcome is not confirmed."""
        self.over: OrderedDict[str, None] = OrderedDict()
        self.reported = asyncio.Event()
        """Set when the spool has something to deliver."""
        self.let_go = asyncio.Event()
        """Set when an attempt is carried no more."""
        self.call_api = asyncio.Event()
        """Set when the api should hear of us before the next beat is due."""
        self.lost_some = False
        """Whether attempts were lost here: only a new session tells the api."""
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taken = taken
        self._later: list[Callable[[], None]] = []

    @contextmanager
    def round(self) -> Iterator[None]:
        """Commit what is done inside, then do what was put off with `later`; may be nested.

        When any of it fails, this process ends: what it does and what it remembers are no longer the
        same, and its successor begins with what is remembered.
        """
        try:
            with self.spool.together():
                yield
            if not self.spool.busy:
                later, self._later = self._later, []
                for act in later:
                    act()
        except sqlite3.Error as error:
            broken = SpoolBroken(error)
            self._end_with(broken)
            raise broken from error
        except Exception as error:
            self._end_with(error)
            raise

    def _end_with(self, error: Exception) -> None:
        self._later.clear()
        if not self._broken.done():
            self._broken.set_exception(error)

    async def fails(self) -> None:
        """Wait until a round fails.

        Raises:
            SpoolBroken: the spool cannot be written.
            Exception: whatever else was raised in it.
        """
        await self._broken

    def later(self, act: Callable[[], None]) -> None:
        """Do something once this round is committed."""
        self._later.append(act)

    def take_up(self, carried: Carried) -> None:
        """Carry an attempt from now on."""
        self.carried[carried.key] = carried
        self.holding[carried.key] = carried.grant.attempt

    def knows(self, key: str) -> bool:
        """Tell whether an attempt was granted before."""
        return key in self.holding or key in self.over

    def report(self, carried: Carried, finding: Finding) -> None:
        """Put a report into the spool."""
        self.spool.add(carried.key, Report(attempt=carried.grant.attempt, finding=finding))
        self.later(self.reported.set)

    def report_chunk(self, carried: Carried, chunk: Chunk) -> None:
        """Put output into the spool, or the mark of a cut when the spool is full."""
        full = self.spool.waiting_bytes > MAX_WAITING_BYTES
        self.report(carried, chunk.cut_out() if full else chunk.report)

    def close(self, carried: Carried, ended: Ended) -> None:
        """Report the outcome and carry it no more; it is held until that is confirmed."""
        self.report(carried, ended)
        self._let_go(carried)

    def forget(self, carried: Carried) -> None:
        """Carry and hold it no more, and never report its end."""
        self.holding.pop(carried.key, None)
        self._let_go(carried)

    def lose(self, lost: Sequence[Carried]) -> None:
        """Their processes are gone and nobody knows what came of them: the next session says so."""
        if not lost:
            return
        self.spool.set_lost([*self.spool.lost(), *(carried.grant.attempt for carried in lost)])
        for carried in lost:
            self.forget(carried)
        self.lost_some = True
        self.call_api.set()

    def unlearn(self, carried: Carried) -> None:
        """Let go of one that never started, as if its grant had never come."""
        self.forget(carried)
        self.over.pop(carried.key, None)

    def settled(self, key: str) -> None:
        """Nothing is left to say about an attempt."""
        self.holding.pop(key, None)
        self._remember(key)

    def _let_go(self, carried: Carried) -> None:
        del self.carried[carried.key]
        self._remember(carried.key)
        self.spool.drop(carried.key)
        if carried.record is not None:
            self.later(lambda: self._taken(carried.key))
        if carried.has_files:
            self.later(lambda: delete_files(carried.path))
        self.let_go.set()

    def _remember(self, key: str) -> None:
        self.over[key] = None
        while len(self.over) > REMEMBERED:
            self.over.popitem(last=False)
