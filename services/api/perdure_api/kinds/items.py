"""Items as a batch keeps them: their keys, the fields that all have, chunks of them compressed."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from perdure_api.kinds.input_lines import MAX_ITEM_BYTES
from perdure_contract.items import MAX_KEY
from perdure_contract.specs import InputRef, Json

CHUNK_ITEMS: Final = 1000
CHUNK_BYTES: Final = 262_144
"""A chunk is what is read at a time, by people and by executors; one item more may go over it."""
MAX_UNPACKED: Final = 16 << 20
KEY_FIELD: Final = "key"

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()


class BadItemError(ValueError):
    """A value cannot be an item of a batch; the text is for people."""


class Chunk(Struct, frozen=True):
    """Items `first` to `last`."""

    first: int
    last: int
    keys: str | None
    """One a line; none where every key is the ordinal."""
    folded: str | None
    """Keys in lower case, to be searched; none where that is the same text."""
    data: bytes
    """zstd over the items, each as a line of JSON."""


class Packer:
    """Takes items in order and gives them in chunks; knows at the end what all have in common."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._fields: dict[str, None] | None = None
        self._waiting: list[Json] = []
        self._keys: list[str] = []
        self._own_keys = False
        self._size = 0
        self._compressor = zstandard.ZstdCompressor(level=1)
        self.total = 0
        self.bytes = 0
        self.has_keys = False
        """Whether an item has a key of its own."""

    def add(self, value: Json) -> Chunk | None:
        """Take one more item; give a chunk when one is full.

        Raises:
            BadItemError: when the value cannot be an item.
        """
        key = key_of(value)
        line = _encoder.encode(value)
        if len(line) > MAX_ITEM_BYTES:
            message = f"An item has at most {MAX_ITEM_BYTES} bytes."
            raise BadItemError(message)
        self._note_fields(value)
        self.total += 1
        self._waiting.append(msgspec.Raw(line))
        self._keys.append(str(self.total) if key is None else key)
        self._own_keys = self._own_keys or key is not None
        self._size += len(line) + 1
        if len(self._waiting) == CHUNK_ITEMS or self._size >= CHUNK_BYTES:
            return self.rest()
        return None

    def rest(self) -> Chunk | None:
        """Give the chunk that is begun; none when nothing waits."""
        if not self._waiting:
            return None
        lines = _encoder.encode_lines(self._waiting)
        self._sha256.update(lines)
        self.bytes += len(lines)
        self.has_keys = self.has_keys or self._own_keys
        keys = "\n".join(self._keys) if self._own_keys else None
        folded = None if keys is None or keys.lower() == keys else keys.lower()
        chunk = Chunk(
            self.total - len(self._waiting) + 1,
            self.total,
            keys,
            folded,
            self._compressor.compress(lines),
        )
        self._waiting, self._keys, self._size, self._own_keys = [], [], 0, False
        return chunk

    def reference(self, input_id: str) -> InputRef:
        """Tell of all that was taken."""
        fields = tuple(self._fields or ())
        return InputRef(
            input=input_id, sha256=self._sha256.hexdigest(), total=self.total, fields=fields
        )

    def _note_fields(self, value: Json) -> None:
        names = value if isinstance(value, dict) else {}
        if self._fields is None:
            self._fields = dict.fromkeys(names)
        elif self._fields and not self._fields.keys() <= names.keys():
            self._fields = {name: None for name in self._fields if name in names}


def key_of(value: Json) -> str | None:
    """Give the key that an item names itself by; none for its ordinal.

    Raises:
        BadItemError: when the value cannot be an item, or its key none.
    """
    if isinstance(value, list | tuple) or value is None:
        message = "An item is an object, a text, a number, true or false."
        raise BadItemError(message)
    own = value.get(KEY_FIELD) if isinstance(value, dict) else None
    if own is None or own == "":
        return None
    if isinstance(own, bool) or not isinstance(own, str | int | float):
        message = "The key of an item is a text or a number."
        raise BadItemError(message)
    key = own if isinstance(own, str) else _encoder.encode(own).decode()
    if len(key) > MAX_KEY or not key.isprintable():
        message = f"The key of an item has at most {MAX_KEY} printable characters."
        raise BadItemError(message)
    return key


class PackedInput(Struct, frozen=True):
    """All items of a small input."""

    ref: InputRef
    bytes: int
    chunks: tuple[Chunk, ...]


def packed(items: Iterable[Json], input_id: str) -> PackedInput:
    """Pack items that are at hand."""
    packer = Packer()
    chunks = [chunk for value in items if (chunk := packer.add(value)) is not None]
    if (rest := packer.rest()) is not None:
        chunks.append(rest)
    return PackedInput(packer.reference(input_id), packer.bytes, tuple(chunks))


def unpacked(data: bytes) -> list[Json]:
    """Give the items of a chunk."""
    lines = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_UNPACKED)
    found: list[Json] = _decoder.decode_lines(lines)
    return found


def keys_in(first: int, last: int, keys: str | None) -> list[str]:
    """Give the keys of a chunk's items."""
    return (
        [str(ordinal) for ordinal in range(first, last + 1)] if keys is None else keys.split("\n")
    )


def fields_of(items: Iterable[Json]) -> tuple[str, ...]:
    """Name the fields that every item has."""
    common: dict[str, None] | None = None
    for value in items:
        names = value if isinstance(value, dict) else {}
        common = dict.fromkeys(n for n in (names if common is None else common) if n in names)
    return tuple(common or ())


def repeated(items: Iterable[Json]) -> Iterator[tuple[int, int, str]]:
    """Give each item whose key another has before it: both ordinals and the key."""
    seen: dict[str, int] = {}
    for ordinal, value in enumerate(items, 1):
        key = key_of(value) or str(ordinal)
        if key in seen:
            yield ordinal, seen[key], key
        seen.setdefault(key, ordinal)
