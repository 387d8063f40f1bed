from perdure_cli.printable import printable


def test_escape_sequences_become_pictures() -> None:
    assert printable("\x1b[31mred\x1b]0;title\x07") == "␛[31mred␛]0;title␇"


def test_a_line_cannot_return_to_its_beginning_or_break() -> None:
    assert printable("safe\rrm -rf\x08\n") == "safe␍rm -rf␈␊"


def test_eight_bit_controls_and_turns_of_direction_are_replaced() -> None:
    assert printable("a\x9b31mb\u202ec\u2066d\u2028") == "a�31mb�c�d�"


def test_ordinary_text_and_tabs_stay_as_they_are() -> None:
    assert printable("größer\t→ 日本 🎉") == "größer\t→ 日本 🎉"
