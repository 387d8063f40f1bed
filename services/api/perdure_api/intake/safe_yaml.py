"""YAML read without surprises: what YAML 1.2 calls plain data, and where every value stands.

Refused are aliases and anchors (a few lines can stand for gigabytes), tags, keys given twice, more than
one document, deep nesting and large files. `12:30`, `on` and `2026-01-01` are texts, as in YAML 1.2.
"""

import re
from typing import Any, Final

import yaml
from msgspec import Struct

from perdure_contract.facts import FileFault

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 32

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,20}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
                    "FALSE": False}  # fmt: skip

Place = tuple[int, int]
"""Line and column, both from 1."""


class Read(Struct, frozen=True):
    """A document: its value, and where things stand, by JSON pointer."""

    value: Any
    values: dict[str, Place]
    keys: dict[str, Place]

    def place(self, pointer: str, *, of_key: bool = False) -> Place:
        """Give the place of a value or a key, or of the nearest thing around it that is there."""
        if of_key and pointer in self.keys:
            return self.keys[pointer]
        while pointer not in self.values:
            pointer = pointer.rpartition("/")[0]
        return self.values[pointer]


class UnreadableError(ValueError):
    """This is not YAML that is read here."""

    def __init__(self, fault: FileFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Open(Struct):
    """A list or an object whose end has not come."""

    value: Any
    pointer: str
    key: str | None = None


def read_yaml(data: bytes) -> Read:
    """Read one document.

    Raises:
        UnreadableError: with the place and the reason.
    """
    if len(data) > MAX_BYTES:
        raise _unreadable(1, 1, "A jobs file has at most 1 MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unreadable(line, 1, "This line is not UTF-8.") from error
    try:
        return _Reader().read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise _unreadable(line, column, _words(error)) from error
    except yaml.YAMLError as error:
        raise _unreadable(1, 1, "This is not YAML: it has characters that no text has.") from error


class _Reader:
    """Makes a value of the events of one document."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._values: dict[str, Place] = {}
        self._keys: dict[str, Place] = {}
        self._root: Any = None

    def read(self, text: str) -> Read:
        """Go through the document once, never deeper than is allowed."""
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            mark = event.start_mark
            line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise _unreadable(line, column, "One document a file: remove the `---`.")
                case yaml.AliasEvent():
                    raise _unreadable(line, column, ALIAS)
                case yaml.ScalarEvent():
                    self._refuse_marks(event, line, column)
                    self._scalar(event, line, column)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._refuse_marks(event, line, column)
                    self._begin(
                        [] if isinstance(event, yaml.SequenceStartEvent) else {}, line, column
                    )
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._open.pop()
                case _:
                    pass
        self._values.setdefault("", (1, 1))
        return Read(self._root, self._values, self._keys)

    def _refuse_marks(
        self, event: "yaml.ScalarEvent | yaml.CollectionStartEvent", line: int, column: int
    ) -> None:
        if event.anchor is not None:
            raise _unreadable(line, column, "Anchors (`&`) are not read here; write it out.")
        if event.tag is not None and event.tag != "!":
            raise _unreadable(line, column, "Tags (`!`) are not read here.")

    def _begin(self, value: Any, line: int, column: int) -> None:  # noqa: ANN401 -- JSON
        if len(self._open) >= MAX_DEPTH:
            raise _unreadable(line, column, f"More than {MAX_DEPTH} levels.")
        outer = self._open[-1] if self._open else None
        if outer is not None and isinstance(outer.value, dict) and outer.key is None:
            raise _unreadable(line, column, "A key is a plain text.")
        pointer = self._put(value, line, column)
        self._open.append(_Open(value, pointer))

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> None:
        outer = self._open[-1] if self._open else None
        if outer is None or not isinstance(outer.value, dict) or outer.key is not None:
            plain = event.style in (None, "") and event.implicit[0]
            self._put(_resolved(event.value) if plain else event.value, line, column)
            return
        key = event.value
        pointer = f"{outer.pointer}/{_escaped(key)}"
        if key in outer.value:
            raise _unreadable(line, column, f"The key {key[:60]} is given twice.")
        self._keys[pointer] = (line, column)
        outer.key = key

    def _put(self, value: Any, line: int, column: int) -> str:  # noqa: ANN401 -- JSON
        outer = self._open[-1] if self._open else None
        if outer is None:
            self._root = value
            pointer = ""
        elif isinstance(outer.value, dict):
            pointer = f"{outer.pointer}/{_escaped(str(outer.key))}"
            outer.value[outer.key] = value
            outer.key = None
        else:
            pointer = f"{outer.pointer}/{len(outer.value)}"
            outer.value.append(value)
        self._values[pointer] = (line, column)
        return pointer


ALIAS: Final = (
    "`*` begins an alias in YAML, and aliases are not read here: put it in quotes, like '*/5'."
)


def _words(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    if "alias" in said:
        return ALIAS
    return f"This is not YAML: {' '.join(said.split())}."


def _resolved(text: str) -> Any:  # noqa: ANN401 -- JSON, one line a kind
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NULL.fullmatch(text):
        return None
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unreadable(line: int, column: int, message: str) -> UnreadableError:
    return UnreadableError(FileFault(line=line, column=column, message=message))
