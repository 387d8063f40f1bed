"""Stored event ↔ fact: type name and version decide the class; older versions are lifted here.

An additive optional field needs no new version. A lifting takes the raw JSON object of an old version
and gives that of the next; stored bytes never change.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from perdure_contract.facts import BY_TYPE, Fact

LIFTINGS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""Old type name → (next type name, how its data is lifted). Chained until the current version."""

_decoders = {name: msgspec.json.Decoder(fact) for name, fact in BY_TYPE.items()}


class UnknownEventError(ValueError):
    """The store holds an event that this version of Perdure does not know. Upgrade it first."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"{self.__doc__} Type: {type_name}")
        self.type_name = type_name


def decode(type_name: str, data: bytes) -> Fact:
    """Read a stored event's data as the current version of its fact."""
    decoder = _decoders.get(type_name)
    if decoder is not None:
        return decoder.decode(data)
    if type_name not in LIFTINGS:
        raise UnknownEventError(type_name)
    raw = msgspec.json.decode(data)
    while type_name in LIFTINGS:
        type_name, lift = LIFTINGS[type_name]
        raw = lift(raw)
    return msgspec.convert(raw, BY_TYPE[type_name])
