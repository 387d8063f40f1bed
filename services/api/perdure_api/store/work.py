"""What is asked of the writer: something to do in one transaction, and what came of it."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import asyncpg
from msgspec import Struct

from perdure_api.store.batch import Batch

T = TypeVar("T")


class Work(Struct, Generic[T], kw_only=True):
    """Something to be done in one transaction, all or nothing.

    `perform` is pure over the batch; it may raise `errors.Rejected`. It gives a function that reads
    the result once positions are known. `prepare` may read and lock more inside the transaction,
    before any work is performed; it must not write to the log.
    """

    perform: Callable[[Batch], Callable[[], T]]
    runs: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    prepare: Callable[[asyncpg.Connection, Batch], Awaitable[None]] | None = None
    weight: int = 1
    is_new: bool = False
    """Whether it only begins runs: then, without `prepare`, what was loaded a moment before will do."""
    looks: bool = True
    """Whether it may free a seat or bring a run that waits."""


class Done(Struct, Generic[T], frozen=True):
    """A work's result and the log's last position at its commit."""

    result: T
    position: int
