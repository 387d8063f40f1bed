"""What someone asks to be run → the whole request, or every fault of it.

One validator for all doors: the API, forms, the command line and the jobs file bring the same object
of JSON values and meet the same words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_api.fields import LABEL_KEY, LABEL_VALUE, MAX_FAULTS, pointer, read
from perdure_api.kinds import kind
from perdure_contract.identifiers import DEFAULT_QUEUE, Name
from perdure_contract.retries import retry_of
from perdure_contract.specs import Dependency, Limits, Retry, RunRequest, Spec

MAX_RUNS: Final = 10_000
"""Runs in one bulk request."""
MAX_NAME: Final = 200

RunName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
LabelKey = Annotated[str, Meta(pattern=LABEL_KEY)]
LabelValue = Annotated[str, Meta(pattern=LABEL_VALUE)]


class Draft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run as it is asked for; what is left out gets the default of the contract."""

    spec: Spec
    name: RunName | None = None
    """Left out: the first words of what is run."""
    job: str | None = None
    params: dict[str, str | int | float | bool | None] = {}
    queue: Name = DEFAULT_QUEUE
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    tags: Annotated[tuple[Tag, ...], Meta(max_length=32)] = ()
    labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=32)] = {}
    """What the executor must have."""
    run_at: Annotated[datetime, Meta(tz=True)] | None = None
    after: tuple[Dependency, ...] = ()
    unique_key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    retry: Retry | None = None
    limits: Limits | None = None


class Drafts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many runs, requested all or none."""

    runs: Annotated[tuple[Draft, ...], Meta(min_length=1, max_length=MAX_RUNS)]


def read_run(value: object, *, at: str = "", clean: bool = False) -> RunRequest:
    """Make a request of an object of JSON values.

    Args:
        value: What came in.
        at: Where it stood, as a JSON pointer.
        clean: That no text of it can hold a NUL or half a surrogate pair, so none is looked for.

    Raises:
        Refused: with every fault found and its JSON pointer.
    """
    if not clean:
        refuse_bad_text(value)
    draft = read(value, Draft, at=at)
    return _resolved([draft], (at,))[0]


def read_runs(value: object, *, clean: bool = False) -> list[RunRequest]:
    """Make the requests of a bulk body; pointers are like `/runs/17/spec/argv`."""
    if not clean:
        refuse_bad_text(value)
    drafts = read(value, Drafts).runs
    places = [f"/runs/{index}" for index in range(len(drafts))]
    return _resolved(drafts, places)


def refuse_bad_text(value: object) -> None:
    """Refuse texts that cannot be stored: NUL, and halves of surrogate pairs."""
    faults = tuple(_bad_texts(value, ""))
    if faults:
        raise invalid(faults[:MAX_FAULTS])


def _resolved(drafts: Iterable[Draft], places: Iterable[str]) -> list[RunRequest]:
    faults: list[FieldError] = []
    requests = []
    for draft, at in zip(drafts, places, strict=True):
        faults.extend(_faults(draft, at))
        if len(faults) >= MAX_FAULTS:
            break
        requests.append(_request(draft) if not faults else None)
    if faults:
        raise invalid(tuple(faults[:MAX_FAULTS]))
    return [request for request in requests if request is not None]


def _request(draft: Draft) -> RunRequest:
    name = default_name(draft.spec) if draft.name is None else _nfc(draft.name)
    return RunRequest(
        name=name,
        spec=draft.spec,
        queue=draft.queue,
        priority=draft.priority,
        tags=tuple(dict.fromkeys(map(_nfc, draft.tags))),
        labels=draft.labels,
        run_at=None if draft.run_at is None else draft.run_at.astimezone(UTC),
        unique_key=draft.unique_key,
        retry=retry_of(draft.spec, draft.retry),
        limits=draft.limits or _DEFAULT_LIMITS,
    )


_DEFAULT_LIMITS: Final = Limits()


def read_rerun(
    original: RunRequest, changes: object, run_id: str, *, clean: bool = False
) -> RunRequest:
    """Make the request of a rerun: the old one now, with the fields that are given anew."""
    if not isinstance(changes, dict):
        return read_run(changes, clean=clean)
    old = to_builtins(original)
    kept = {name: old[name] for name in Draft.__struct_fields__ if name not in NOT_RERUN}
    request = replace(read_run({**kept, **changes}, clean=clean), rerun_of=run_id)
    if "spec" in changes:
        return request
    return replace(
        request,
        job=original.job,
        job_revision=original.job_revision,
        params=original.params,
        trusted_func=original.trusted_func,
    )


def default_name(spec: Spec) -> str:
    """Name a run after what it does: program and arguments, function, first words of its script."""
    words = kind.words_of(spec)
    plain = " ".join("".join(c if c.isprintable() else " " for c in words[: 2 * MAX_NAME]).split())
    return _nfc(plain)[:MAX_NAME].rstrip() or "command"


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _faults(draft: Draft, at: str) -> Iterator[FieldError]:
    """Find what types cannot say."""
    yield from kind.faults(draft.spec, f"{at}/spec")
    if draft.name is not None and not _is_plain(draft.name):
        yield FieldError(
            f"{at}/name", "bad-text", "A name has no control characters and is not blank."
        )
    for index, tag in enumerate(draft.tags):
        if "," in tag or not _is_plain(tag):
            yield FieldError(
                f"{at}/tags/{index}", "bad-text", "A tag has no commas and no control characters."
            )
    if draft.unique_key is not None and not _is_plain(draft.unique_key):
        yield FieldError(
            f"{at}/unique_key", "bad-text", "A key has no control characters and is not blank."
        )
    if draft.job is not None:
        yield FieldError(f"{at}/job", "unknown-job", "There is no job of this name.")
    elif draft.params:
        yield FieldError(f"{at}/params", "not-available", "Only runs of a job take parameters.")
    if draft.after:
        yield FieldError(
            f"{at}/after", "not-available", "Waiting for other runs is not available yet."
        )


NOT_RERUN: Final = frozenset({"run_at", "unique_key", "rerun_of", "after", "job", "params"})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _is_plain(text: str) -> bool:
    return text.isprintable() and not text.isspace()


def _bad_texts(value: object, at: str) -> Iterator[FieldError]:
    if isinstance(value, str):
        if "\0" in value or _SURROGATE.search(value) is not None:
            yield FieldError(at, "bad-text", "Contains a character that cannot be stored.")
    elif isinstance(value, dict):
        for key, item in value.items():
            place = pointer(at, key)
            if "\0" in str(key) or _SURROGATE.search(str(key)) is not None:
                yield FieldError(
                    at, "bad-text", "A key contains a character that cannot be stored."
                )
            else:
                yield from _bad_texts(item, place)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _bad_texts(item, f"{at}/{index}")
