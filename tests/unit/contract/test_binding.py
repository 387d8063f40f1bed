"""What becomes of the arguments of a batch for one item."""

import pytest

from perdure_contract.binding import UnknownField, bound, bound_text, unknown_fields
from perdure_contract.specs import CommandSpec, Json, PythonSpec
from perdure_contract.wire import ItemToDo

ROW = ItemToDo(7, "seven", {"path": "/a b/$(x)", "size": 12, "n": "own n", "": "empty"})
SCALAR = ItemToDo(8, "8", 1.5)


@pytest.mark.parametrize(
    ("written", "item", "value", "text"),
    [
        ("{path}", ROW, "/a b/$(x)", "/a b/$(x)"),
        ("{size}", ROW, 12, "12"),
        ("{n}", ROW, "own n", "own n"),
        ("{n}", SCALAR, 8, "8"),
        ("{key}", ROW, "seven", "seven"),
        ("{item}", SCALAR, 1.5, "1.5"),
        ("{item}", ItemToDo(1, "1", {"a": None}), {"a": None}, '{"a":null}'),
        ("{item}", ItemToDo(1, "1", {"item": "column"}), {"item": "column"}, '{"item":"column"}'),
        ("{item}", ItemToDo(1, "1", None), None, "null"),
        ("{item}", ItemToDo(1, "1", "{key}"), "{key}", "{key}"),
        ("--path={path}", ROW, "--path={path}", "--path={path}"),
        ("{path}\n", ROW, "{path}\n", "{path}\n"),
        ("{{path}}", ROW, "{path}", "{path}"),
        ("{{{path}}}", ROW, "{{path}}", "{{path}}"),
        ("{}", ROW, "{}", "{}"),
        ('{"path": 1}', ROW, '{"path": 1}', '{"path": 1}'),
        ('{{"a": {"b": 1}}}', ROW, '{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("plain", ROW, "plain", "plain"),
    ],
)
def test_a_whole_argument_is_replaced_and_nothing_else(
    written: str, item: ItemToDo, value: Json, text: str
) -> None:
    assert bound(written, item) == value
    assert bound_text(written, item) == text


def test_a_value_that_is_no_text_stands_for_itself() -> None:
    assert bound(3, ROW) == 3
    assert bound(["{path}"], ROW) == ["{path}"]


def test_a_field_that_an_item_lacks_is_named() -> None:
    with pytest.raises(UnknownField, match="no field colour"):
        bound("{colour}", ROW)
    with pytest.raises(UnknownField):
        bound("{path}", SCALAR)


def test_what_no_item_has_is_found_with_its_place() -> None:
    command = CommandSpec(argv=("cp", "{path}", "{to}", "{{to}}", "x{to}", "{n}", "{item}"))
    call = PythonSpec(func="m:f", args=("{a}", 1), kwargs={"k/~": "{b}", "path": "{path}"})

    assert unknown_fields(command, {"path"}) == [("/argv/2", "to")]
    assert unknown_fields(call, {"path"}) == [("/args/0", "a"), ("/kwargs/k~1~0", "b")]
    assert unknown_fields(CommandSpec(script="echo {to}"), ()) == []
