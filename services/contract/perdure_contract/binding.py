"""How the fields of an item get into the command or function of a batch. Pure.

A list element or keyword value that is exactly `{item}`, `{<field>}`, `{n}` or `{key}` becomes that
value, whole and as one argument; nothing is replaced inside longer strings or deeper values. `{{x}}`
is the text `{x}`. The api asks here what a request may name, the executor what an item gives.
"""

import re
from collections.abc import Collection

import msgspec

from perdure_contract.specs import CommandSpec, Json, PythonSpec
from perdure_contract.wire import ItemToDo

_PLACEHOLDER = re.compile(r"\{([^{}\"]+)\}", re.DOTALL)
"""With a quote or a brace inside it is no placeholder but JSON or a program's own `{}`."""
_LITERAL = re.compile(r"\{(\{.*\})\}", re.DOTALL)

ALWAYS = ("item", "n", "key")
"""What every item has, whatever its fields are."""


class UnknownField(Exception):
    """An item has no field of that name; the text is for people."""

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(f"The item has no field {name}.")


def unknown_fields(
    each: CommandSpec | PythonSpec, fields: Collection[str]
) -> list[tuple[str, str]]:
    """Give what `each` names and items do not have: JSON pointers below `each`, and the names.

    Args:
        each: the command or function of a batch.
        fields: names that every item has; none when the items are scalars.
    """
    if isinstance(each, CommandSpec):
        places = [(f"/argv/{at}", value) for at, value in enumerate(each.argv or ())]
    else:
        places = [(f"/args/{at}", value) for at, value in enumerate(each.args)]
        places += [(f"/kwargs/{_escaped(name)}", value) for name, value in each.kwargs.items()]
    return [
        (place, name)
        for place, value in places
        if (name := name_in(value)) is not None and name not in fields and name not in ALWAYS
    ]


def name_in(value: Json) -> str | None:
    """Give the name that a value stands for, or none when it stands for itself."""
    found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found.group(1)


def bound(value: Json, item: ItemToDo) -> Json:
    """Give what a list element or keyword value is for an item, with its JSON type.

    Raises:
        UnknownField: when it names what the item does not have.
    """
    name = name_in(value)
    if name is None:
        literal = _LITERAL.fullmatch(value) if isinstance(value, str) else None
        return value if literal is None else literal.group(1)
    if name == "item":
        return item.value
    if isinstance(item.value, dict) and name in item.value:
        return item.value[name]
    if name == "n":
        return item.ordinal
    if name == "key":
        return item.key
    raise UnknownField(name)


def bound_text(value: str, item: ItemToDo) -> str:
    """Give an argument of a command for an item: text as it is, anything else as JSON.

    Raises:
        UnknownField: when it names what the item does not have.
    """
    found = bound(value, item)
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
