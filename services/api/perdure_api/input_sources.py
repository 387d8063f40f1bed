"""Where the items of a batch come from: a file within the roots, or what was uploaded before.

Either is stored as an input before the request is, in transactions of its own; the request then refers
to it and needs the source no more.
"""

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg
from msgspec.structs import replace

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused, invalid
from perdure_api.kinds.batch import field_faults
from perdure_api.kinds.input_lines import BadInputError, InputFormat, format_of, read_items
from perdure_api.store.inputs import Staged, known, stage
from perdure_contract.specs import BatchSpec, InputRef, RunRequest

LOOK_BYTES: Final = 4096
"""Of a file's beginning, to tell what it is."""


async def with_input(
    pool: asyncpg.Pool, tenant: str, roots: Sequence[str], request: RunRequest, at: str = ""
) -> RunRequest:
    """Give a request with its items stored, if it names a file or an upload; else as it is.

    Raises:
        Refused: when the source is not there, not allowed, or not as it must be.
    """
    spec = request.spec
    if not isinstance(spec, BatchSpec) or spec.input is not None:
        return request
    ref = await read_source(pool, tenant, roots, spec, f"{at}/spec")
    return request if ref is None else replace(request, spec=replace(spec, input=ref))


async def read_source(
    pool: asyncpg.Pool, tenant: str, roots: Sequence[str], spec: BatchSpec, at: str
) -> InputRef | None:
    """Give the stored items of the file or the upload that a batch names; none when it names neither.

    Raises:
        Refused: when the source is not there, not allowed, or not as it must be.
    """
    if spec.upload is not None:
        ref = await _uploaded(pool, tenant, spec.upload, f"{at}/upload")
    elif spec.file is not None:
        ref = await _read_file(pool, tenant, roots, spec.file, f"{at}/file")
    else:
        return None
    if faults := tuple(field_faults(spec, ref.fields, at)):
        raise invalid(faults)
    return ref


async def stage_file(
    pool: asyncpg.Pool, tenant: str, source: BinaryIO, kind: InputFormat, at: str
) -> Staged:
    """Store the items of an open file.

    Raises:
        Refused: at the first thing that is not as it must be, with its row and column.
    """
    try:
        return await stage(pool, tenant, read_items(source, kind))
    except BadInputError as error:
        fault = FieldError(at, "bad-input", str(error))
        more: dict[str, str | int] = {"row": error.row}
        if error.column is not None:
            more["column"] = error.column
        raise Refused("bad-input", str(error), errors=(fault,), more=more) from error


def start_of(source: BinaryIO) -> bytes:
    """Look at a file's beginning and go back there."""
    start = source.read(LOOK_BYTES)
    source.seek(0)
    return start


async def _uploaded(pool: asyncpg.Pool, tenant: str, upload: str, at: str) -> InputRef:
    ref = (await known(pool, tenant, [upload])).get(upload)
    if ref is None:
        words = "There is no such upload; one that is not used is kept for a day."
        raise invalid((FieldError(at, "unknown-upload", words),))
    return ref


async def _read_file(
    pool: asyncpg.Pool, tenant: str, roots: Sequence[str], name: str, at: str
) -> InputRef:
    source = await asyncio.to_thread(_open, roots, name, at)
    try:
        kind = format_of(name, start_of(source))
        return (await stage_file(pool, tenant, source, kind, at)).ref
    except OSError as error:
        words = f"It could not be read to its end: {error.strerror}."
        raise invalid((FieldError(at, "no-file", words),)) from error
    finally:
        source.close()


def _open(roots: Sequence[str], name: str, at: str) -> BinaryIO:
    """Open a regular file within the roots; links are followed first, so none leads out of them."""
    if not name.startswith("/"):
        words = "A file is given from the root, like /srv/data/orders.csv."
        raise invalid((FieldError(at, "not-absolute", words),))
    real = os.path.realpath(name)
    allowed = [os.path.realpath(root) for root in roots]
    if not any(Path(real).is_relative_to(root) for root in allowed):
        words = "This file lies outside of the directories that Perdure may read from."
        raise invalid((FieldError(at, "outside-roots", words),))
    try:
        # A pipe without a writer would keep us waiting.
        source = os.fdopen(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise invalid((FieldError(at, "no-file", f"{error.strerror}."),)) from error
    if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        source.close()
        raise invalid((FieldError(at, "no-file", "This is no file."),))
    return source
