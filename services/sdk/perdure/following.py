"""Following a run: its states, progress and output, each line once. No I/O."""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure import runs
from perdure.errors import BadAnswer
from perdure.listening import Listening
from perdure.requests import Page, Pause, Steps
from perdure_contract.objects import FINAL_STATES, LogEntry, ProgressView, RunView

LINES_A_LOOK: Final = 500


class StateSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The run as it is now; the last one is final."""

    run: RunView


class ProgressSeen(msgspec.Struct, frozen=True, kw_only=True):
    """How far the run says it is."""

    progress: ProgressView
    attempt: int = 0


class LinesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of output, in order, each once."""

    lines: tuple[LogEntry, ...]
    attempt: int = 0


Update = StateSeen | ProgressSeen | LinesSeen


class Following(Listening[Update]):
    """What one follower of a run has seen."""

    def __init__(self, run: str) -> None:
        super().__init__(f"/api/runs/{run}/stream")
        self._run = run
        self._version = 0
        self._progress: ProgressView | None = None
        self._attempt = 0
        self._line = 0

    def read(self, kind: str, data: str) -> Iterator[Update]:
        """Read an event of the run's stream."""
        try:
            match kind:
                case "state":
                    yield from self._state(msgspec.json.decode(data, type=RunView))
                case "progress":
                    yield msgspec.json.decode(data, type=ProgressSeen)
                case "log":
                    yield from self._fresh(msgspec.json.decode(data, type=LinesSeen))
                case "end":
                    self.ended = True
                case _:
                    pass
        except msgspec.DecodeError as error:
            raise BadAnswer(self.path, str(error)) from error

    def look(self) -> Steps[tuple[Update, ...]]:
        """Ask for the run and what is new in its log."""
        seen: RunView = yield runs.get_run(self._run)
        updates: list[Update] = []
        if seen.progress is not None and seen.progress != self._progress:
            self._progress = seen.progress
            updates.append(ProgressSeen(progress=seen.progress, attempt=seen.attempt))
        # Attempts that came and went between two looks have output too.
        for attempt in range(max(self._attempt, 1), seen.attempt + 1):
            updates.extend((yield from self._rest_of_log(attempt)))
        # The state is told last: a final one only after all of its log.
        updates.extend(self._state(seen))
        self.ended = seen.state in FINAL_STATES
        if not updates:
            yield Pause(1.0)
        return tuple(updates)

    def _rest_of_log(self, attempt: int) -> Steps[list[Update]]:
        updates: list[Update] = []
        while True:
            after = self._line if attempt == self._attempt else 0
            page: Page[LogEntry] = yield runs.log(
                self._run, attempt=attempt, after=after, limit=LINES_A_LOOK
            )
            if not page.items:
                return updates
            updates.extend(self._fresh(LinesSeen(lines=page.items, attempt=attempt)))

    def _state(self, run: RunView) -> Iterator[Update]:
        if run.version > self._version:
            self._version = run.version
            yield StateSeen(run=run)

    def _fresh(self, seen: LinesSeen) -> Iterator[Update]:
        if seen.attempt != self._attempt:
            self._attempt, self._line = seen.attempt, 0
        fresh = tuple(entry for entry in seen.lines if entry.line > self._line)
        if fresh:
            self._line = fresh[-1].line
            yield LinesSeen(lines=fresh, attempt=seen.attempt)
