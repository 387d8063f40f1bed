"""What several facts are made of."""

from typing import Annotated

from msgspec import Meta, Struct

from perdure_contract.specs import FailureReason


class Failure(Struct, frozen=True, kw_only=True):
    """Why an attempt or a run failed, in one word and in a sentence."""

    reason: FailureReason
    message: str
    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the program, like `SIGSEGV`."""


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a program says it is."""

    done: float | None = None
    total: float | None = None
    unit: Annotated[str, Meta(max_length=32)] | None = None
    message: Annotated[str, Meta(max_length=500)] | None = None
    figures: dict[str, float] = {}
    """More that is known by number, like bytes a second."""


class Usage(Struct, frozen=True, kw_only=True):
    """What an attempt left behind and used up."""

    lines: int = 0
    bytes: int = 0
    log_sha256: str | None = None
    """SHA-256 over the kept log text, lines joined with newlines."""
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
