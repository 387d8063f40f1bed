"""Text from outside, made safe for a terminal: nothing in it can move, colour or hide anything."""

from typing import Final

_CONTROL_PICTURES: Final = 0x2400
_REPLACEMENT: Final = 0xFFFD
_TAB: Final = 0x09
# What turns the direction of writing around can make a line read as another one.
_DIRECTION: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)

_SHOWN: Final = {
    **{code: _CONTROL_PICTURES + code for code in range(0x20) if code != _TAB},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    **dict.fromkeys(_DIRECTION, _REPLACEMENT),
    0x2028: _REPLACEMENT,
    0x2029: _REPLACEMENT,
}


def printable(text: str) -> str:
    """Show control characters as pictures (`␛`), all other dangerous ones as `�`; tabs stay."""
    return text.translate(_SHOWN)
