"""From a grant to a started program: fetch the inputs, wait for a slot, make the order."""

import asyncio
from collections import deque
from collections.abc import Sequence

from perdure_contract.facts import Failure, Usage
from perdure_contract.specs import PythonSpec, RunRequest
from perdure_contract.wire import Ended
from perdure_executor.carried import Carried
from perdure_executor.custody import Custody
from perdure_executor.errors import Rejected
from perdure_executor.inputs import Inputs
from perdure_executor.ledger import Ledger
from perdure_executor.pace import Pace
from perdure_executor.runners.kinds import runner_of
from perdure_executor.runners.runner import Fetch
from perdure_executor.settings import Settings
from perdure_executor.slots import Slots
from perdure_executor.warden.lease import Lease, boottime
from perdure_executor.warden.order import Order
from perdure_runtime import logs

log = logs.get(__name__)

SHORTEST_TIMEOUT_SECONDS = 1.0
"""Of calls that share a trip, where nobody looks at the clock for some milliseconds."""
PATIENCE_SECONDS = 1.0
"""An attempt that found no slot for so long is given back: elsewhere it may start sooner."""
EARLY_SECONDS = 0.001
"""A timer of uvloop counts whole milliseconds, and may come so much before its time."""


class Starter:
    """Starts attempts in the order of their grants, never more at once than there are slots."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        lease: Lease,
        fetch: Fetch,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Prepare.

        Args:
            settings: slots, programs and what children inherit.
            ledger: where attempts are kept.
            lease: until when anything may run.
            fetch: asks the api for inputs.
            tasks: where fetching goes on.
        """
        self.slots = Slots(settings.slots)
        """Occupied by what is started, until its processes are known to be gone."""
        self.custody: Custody | None = None
        """The warden to start with; none while there is none."""
        self.ahead = 0
        """How many attempts more than slots the api should give us."""
        self._pace = Pace()
        self._looking: asyncio.TimerHandle | None = None
        self._settings = settings
        self._ledger = ledger
        self._lease = lease
        self._inputs = Inputs(ledger, fetch)
        self._tasks = tasks
        self._queue: deque[Carried] = deque()

    def prepare(self, carried: Carried) -> None:
        """Put an attempt into the queue, once its inputs are there; then see `fill`."""
        if runner_of(carried.grant).needs(carried.grant):
            self._tasks.create_task(self._fetch_inputs(carried))
        else:
            self._queue.append(carried)

    def fill(self) -> None:
        """Start what waits, as far as there are slots and the lease holds."""
        if not self._queue or self.custody is None or boottime() >= self._lease.until:
            return
        if self.slots.free:
            with self._ledger.round():
                while self._queue and self.slots.free:
                    self._start(self._next_trip(), self.custody)
        if self._queue and self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(PATIENCE_SECONDS, self._give_back)

    def ended(self, key: str, seconds: float) -> None:
        """A slot is free again; see `fill`."""
        self.slots.leave(key)
        self._pace.took(seconds)
        self._ask_ahead()

    def given_back(self, back: Sequence[Carried]) -> None:
        """They were not begun, so they wait for slots again, before all others; see `fill`."""
        ready: deque[Carried] = deque()
        for carried in back:
            carried.started = False
            if carried.kept:
                self._ledger.spool.mark_started(carried.key, started=False)
            if runner_of(carried.grant).needs(carried.grant):
                self.prepare(carried)
            else:
                ready.appendleft(carried)
        self._queue.extendleft(ready)

    def _give_back(self) -> None:
        """Return what has waited for a slot in vain."""
        self._looking = None
        before = boottime() - PATIENCE_SECONDS + EARLY_SECONDS
        with self._ledger.round():
            while self._queue and self._queue[0].granted_at <= before:
                carried = self._queue.popleft()
                if self._ledger.carried.get(carried.key) is carried:
                    self._ledger.close(carried, Ended(outcome="released", usage=Usage()))
                    self._pace.waited_in_vain()
        self._ask_ahead()
        self.fill()

    def _ask_ahead(self) -> None:
        """Say it at once when it matters: the next beat may be far."""
        wanted = self._pace.ahead(self._settings.slots)
        if wanted != self.ahead and (
            not wanted or not self.ahead or abs(wanted - self.ahead) > self.ahead
        ):
            self.ahead = wanted
            self._ledger.call_api.set()

    async def _fetch_inputs(self, carried: Carried) -> None:
        failure = await self._inputs.bring(carried)
        if not self._inputs.wanted(carried):
            return
        if failure is not None:
            self._refuse(carried, failure)
            return
        self._queue.append(carried)
        self.fill()

    def _next_trip(self) -> list[tuple[Carried, Order]]:
        """Take from the queue what starts in the next slot: one attempt, or calls that are short."""
        most = self._pace.trip(len(self._queue), self.slots.free)
        trip: list[tuple[Carried, Order]] = []
        while self._queue and len(trip) < most:
            carried = self._queue[0]
            in_company = may_share_a_trip(carried.grant.request)
            if trip and not in_company:
                break
            self._queue.popleft()
            if self._ledger.carried.get(carried.key) is not carried:
                continue
            order = self._order(carried)
            if order is not None:
                trip.append((carried, order))
            if not in_company:
                break
        return trip

    def _order(self, carried: Carried) -> Order | None:
        """Make the order; none when it cannot be made and the attempt has failed."""
        if (why := carried.grant.refused) is not None:
            self._refuse(carried, Failure(reason="rejected", message=why))
            return None
        try:
            return runner_of(carried.grant).order(
                carried.grant, carried.path, carried.inputs, self._settings
            )
        except Rejected as error:
            self._refuse(carried, Failure(reason="rejected", message=str(error)))
        except OSError as error:
            words = f"The executor could not prepare it: {error.strerror or error}."
            self._refuse(carried, Failure(reason="error", message=words))
        except Exception as error:  # whatever it is, it is this run's: the others go on
            log.exception("an order cannot be made", run=carried.grant.attempt.run)
            words = f"The executor could not prepare it: {type(error).__name__}, see its log."
            self._refuse(carried, Failure(reason="error", message=words))
        return None

    def _start(self, trip: list[tuple[Carried, Order]], custody: Custody) -> None:
        if not trip:
            return
        for carried, _ in trip:
            carried.started = True
            carried.inputs.clear()
            if carried.kept:
                self._ledger.spool.mark_started(carried.key)
        orders = [(carried.key, order) for carried, order in trip]
        self.slots.take(key for key, _ in orders)
        key, order = orders[0]
        if order.call is None:
            self._ledger.later(lambda: custody.start(key, order))
        else:
            self._ledger.later(lambda: custody.call(orders))

    def _refuse(self, carried: Carried, failure: Failure) -> None:
        with self._ledger.round():
            self._ledger.close(carried, Ended(outcome="failed", usage=Usage(), failure=failure))


def may_share_a_trip(request: RunRequest) -> bool:
    """Tell whether it is a call that nobody must look after from its first moment."""
    limits = request.limits
    return (
        isinstance(request.spec, PythonSpec)
        and limits.memory_bytes is None
        and (limits.timeout_seconds or SHORTEST_TIMEOUT_SECONDS) >= SHORTEST_TIMEOUT_SECONDS
    )
