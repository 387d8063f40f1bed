"""Batches as commands meet them: a request gets its stored input, an order over items what it needs.

Decisions are pure, and what they need of a million items is looked up here, under the lock of the run.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
from msgspec.structs import replace

from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import FieldError, Rejection
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import Command, Resume, RetryItems
from perdure_api.errors import Rejected
from perdure_api.kinds.items import PackedInput, packed
from perdure_api.store import inputs, items
from perdure_api.store.batch import Batch
from perdure_contract.facts import RunItemsPlanned
from perdure_contract.specs import BatchSpec, InputRef, RunRequest, Spec
from perdure_runtime.clock import new_id

MAX_RANGES: Final = 2000
"""Of items in one order: they stand in an event."""
UNKNOWN_INPUT: Final = "This input is not there any more; send it again."


def stored(request: RunRequest) -> tuple[RunRequest, PackedInput | None]:
    """Take the items out of a request: it refers to them, and they are stored beside it."""
    spec = request.spec
    if not isinstance(spec, BatchSpec) or spec.items is None:
        return request, None
    made = packed(spec.items, new_id())
    return replace(request, spec=replace(spec, items=None, input=made.ref)), made


def plan(batch: Batch, by: Caller, run_id: str, made: PackedInput | None) -> None:
    """Let a new batch use its input, stored now or before, and tell how many items it has."""
    run = batch.run(run_id)
    spec = None if run is None else run.request.spec
    if run is None or not isinstance(spec, BatchSpec) or spec.input is None:
        return
    if made is None:
        inputs.use(batch, run_id, spec.input)
    else:
        inputs.store_whole(batch, run_id, run.tenant, made)
    planned = RunItemsPlanned(run=run_id, total=spec.input.total, sha256=spec.input.sha256)
    batch.append_run(run, (planned,), by)


class InputChecks:
    """Sees to it that specs refer to inputs that are there, and say the truth of them.

    Args:
        tenant: Whose.
        specs: Each with the place where it stands in what was sent.
    """

    def __init__(self, tenant: str, specs: Sequence[tuple[str, Spec]]) -> None:
        self._tenant = tenant
        self._asked = [
            (where, spec.input)
            for where, spec in specs
            if isinstance(spec, BatchSpec) and spec.input is not None
        ]
        self._known: dict[str, InputRef] = {}

    @property
    def needed(self) -> bool:
        """Whether one refers to an input at all."""
        return bool(self._asked)

    async def look_up(self, connection: asyncpg.Connection) -> None:
        """Read the inputs and keep them from being removed meanwhile."""
        asked = sorted({ref.input for _, ref in self._asked})
        self._known = await inputs.known(connection, self._tenant, asked) if asked else {}

    def refuse(self) -> None:
        """Raise `Rejected` when one is not there."""
        for where, ref in self._asked:
            if self._known.get(ref.input) != ref:
                fault = FieldError(f"{where}/input", "unknown-input", UNKNOWN_INPUT)
                rejection = Rejection(code="unknown-input", message=UNKNOWN_INPUT, errors=(fault,))
                raise Rejected(rejection)


class ItemOrder:
    """An order to a run; completed with what is known of its items, if it is about them.

    Args:
        command: What is asked for.
        ordinals: Of `RetryItems`: the items that were picked; all that failed when left out.
        at: Where the list of them stands in what was sent, for pointers.
    """

    def __init__(
        self, command: Command, ordinals: Sequence[int] | None = None, at: str = "/ordinals"
    ) -> None:
        self._command = command
        self._ordinals = ordinals
        self._at = at
        self._version = 0
        self._failed: frozenset[int] = frozenset()

    @property
    def needs_look_up(self) -> bool:
        """Whether it is about items of which more must be known."""
        command = self._command
        return isinstance(command, RetryItems) or (
            isinstance(command, Resume) and command.checkpoint is not None
        )

    async def look_up(self, connection: asyncpg.Connection, run: Run | None) -> None:
        """Read what is needed; the run's row is locked."""
        if run is None or run.items is None:
            return
        self._version = run.version
        command = self._command
        if isinstance(command, RetryItems) and self._ordinals is None:
            first = await items.first_failed(connection, run.id)
            self._command = replace(command, first_failed=first)
        elif isinstance(command, RetryItems) and self._ordinals is not None:
            self._failed = await items.failed_among(connection, run.id, self._ordinals)
        elif (
            isinstance(command, Resume)
            and command.checkpoint is not None
            and run.checkpoint is not None
            and 1 <= command.checkpoint < run.checkpoint.number
        ):
            left = await items.left_at(connection, run, command.checkpoint)
            self._command = replace(command, left=left)

    def command(self, run: Run) -> Command:
        """Give the whole command; raises `Rejected` when a picked item did not fail."""
        command = self._command
        if run.items is None or not self.needs_look_up:
            return command
        if run.version != self._version:
            message = "It changed at this very moment; ask again."
            raise Rejected(
                Rejection(code="version-conflict", message=message, current_version=run.version)
            )
        if isinstance(command, RetryItems) and self._ordinals is not None:
            command = replace(command, chosen=items.chosen_of(sorted(set(self._ordinals))))
        return command

    def refuse_items(self, command: Command) -> None:
        """Raise `Rejected` when what was picked cannot be done again; asked once the state allows it."""
        if not isinstance(command, RetryItems) or command.chosen is None:
            return
        faults = tuple(
            FieldError(f"{self._at}/{index}", "not-failed", f"Item {ordinal} has not failed.")
            for index, ordinal in enumerate(self._ordinals or ())
            if ordinal not in self._failed
        )[:100]
        if len(command.chosen.items) > MAX_RANGES:
            words = f"At most {MAX_RANGES} ranges of items; leave it out for all that failed."
            faults = (FieldError(self._at, "too-many", words),)
        if faults:
            raise Rejected(Rejection(code=faults[0].code, message=faults[0].message, errors=faults))
