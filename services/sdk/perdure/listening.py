"""Listening to a stream of server-sent events, as decisions without I/O.

A stream is opened, read until it breaks, and opened again behind the last event heard. Where none
can be had (something between buffers or refuses it), one asks again and again instead.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from perdure.requests import Parameter, Steps

Update = TypeVar("Update")

MOST_BREAKS: Final = 15
"""Breaks in a row, without an event between them, that are borne: about a minute."""
LONGEST_PAUSE_SECONDS: Final = 5.0


class Listening(ABC, Generic[Update]):
    """What one listener has heard, and how it goes on."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ended = False
        self.streams = True
        """Whether the stream is worth a try; else `look` is the way."""
        self._last_event_id = ""
        self._breaks = 0
        self._opened = False

    @property
    def headers(self) -> dict[str, str]:
        """What makes the stream go on behind the last event heard."""
        wanted = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return wanted | ({"Last-Event-ID": self._last_event_id} if self._last_event_id else {})

    @property
    def params(self) -> dict[str, Parameter]:
        """What is asked of the stream."""
        return {}

    def goes_on(self) -> bool:
        """Tell whether there is more to hear."""
        return not self.ended

    def opened(self) -> None:
        """Remember that the server was there."""
        self._opened = True

    def hear(self, kind: str, data: str, event_id: str) -> Iterator[Update]:
        """Read one event.

        Raises:
            BadAnswer: when it is not what this API sends.
        """
        self._breaks = 0
        yield from self.read(kind, data)
        if event_id:
            self._last_event_id = event_id

    def broke(self) -> float | None:
        """Count a break: seconds to wait before the next try, or none when that makes no sense."""
        self._breaks += 1
        if not self._opened or self._breaks > MOST_BREAKS:
            return None
        return min(0.1 * 2.0**self._breaks, LONGEST_PAUSE_SECONDS)

    def cannot_stream(self) -> None:
        """Give the stream up for asking."""
        self.streams = False

    @abstractmethod
    def read(self, kind: str, data: str) -> Iterator[Update]:
        """Read the data of one event; kinds that this version does not know are passed over."""

    @abstractmethod
    def look(self) -> Steps[tuple[Update, ...]]:
        """Ask once for what is new; a look that sees nothing pauses after."""
