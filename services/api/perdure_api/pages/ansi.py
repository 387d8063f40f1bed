r"""Output of programs as safe HTML: colours become classes, everything else becomes visible text.

The one place of the pages that makes `Markup` by hand: every piece of text passes `escape` here.
SGR sequences (`ESC [ … m`) turn into spans of fixed class names. Any other escape sequence is shown as
`␛` and does nothing; bidirectional controls are shown by name; a line overwritten with `\r` shows its
last state, as a terminal would.
"""

import re
from typing import Final

from markupsafe import Markup, escape

LONGEST: Final = 8000
"""Characters of a line that a page shows: 500 lines of 64 KiB would be no page any more."""
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)"
)
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SPECIAL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_FLAGS: Final = {1: "a1", 2: "a2", 3: "a3", 4: "a4", 7: "a7", 9: "a9"}
_UNFLAG: Final = {22: ("a1", "a2"), 23: ("a3",), 24: ("a4",), 27: ("a7",), 29: ("a9",)}
_LEVELS: Final = (0, 95, 135, 175, 215, 255)
_CUBE_START: Final = 16
_GREYS_START: Final = 232
_CUBE_END: Final = 231
_DARK: Final = 70
"""A colour whose brightest part is below this counts as black."""
_LIVELY: Final = 48
"""A colour whose parts differ by less than this counts as grey."""


def log_html(text: str) -> Markup:
    """Give a line of output as HTML that holds only its text and fixed classes."""
    if "\r" in text:
        text = text.rstrip("\r").rsplit("\r", 1)[-1]
    if len(text) > LONGEST:
        left_out = len(text) - LONGEST
        more = Markup('<span class="bidi">… {} more characters, in the download</span>')
        return log_html(text[:LONGEST]) + more.format(left_out)
    if "\x1b" not in text:
        return _text(text)
    pieces: list[str] = []
    style: dict[str, str] = {}
    at = 0
    for found in _SEQUENCE.finditer(text):
        pieces.append(_span(text[at : found.start()], style))
        at = found.end()
        if found[1] is None:
            pieces.append(_span("␛", style))
        else:
            _apply(found[1], style)
    pieces.append(_span(text[at:], style))
    return Markup("").join(Markup(piece) for piece in pieces)  # noqa: S704 -- every piece was escaped


def _span(text: str, style: dict[str, str]) -> str:
    if not text:
        return ""
    if not style:
        return str(_text(text))
    return f'<span class="{" ".join(style.values())}">{_text(text)}</span>'


def _text(text: str) -> Markup:
    if _SPECIAL.search(text) is None:
        return escape(text)
    return Markup("").join(_character(part) for part in re.split(f"({_SPECIAL.pattern})", text))


def _character(part: str) -> Markup:
    if part in _BIDI:
        return Markup('<span class="bidi">⟨U+{}⟩</span>').format(f"{ord(part):04X}")
    if len(part) == 1 and _SPECIAL.match(part):
        return escape(chr(0x2421) if part == "\x7f" else chr(0x2400 + ord(part)))
    return escape(part)


def _apply(codes: str, style: dict[str, str]) -> None:
    """Change the style by the numbers of one SGR sequence; unknown numbers change nothing."""
    numbers = [int(code) if code else 0 for code in re.split("[;:]", codes) if len(code) < 4]  # noqa: PLR2004 -- SGR's own numbers
    at = 0
    while at < len(numbers):
        code = numbers[at]
        if code == 0:
            style.clear()
        elif code in _FLAGS:
            style[_FLAGS[code]] = _FLAGS[code]
        elif code in _UNFLAG:
            for flag in _UNFLAG[code]:
                style.pop(flag, None)
        elif code in (38, 48):
            colour, at = _extended(numbers, at)
            if colour is not None:
                side = "f" if code == 38 else "g"  # noqa: PLR2004 -- SGR's own numbers
                style[side] = f"{side}{colour}"
        elif code in (39, 49):
            style.pop("f" if code == 39 else "g", None)  # noqa: PLR2004 -- SGR's own numbers
        else:
            for first, side in ((30, "f"), (90, "f"), (40, "g"), (100, "g")):
                if first <= code <= first + 7:
                    style[side] = f"{side}{8 if code in (90, 100) else code - first}"
        at += 1


def _extended(numbers: list[int], at: int) -> tuple[int | None, int]:
    """Read a colour of 256 or of 16 million; give the nearest basic one and where it ended."""
    kind = numbers[at + 1] if at + 1 < len(numbers) else None
    if kind == 5 and at + 2 < len(numbers):  # noqa: PLR2004 -- SGR's own numbers
        return _indexed(numbers[at + 2]), at + 2
    if kind == 2 and at + 4 < len(numbers):  # noqa: PLR2004 -- SGR's own numbers
        return _nearest(*numbers[at + 2 : at + 5]), at + 4
    return None, len(numbers)


def _indexed(index: int) -> int:
    if index < _CUBE_START:
        return 8 if index == 8 else index % 8  # noqa: PLR2004 -- SGR's own numbers
    if index >= _GREYS_START:
        return _nearest(*(3 * (8 + 10 * (index - _GREYS_START),)))
    index = min(index, _CUBE_END) - _CUBE_START
    return _nearest(_LEVELS[index // 36], _LEVELS[index // 6 % 6], _LEVELS[index % 6])


def _nearest(red: int, green: int, blue: int) -> int:
    """Give the basic colour of the same hue: 1 red … 6 cyan, 0 black, 8 grey, 7 white."""
    high, low = max(red, green, blue), min(red, green, blue)
    if high - low < _LIVELY:
        return 0 if high < _DARK else 8 if high < 180 else 7  # noqa: PLR2004 -- SGR's own numbers
    middle = (high + low) / 2
    return (red > middle) + 2 * (green > middle) + 4 * (blue > middle)
