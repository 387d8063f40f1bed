"""`perdure events`: read the event log."""

from collections.abc import Iterator
from typing import Final

import click
import msgspec

from perdure import EventView
from perdure_cli.talking import Talk, talking

EVENTS_A_PAGE: Final = 500


@click.group()
def events() -> None:
    """Read the event log."""


@events.command()
@click.option("--after", type=click.IntRange(0), help="Begin behind this position (default: now).")
@click.option("--type", "types", help="One or more full types, with commas.")
@click.option("--stream", help="Only this stream, like run-<id>.")
@click.option("--no-wait", is_flag=True, help="Print what is there, from the first, and end.")
@talking
def tail(
    talk: Talk, *, after: int | None, types: str | None, stream: str | None, no_wait: bool
) -> None:
    """Print events as they happen, until Ctrl-C; as JSON, each is one CloudEvent."""
    if no_wait:
        found = _there(talk, after=after or 0, types=types, stream=stream)
    else:
        begin = talk.client.last_position() if after is None else after
        found = talk.client.follow_events(after=begin, type=types, stream=stream)
    for event in found:
        if talk.out.as_json:
            talk.out.value(event)
        else:
            data = msgspec.json.encode(event.data).decode()
            talk.out.line(f"{event.position}  {event.time}  {event.subject}  {event.type}  {data}")


def _there(talk: Talk, *, after: int, types: str | None, stream: str | None) -> Iterator[EventView]:
    while True:
        page = talk.client.events(after=after, type=types, stream=stream, limit=EVENTS_A_PAGE)
        yield from page.items
        if page.next == after:
            return
        after = page.next
