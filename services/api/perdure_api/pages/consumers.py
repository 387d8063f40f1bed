"""Programs that follow events, to be copied from a page and run as they are."""

from typing import Final

from perdure_api.pages.event_contexts import Consumer
from perdure_contract import subjects

NATS_CLI: Final = """\
# nats_url stands in endpoint.json of the data directory
export PERDURE_NATS_URL="$(jq -r .nats_url .perdure/endpoint.json)"
nats --server "$PERDURE_NATS_URL" sub --stream {stream} --start-sequence 1 '{subject}'
"""

PYTHON: Final = """\
# pip install nats-py; nats_url stands in endpoint.json of the data directory
import asyncio
import json
import os

import nats

AFTER = 0  # the position of the last event that you have


async def main():
    client = await nats.connect(os.environ["PERDURE_NATS_URL"])
    start = nats.js.api.ConsumerConfig(
        deliver_policy="by_start_sequence", opt_start_seq=AFTER + 1
    )
    events = await client.jetstream().subscribe(
        "{subject}", stream="{stream}", ordered_consumer=True, config=start
    )
    async for message in events.messages:
        event = json.loads(message.data)
        print(event["position"], event["type"], event["subject"], event["data"], flush=True)


asyncio.run(main())
"""

CURL: Final = """\
# a token: perdure token create --role viewer
curl -N -H "Authorization: Bearer $PERDURE_TOKEN" '{url}/api/events/stream?after=0{narrow}'
"""


def consumers(url: str, *, type_name: str | None = None) -> tuple[Consumer, ...]:
    """Give ways to follow all events, or those of one type, from the first on."""
    subject = subjects.ALL_EVENTS if type_name is None else subject_of(type_name)
    narrow = "" if type_name is None else f"&type={type_name}"
    stream = subjects.EVENT_STREAM
    return (
        Consumer(
            key="nats", label="NATS CLI", text=NATS_CLI.format(stream=stream, subject=subject)
        ),
        Consumer(key="python", label="Python", text=PYTHON.format(stream=stream, subject=subject)),
        Consumer(key="curl", label="curl", text=CURL.format(url=url, narrow=narrow)),
    )


def subject_of(type_name: str) -> str:
    """Give the subject that fits all events of a type: any tenant, any key."""
    _, kind, event, _ = type_name.split(".")
    return f"{subjects.EVENTS_ROOT}.*.{kind}.*.{event}"
