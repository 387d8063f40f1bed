"""The one place that tells kinds of runs apart: everything else asks here."""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from msgspec import to_builtins
from msgspec.structs import replace

from perdure_api.domain.rejections import FieldError
from perdure_api.kinds import batch, command, python, rsync
from perdure_contract.rsync.command import argv
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BatchSpec, BlobRef, CommandSpec, PythonSpec, Spec

HIDDEN = "•••"


def tag_of(spec: Spec) -> str:
    """Give the name of its kind, as specs have it."""
    return str(spec.__struct_config__.tag)


def programs_of(spec: Spec) -> tuple[str, ...]:
    """Name what an executor must have installed for it, beside what the spec itself names."""
    return ("rsync",) if isinstance(spec, RsyncSpec) else ()


def words_of(spec: Spec) -> str:
    """Give the words that name a run of it when nobody named it."""
    match spec:
        case CommandSpec():
            return command.words_of(spec)
        case PythonSpec():
            return python.words_of(spec)
        case RsyncSpec():
            return rsync.words_of(spec)
        case BatchSpec():
            return f"{words_of(spec.each)} for each item"
        case _:
            assert_never(spec)


def faults(spec: Spec, at: str) -> Iterator[FieldError]:
    """Find what types cannot say; pointers begin with `at`."""
    match spec:
        case CommandSpec():
            yield from command.faults(spec, at)
        case PythonSpec():
            yield from python.faults(spec, at)
        case RsyncSpec():
            yield from rsync.faults(spec, at)
        case BatchSpec():
            yield from batch.faults(spec, at)
            yield from faults(spec.each, f"{at}/each")
        case _:
            assert_never(spec)


def argv_of(spec: Spec) -> tuple[str, ...]:
    """Give what is executed, one element a line."""
    match spec:
        case CommandSpec():
            return command.argv_of(spec)
        case PythonSpec():
            return (words_of(spec),)
        case RsyncSpec():
            return argv(spec)
        case BatchSpec():
            return argv_of(spec.each)
        case _:
            assert_never(spec)


def command_in(spec: Spec) -> CommandSpec | None:
    """Give the command that it runs, itself or for each item; none when it runs something else."""
    inner = spec.each if isinstance(spec, BatchSpec) else spec
    return inner if isinstance(inner, CommandSpec) else None


def texts_of(spec: Spec) -> dict[str, str | BlobRef]:
    """Name the texts that are kept outside of events, because they may have to be deleted."""
    inner = command_in(spec)
    if inner is None:
        return {}
    texts = {"script": inner.script, "stdin": inner.stdin}
    return {name: text for name, text in texts.items() if text is not None}


def with_texts(spec: Spec, texts: Mapping[str, str | BlobRef]) -> Spec:
    """Give it with some of its texts in another form: by reference, or as they were."""
    inner = command_in(spec)
    if inner is None or not texts:
        return spec
    inner = replace(inner, **texts)
    return replace(spec, each=inner) if isinstance(spec, BatchSpec) else inner


def shown(spec: Spec) -> dict[str, Any]:
    """Give it as people may see it: what variables hold is hidden."""
    return hidden(to_builtins(spec))


def hidden(plain: dict[str, Any]) -> dict[str, Any]:
    """Hide what variables hold in a spec that is plain JSON; their names are enough to understand."""
    shown = dict(plain)
    if isinstance(env := plain.get("env"), dict):
        shown["env"] = dict.fromkeys(env, HIDDEN)
    if isinstance(each := plain.get("each"), dict):
        shown["each"] = hidden(each)
    return shown
