"""How requests become runs: what an event may not hold is put aside, what must hold is looked up."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.backups import NOTE_DRY_RUN, BackupChecks, backups_of
from perdure_api.batches import InputChecks, plan, stored
from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import FieldError, Rejection
from perdure_api.errors import Rejected
from perdure_api.kinds import kind
from perdure_api.store.batch import Batch, FactTooLargeError
from perdure_contract.facts import RunRequested
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BlobRef, RunRequest
from perdure_runtime.clock import new_id


class RequestWork(Struct, frozen=True):
    """Requests as one work of the writer; their ids are known before."""

    run_ids: list[str]
    perform: Callable[[Batch], None]
    prepare: Callable[[asyncpg.Connection, Batch], Any] | None


def request_work(
    by: Caller, requests: Sequence[RunRequest], at: str, backup_roots: Sequence[str]
) -> RequestWork:
    """Prepare requests: ids, content moved to blobs, what is to be looked up; pointers begin with `at`."""
    run_ids = [new_id() for _ in requests]
    split = [_split(request) for request in requests]
    keys = sorted({request.unique_key for request in requests if request.unique_key is not None})

    places = [f"{at}/{index}" if at else "" for index in range(len(requests))]
    backups = [
        backup
        for where, request in zip(places, requests, strict=True)
        for backup in backups_of(f"{where}/spec", request.spec, proven=request.job is not None)
    ]
    specs = [(f"{where}/spec", r.spec) for where, r in zip(places, requests, strict=True)]
    inputs = InputChecks(by.tenant, specs)
    checks = BackupChecks(by.tenant, backup_roots, backups) if backups else None

    async def look_up(connection: asyncpg.Connection, batch: Batch) -> None:
        await inputs.look_up(connection)
        if checks is not None:
            await checks.look_up(connection)
        if not keys:
            return
        rows = await connection.fetch(
            "SELECT unique_key, run_id::text FROM perdure.runs "
            "WHERE tenant = $1 AND unique_key = ANY($2::text[])",
            by.tenant,
            keys,
        )
        for key, run_id in rows:
            batch.unique_keys.setdefault((by.tenant, key), run_id)

    def perform(batch: Batch) -> None:
        inputs.refuse()
        if checks is not None:
            checks.refuse()
        for where, run_id, (request, blobs) in zip(places, run_ids, split, strict=True):
            if request.unique_key is not None:
                _check_unique(batch, by, request.unique_key, where)
            _begin(batch, by, run_id, (request, blobs), where)
            if checks is not None and isinstance(request.spec, RsyncSpec) and request.spec.dry_run:
                of = checks.fingerprint(request.spec)
                batch.execute(NOTE_DRY_RUN, by.tenant, of, run_id)

    return RequestWork(
        run_ids, perform, look_up if keys or checks is not None or inputs.needed else None
    )


def begin_request(batch: Batch, by: Caller, run_id: str, request: RunRequest) -> None:
    """Begin one run within a work; its unique key, if any, is not looked at."""
    _begin(batch, by, run_id, _split(request))


_Split = tuple[RunRequest, list[tuple[bytes, bytes]]]


def _begin(batch: Batch, by: Caller, run_id: str, split: _Split, where: str = "") -> None:
    request, blobs = split
    request, made = stored(request)
    fact = RunRequested(
        run=run_id,
        **{name: getattr(request, name) for name in RunRequest.__struct_fields__},
    )
    try:
        batch.begin_run(fact, by)
    except FactTooLargeError as error:
        raise Rejected(_too_large(where)) from error
    for sha256, data in blobs:
        batch.add_blob(run_id, sha256, data)
    plan(batch, by, run_id, made)


def _check_unique(batch: Batch, by: Caller, key: str, where: str) -> None:
    holder = batch.holder(by.tenant, key)
    if holder is not None:
        raise Rejected(
            Rejection(
                code="already-running",
                message="A run with this unique key has not ended yet.",
                run=holder,
                errors=(
                    FieldError(f"{where}/unique_key", "already-running", "This key is taken."),
                ),
            )
        )


def _too_large(where: str) -> Rejection:
    words = "The request is larger than 64 KiB without its script and input."
    return Rejection(
        code="validation", message=words, errors=(FieldError(f"{where}/spec", "too-long", words),)
    )


def _split(request: RunRequest) -> _Split:
    """Replace script and stdin by references: they may have to be deleted, an event never is."""
    blobs: list[tuple[bytes, bytes]] = []

    def reference(text: str | BlobRef) -> BlobRef:
        if isinstance(text, BlobRef):
            return text
        data = text.encode()
        digest = hashlib.sha256(data)
        blobs.append((digest.digest(), data))
        return BlobRef(sha256=digest.hexdigest(), bytes=len(data))

    texts = {name: reference(text) for name, text in kind.texts_of(request.spec).items()}
    if not blobs:
        return request, blobs
    return replace(request, spec=kind.with_texts(request.spec, texts)), blobs
