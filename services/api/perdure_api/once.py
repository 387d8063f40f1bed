"""Commands that come with an Idempotency-Key: done once, their first answer kept and given again."""

from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg
import msgspec
from msgspec import Struct

from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import Rejection
from perdure_api.errors import Rejected
from perdure_api.store.batch import Batch, Statement
from perdure_api.store.work import Work

T = TypeVar("T")


class StoredAnswer(Struct, frozen=True, kw_only=True):
    """The first answer to a command that came with an Idempotency-Key, given again."""

    status: int
    body: bytes
    headers: dict[str, str]


class Idempotency(Struct, frozen=True, kw_only=True):
    """A command's key, the hash of its body, and how its answer will be written.

    The answer is stored in the transaction of the command; the key counts within a tenant.
    """

    key: str
    body_sha256: bytes
    render: Callable[[Any], StoredAnswer]


def once(by: Caller, work: Work[T], idempotency: Idempotency) -> Work[T | StoredAnswer]:
    """Make a work that is done once for its key, and whose first answer is kept and given again."""
    known: dict[str, tuple[bytes, StoredAnswer]] = {}

    async def prepare(connection: asyncpg.Connection, batch: Batch) -> None:
        known.clear()
        row = await connection.fetchrow(
            "SELECT body_sha256, status, body, headers FROM perdure.answers "
            "WHERE tenant = $1 AND key = $2",
            by.tenant,
            idempotency.key,
        )
        if row is not None:
            headers = msgspec.json.decode(row[3], type=dict[str, str])
            answer = StoredAnswer(status=row[1], body=row[2], headers=headers)
            known[idempotency.key] = (row[0], answer)
        if work.prepare is not None:
            await work.prepare(connection, batch)

    def perform(batch: Batch) -> Callable[[], T | StoredAnswer]:
        if idempotency.key in known:
            body_sha256, answer = known[idempotency.key]
            if body_sha256 != idempotency.body_sha256:
                raise Rejected(
                    Rejection(
                        code="idempotency-mismatch",
                        message="This Idempotency-Key was used with another body.",
                    )
                )
            return lambda: answer
        read = work.perform(batch)

        def keep() -> Statement:
            answer = idempotency.render(read())
            return Statement(
                "INSERT INTO perdure.answers (tenant, key, body_sha256, status, body, headers) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                (
                    by.tenant,
                    idempotency.key,
                    idempotency.body_sha256,
                    answer.status,
                    answer.body,
                    msgspec.json.encode(answer.headers),
                ),
            )

        batch.late.append(keep)
        return read

    return Work(
        perform=perform, runs=work.runs, streams=work.streams, prepare=prepare, weight=work.weight
    )
