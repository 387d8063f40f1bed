"""What is called or executed, in words: a Python call, a command; for a batch bound to an item."""

from typing import Final

from perdure_api.kinds import kind
from perdure_contract import binding
from perdure_contract.specs import BatchSpec, CommandSpec, Json, PythonSpec, Spec
from perdure_contract.wire import ItemToDo

MOST_CHARACTERS: Final = 2000


def call_words(spec: PythonSpec) -> str:
    """Write a call as Python does: `reports:build(3, site='north')`."""
    given = [repr(value) for value in spec.args]
    given += [f"{name}={value!r}" for name, value in spec.kwargs.items()]
    words = f"{spec.func}({', '.join(given)})"
    return words if len(words) <= MOST_CHARACTERS else f"{words[:MOST_CHARACTERS]}…"


def words_of(spec: Spec) -> tuple[str, ...]:
    """Give what is executed, one element a line; a call is one."""
    inner = spec.each if isinstance(spec, BatchSpec) else spec
    return (call_words(inner),) if isinstance(inner, PythonSpec) else kind.argv_of(inner)


def bound_words(
    each: CommandSpec | PythonSpec, ordinal: int, key: str | None, value: Json
) -> tuple[str, ...]:
    """Give what is executed for an item; raises `UnknownField` when it names what the item lacks."""
    item = ItemToDo(ordinal, key or str(ordinal), value)
    if isinstance(each, PythonSpec):
        args = tuple(binding.bound(argument, item) for argument in each.args)
        kwargs = {name: binding.bound(argument, item) for name, argument in each.kwargs.items()}
        return (call_words(PythonSpec(func=each.func, args=args, kwargs=kwargs)),)
    return tuple(binding.bound_text(argument, item) for argument in kind.argv_of(each))


def names_nothing(each: CommandSpec | PythonSpec) -> bool:
    """Tell whether nothing of an item is passed on."""
    given = (
        each.argv or () if isinstance(each, CommandSpec) else (*each.args, *each.kwargs.values())
    )
    return not any(binding.name_in(value) for value in given)
