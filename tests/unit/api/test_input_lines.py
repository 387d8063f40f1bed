"""What comes out of CSV and JSON lines: the right items, or the row and column of what is wrong."""

import io
import json

import msgspec
import pytest

from perdure_api.kinds.input_lines import BadInputError, InputFormat, format_of, read_items
from perdure_api.kinds.items import BadItemError, Packer, key_of, keys_in, packed, unpacked

WIDE = [f"column {n}" for n in range(200)]


def read(data: bytes, kind: InputFormat = "csv") -> list[object]:
    return [item.value for item in read_items(io.BytesIO(data), kind)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\n1,2", [{"a": "1", "b": "2"}]),
        ("\ufeffa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ('a,b\n"x, ""y""",2\n', [{"a": 'x, "y"', "b": "2"}]),
        ('a,b\n"two\nlines\r\n",2\n', [{"a": "two\nlines\r\n", "b": "2"}]),
        ("a,b\n,\n", [{"a": "", "b": ""}]),
        ("\n\na\n\n1\n\n2\n", [{"a": "1"}, {"a": "2"}]),
        ("name,größe\nä,ü\n", [{"name": "ä", "größe": "ü"}]),
        (",".join(WIDE) + "\n" + ",".join(WIDE), [dict(zip(WIDE, WIDE, strict=True))]),
    ],
)
def test_csv_is_read_as_it_was_meant(text: str, items: list[object]) -> None:
    assert read(text.encode()) == items


@pytest.mark.parametrize(
    ("data", "row", "column", "words"),
    [
        (b"name,town\nJos\xe9,x\n", 2, 1, "0xE9"),
        (b"a,b,c\n1,2,3\n4,5,caf\xe9\n", 3, 3, "UTF-8"),
        (b'a,b\n"x\ny","\xe9"\n', 2, 2, "UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), 1, 1, "UTF-16"),
        (b"a,b\n1,2\n1\n", 3, 2, "1 fields, the header has 2"),
        (b"a,b\n1,2,3\n", 2, 3, "3 fields"),
        (b"a,,c\n", 1, 2, "no name"),
        (b"a,b,a\n", 1, 3, "already in column 1"),
        (b"a;b\n1;2\n", 1, 1, "semicolons"),
        (b'a,b\n1,"2\n', 2, 2, "a quote is not closed"),
        (b'a,b\n1,"2"3\n', 2, 2, "not CSV"),
        (b"a,b\n1,x\0y\n", 2, 2, "NUL"),
        (b"a\n" + b"x" * 140_000 + b"\n", 2, 1, "longer than"),
        (b'a\n"' + b"x\n" * 140_000, 2, 1, "quote not closed"),
    ],
)
def test_csv_that_is_wrong_is_refused_with_row_and_column(
    data: bytes, row: int, column: int, words: str
) -> None:
    with pytest.raises(BadInputError, match=words) as refused:
        read(data)
    assert (refused.value.row, refused.value.column) == (row, column)
    assert str(refused.value).startswith(f"Row {row}, column {column}: ")


def test_json_lines_keep_the_types_of_their_values() -> None:
    lines = b'\xef\xbb\xbf{"a": 1, "b": [null, 1.5]}\n\n"text"\n17\ntrue\n'
    assert read(lines, "jsonl") == [{"a": 1, "b": [None, 1.5]}, "text", 17, True]


@pytest.mark.parametrize(
    ("data", "row", "column", "words"),
    [
        (b'1\n{"a": \n', 2, None, "not JSON"),
        (b'"\xff"\n', 1, 2, "UTF-8"),
        (b'1\n\n{"a": ["x\\u0000"]}\n', 3, None, "NUL"),
        (b'"' + b"x" * 300_000 + b'"', 1, None, "at most"),
        (b"[" * 100_000, 1, None, "not JSON"),
    ],
)
def test_json_lines_that_are_wrong_are_refused_with_their_row(
    data: bytes, row: int, column: int | None, words: str
) -> None:
    with pytest.raises(BadInputError, match=words) as refused:
        read(data, "jsonl")
    assert (refused.value.row, refused.value.column) == (row, column)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read(b'"a\\\\u0000"', "jsonl") == ["a\\u0000"]


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("a.CSV", b"{", "csv"),
        ("a.jsonl", b"a,b", "jsonl"),
        ("a.ndjson", b"", "jsonl"),
        ("", b'\xef\xbb\xbf {"a": 1}', "jsonl"),
        ("", b"a,b\n", "csv"),
    ],
)
def test_the_name_tells_the_format_else_the_beginning(name: str, start: bytes, kind: str) -> None:
    assert format_of(name, start) == kind


@pytest.mark.parametrize(
    ("item", "key"),
    [
        ({"key": "a", "x": 1}, "a"),
        ({"key": 17}, "17"),
        ({"key": 1.5}, "1.5"),
        ({"key": ""}, None),
        ({"x": 1}, None),
        ("text", None),
        (False, None),
    ],
)
def test_an_item_is_known_by_its_key_field_else_its_ordinal(item: object, key: str | None) -> None:
    assert key_of(item) == key


@pytest.mark.parametrize(
    "item", [None, [1], {"key": True}, {"key": {}}, {"key": "a\nb"}, {"key": "x" * 201}]
)
def test_what_cannot_be_an_item_is_refused(item: object) -> None:
    with pytest.raises(BadItemError):
        key_of(item)


def test_chunks_hold_all_items_in_order_with_what_they_have_in_common() -> None:
    items = [{"key": f"k{n}", "b": n, "a": "x" * 500} for n in range(1, 2501)]
    items[7] = {"key": "k8", "b": 8}
    made = packed(items, "id")
    assert [value for chunk in made.chunks for value in unpacked(chunk.data)] == items
    keys = [key for c in made.chunks for key in keys_in(c.first, c.last, c.keys)]
    assert keys == [f"k{n}" for n in range(1, 2501)]
    assert made.ref.total == 2500
    assert made.ref.fields == ("key", "b")
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    assert made.bytes == len(lines)
    assert all(c.last - c.first < 1000 for c in made.chunks)
    again = packed([json.loads(json.dumps(item)) for item in items], "other")
    assert again.ref.sha256 == made.ref.sha256


def test_where_no_item_has_a_key_none_is_stored() -> None:
    packer = Packer()
    for n in range(5):
        assert packer.add({"n": n}) is None
    chunk = packer.rest()
    assert chunk is not None
    assert chunk.keys is None
    assert keys_in(chunk.first, chunk.last, None) == ["1", "2", "3", "4", "5"]
    assert not packer.has_keys
