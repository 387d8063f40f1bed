"""Where things are said on NATS: subjects, stream name, headers. The only place that spells them."""

from perdure_contract.identifiers import stream_key, stream_kind

EVENT_STREAM = "PERDURE_EVENTS"
EVENTS_ROOT = "perdure.events.v1"
ALL_EVENTS = "perdure.events.>"

HEADER_ID = "Nats-Msg-Id"
HEADER_CHAIN = "Perdure-Chain"
HEADER_SHA256 = "Perdure-Sha256"
HEADER_EXPECTED_SEQUENCE = "Nats-Expected-Last-Sequence"

RPC_GROUP = "api"
"""Queue group of the api replicas on the request subjects below."""

SESSION = "perdure.rpc.session"
HEARTBEAT = "perdure.rpc.heartbeat"
BLOB = "perdure.rpc.blob"
ITEMS = "perdure.rpc.items"
REPORT = "perdure.report"
WAKE = "perdure.wake"
"""A replica committed something; the others look now instead of at their next tick. May be lost."""


def event_subject(tenant: str, stream: str, event: str) -> str:
    """Give the subject of a published fact; `event` is its dotted name, like `run.requested`."""
    return f"{EVENTS_ROOT}.{tenant}.{stream_kind(stream)}.{stream_key(stream)}.{event.split('.', 1)[1]}"


def control(executor: str) -> str:
    """Give the subject on which an executor hears grants, cancels and confirmations."""
    return f"perdure.control.{executor}"


def progress(tenant: str, run: str) -> str:
    """Give the subject of a run's live progress (core NATS, at most 4 a second, may be lost)."""
    return f"perdure.progress.{tenant}.{run}"


def live_log(tenant: str, run: str) -> str:
    """Give the subject of a run's live log lines (core NATS, may be lost; the store has them all)."""
    return f"perdure.log.{tenant}.{run}"
