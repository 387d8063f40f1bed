"""The names of things: ids, and the grammar of names that are addresses."""

import re
from typing import Annotated, NewType

import msgspec

RunId = NewType("RunId", str)
"""A UUIDv7 in its canonical 36-character text form; so ids sort by the time they were made."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$(?!\n)"

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, max_length=63)]
"""Names that are addresses: job, queue, executor, tenant, saved host."""

DEFAULT_TENANT = "default"
DEFAULT_QUEUE = "default"

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_-]")


def run_stream(run: str) -> str:
    """Give the stream of a run."""
    return f"run-{run}"


def queue_stream(name: str) -> str:
    """Give the stream of a queue."""
    return f"queue-{name}"


def executor_stream(name: str) -> str:
    """Give the stream of an executor."""
    return f"executor-{name}"


def token_stream(token_id: str) -> str:
    """Give the stream of an API token."""
    return f"token-{token_id}"


def bulk_stream(bulk_id: str) -> str:
    """Give the stream of a bulk operation."""
    return f"bulk-{bulk_id}"


def job_stream(name: str) -> str:
    """Give the stream of a saved job."""
    return f"job-{name}"


def schedule_stream(schedule_id: str) -> str:
    """Give the stream of a schedule."""
    return f"schedule-{schedule_id}"


def host_stream(name: str) -> str:
    """Give the stream of a saved host."""
    return f"host-{name}"


def jobs_file_stream(tenant: str) -> str:
    """Give the stream of a tenant's jobs file."""
    return f"jobsfile-{tenant}"


def stream_kind(stream: str) -> str:
    """Give the kind of a stream: the word before its first dash."""
    return stream.split("-", 1)[0]


def stream_key(stream: str) -> str:
    """Give the id or name of what a stream is about."""
    return stream.split("-", 1)[1]


def as_name(text: str) -> str:
    """Turn a host name into a name that is an address: lowered, other characters become `-`."""
    name = _NOT_IN_A_NAME.sub("-", text.lower()).lstrip("-_")
    return name[:63] or "executor"
