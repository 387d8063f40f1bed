"""Following a run: what was seen so far, and how to go on after a break. No I/O.

The stream of a run (server-sent events) is read first; after each break it goes on behind the last
event seen. Where no stream can be had, the run and its log are asked for again and again instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from perdure import runs
from perdure.errors import BadAnswer
from perdure.requests import Page, Pause, Steps
from perdure_contract.objects import FINAL_STATES, LogEntry, ProgressView, RunView

BREAKS_BEFORE_ASKING: Final = 5
"""After so many breaks without an event between them, the stream is given up for asking."""
LONGEST_PAUSE_SECONDS: Final = 5.0
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

_run = msgspec.json.Decoder(RunView)
_progress = msgspec.json.Decoder(ProgressSeen)
_lines = msgspec.json.Decoder(LinesSeen)


@dataclass(slots=True)
class Following:
    """What one follower of a run has seen."""

    run: str
    last_event_id: str = ""
    ended: bool = False
    breaks: int = 0
    _version: int = 0
    _progress: ProgressView | None = None
    _attempt: int = 0
    _line: int = 0
    _held: list[Update] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the stream is."""
        return f"/api/runs/{self.run}/stream"

    @property
    def headers(self) -> dict[str, str]:
        """What makes the stream go on behind the last event seen."""
        wanted = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return wanted | ({"Last-Event-ID": self.last_event_id} if self.last_event_id else {})

    @property
    def streams(self) -> bool:
        """Whether the stream is still worth a try."""
        return self.breaks < BREAKS_BEFORE_ASKING

    def broke(self) -> float:
        """Count a break of the stream; gives the seconds to wait before the next try."""
        self.breaks += 1
        return min(0.1 * 2.0**self.breaks, LONGEST_PAUSE_SECONDS)

    def cannot_stream(self) -> None:
        """Give the stream up: what answers there is not one."""
        self.breaks = BREAKS_BEFORE_ASKING

    def read(self, kind: str, data: str, event_id: str) -> Iterator[Update]:
        """Read one event of the stream; kinds that this version does not know are passed over.

        Raises:
            BadAnswer: when the event is not what this API sends.
        """
        self.breaks = 0
        try:
            match kind:
                case "state":
                    yield from self._state(_run.decode(data))
                case "progress":
                    yield _progress.decode(data)
                case "log":
                    yield from self._new_lines(_lines.decode(data))
                case "end":
                    self.ended = True
        except msgspec.DecodeError as error:
            raise BadAnswer(self.path, str(error)) from error
        if event_id:
            self.last_event_id = event_id

    def look(self) -> Steps[tuple[Update, ...]]:
        """Ask for the run and what is new in its log; a look that sees nothing new pauses after."""
        seen: RunView = yield runs.get_run(self.run)
        updates: list[Update] = []
        if seen.progress is not None and seen.progress != self._progress:
            self._progress = seen.progress
            updates.append(ProgressSeen(progress=seen.progress, attempt=seen.attempt))
        while seen.attempt:
            after = self._line if seen.attempt == self._attempt else 0
            page: Page[LogEntry] = yield runs.log(
                self.run, attempt=seen.attempt, after=after, limit=LINES_A_LOOK
            )
            if not page.items:
                break
            updates.extend(self._new_lines(LinesSeen(lines=page.items, attempt=seen.attempt)))
        # The state is told last: a final one only after all of its log.
        updates.extend(self._state(seen))
        self.ended = seen.state in FINAL_STATES
        if not updates:
            yield Pause(1.0)
        return tuple(updates)

    def _state(self, run: RunView) -> Iterator[Update]:
        if run.version >= self._version:
            changed = run.version > self._version
            self._version = run.version
            if changed:
                yield StateSeen(run=run)

    def _new_lines(self, seen: LinesSeen) -> Iterator[Update]:
        if seen.attempt != self._attempt:
            self._attempt, self._line = seen.attempt, 0
        fresh = tuple(entry for entry in seen.lines if entry.line > self._line)
        if fresh:
            self._line = fresh[-1].line
            yield LinesSeen(lines=fresh, attempt=seen.attempt)
