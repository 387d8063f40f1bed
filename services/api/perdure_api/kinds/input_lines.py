"""Items out of CSV and JSON lines, one at a time, so that a file of any length takes no memory.

Nothing is guessed: text is UTF-8 (a byte order mark is passed over), columns are separated by commas,
every row has as many fields as the header. What is otherwise is refused with row and column; rows are
counted as a spreadsheet shows them, the header is row 1.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

from perdure_contract.specs import Json

InputFormat = Literal["csv", "jsonl"]

MAX_ITEM_BYTES: Final = 262_144
"""Of one item, and of one line: what an executor is sent at a time must hold it."""
MAX_COLUMNS: Final = 1000
UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
BOM: Final = b"\xef\xbb\xbf"


class BadInputError(Exception):
    """Something in the input is not as it must be; the text is for people."""

    def __init__(self, message: str, *, row: int, column: int | None = None) -> None:
        where = f"Row {row}" if column is None else f"Row {row}, column {column}"
        super().__init__(f"{where}: {message}")
        self.row = row
        self.column = column


class ReadItem(Struct, frozen=True):
    """An item, and the row that it stands in."""

    value: Json
    row: int


def format_of(name: str, start: bytes) -> InputFormat:
    """Tell which of the two it is: by the file's name, else by how it begins."""
    lowered = name.lower()
    if lowered.endswith((".csv", ".csv.txt")):
        return "csv"
    if lowered.endswith((".jsonl", ".ndjson", ".json")):
        return "jsonl"
    return "jsonl" if start.removeprefix(BOM).lstrip()[:1] in (b"{", b'"') else "csv"


def read_items(source: BinaryIO, kind: InputFormat) -> Iterator[ReadItem]:
    """Give the items of a file in order.

    Raises:
        BadInputError: at the first thing that is not as it must be.
    """
    return _read_csv(source) if kind == "csv" else _read_json_lines(source)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Give the lines with their ends, without a byte order mark."""
    number = 0
    while line := source.readline(MAX_ITEM_BYTES + 1):
        number += 1
        if number == 1:
            if line.startswith(UTF16):
                words = "This is UTF-16. Save it as UTF-8."
                raise BadInputError(words, row=1, column=1)
            line = line.removeprefix(BOM)
        yield line


# --- JSON lines ----------------------------------------------------------------------------------


def _read_json_lines(source: BinaryIO) -> Iterator[ReadItem]:
    for row, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        if len(line) > MAX_ITEM_BYTES:
            raise BadInputError(f"An item has at most {MAX_ITEM_BYTES} bytes.", row=row)
        try:
            line.decode()
            value = msgspec.json.decode(line)
        except UnicodeDecodeError as error:
            raise _not_utf8(line, error, row=row, column=error.start + 1) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadInputError(f"This is not JSON: {error}.", row=row) from None
        if b"\\u0000" in line and _holds_nul(value):
            raise BadInputError("It has a character that cannot be stored (NUL).", row=row)
        yield ReadItem(value, row)


def _holds_nul(value: Json) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


# --- CSV -----------------------------------------------------------------------------------------


class _Record:
    """Feeds lines to the reader of the standard library; remembers those of the row being read."""

    def __init__(self, source: BinaryIO) -> None:
        self._lines = _lines(source)
        self._read: list[str] = []
        self._size = 0
        self.row = 1

    def next_row(self) -> None:
        """Begin with the next row."""
        self._read.clear()
        self._size = 0
        self.row += 1

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                self._read.append(line[: error.start].decode())
                raise _not_utf8(line, error, row=self.row, column=self.column()) from None
            self._read.append(text)
            self._size += len(line)
            if "\0" in text:
                self._read[-1] = text[: text.index("\0")]
                words = "It has a character that cannot be stored (NUL)."
                raise BadInputError(words, row=self.row, column=self.column())
            if self._size > MAX_ITEM_BYTES:
                words = f"A row has at most {MAX_ITEM_BYTES} bytes; is a quote not closed?"
                raise BadInputError(words, row=self.row, column=self.column())
            yield text

    def column(self) -> int:
        """Give the column in which the text read so far of this row ends."""
        # Quotes come in pairs, those within a quoted field too; the reader would give up here.
        outside = "".join(self._read).split('"')[::2]
        return 1 + sum(part.count(",") for part in outside)


def _read_csv(source: BinaryIO) -> Iterator[ReadItem]:
    record = _Record(source)
    rows = csv.reader(record, strict=True)
    header: list[str] | None = None
    while (fields := _next(rows, record)) is not None:
        if not fields:
            pass
        elif header is None:
            header = _checked_header(fields, record.row)
        elif len(fields) != len(header):
            words = f"It has {len(fields)} fields, the header has {len(header)}."
            raise BadInputError(words, row=record.row, column=min(len(fields), len(header)) + 1)
        else:
            yield ReadItem(dict(zip(header, fields, strict=True)), record.row)
        record.next_row()


def _next(rows: Iterator[list[str]], record: _Record) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        words = str(error)
        if "end of data" in words:
            words = "a quote is not closed"
        elif "field limit" in words:
            words = "a field is longer than 131072 characters, or a quote not closed"
        message = f"This is not CSV: {words}."
        raise BadInputError(message, row=record.row, column=record.column()) from None


def _checked_header(names: list[str], row: int) -> list[str]:
    if len(names) > MAX_COLUMNS:
        raise BadInputError(f"At most {MAX_COLUMNS} columns.", row=row)
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        words = "The columns must be separated by commas, not by semicolons or tabs."
        raise BadInputError(words, row=row, column=1)
    seen: dict[str, int] = {}
    for column, name in enumerate(names, 1):
        if not name.strip():
            raise BadInputError("The header has no name here.", row=row, column=column)
        if name in seen:
            words = f"The header has this name already in column {seen[name]}."
            raise BadInputError(words, row=row, column=column)
        seen[name] = column
    return names


def _not_utf8(line: bytes, error: UnicodeDecodeError, *, row: int, column: int) -> BadInputError:
    words = f"This is not UTF-8 (byte 0x{line[error.start]:02X}). Save it as UTF-8."
    return BadInputError(words, row=row, column=column)
