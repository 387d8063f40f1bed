"""Output of programs as HTML: only its text, and fixed classes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure_api.pages.ansi import log_html


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("plain", "plain"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("\x1b[31mred\x1b[0m not", '<span class="f1">red</span> not'),
        (
            "\x1b[1;92mbold\x1b[22mlight",
            '<span class="a1 f2">bold</span><span class="f2">light</span>',
        ),
        ("\x1b[38;5;196mred\x1b[39m", '<span class="f1">red</span>'),
        ("\x1b[38;2;0;200;200mcyan", '<span class="f6">cyan</span>'),
        ("\x1b[48;5;244mgrey", '<span class="g8">grey</span>'),
        ("\x1b]0;title\x07text", "␛text"),
        ("\x1b[2Jtext", "␛text"),
        ("a\x00b\x7f", "a␀b␡"),
        ("10%\r50%\r100%\r", "100%"),
        ("a\u202eb", 'a<span class="bidi">⟨U+202E⟩</span>b'),
        ("\x1b[38;5mx", "x"),
        ("\x1b", "␛"),
    ],
)
def test_colours_become_classes_and_everything_else_visible_text(printed: str, shown: str) -> None:
    assert str(log_html(printed)) == shown


def test_a_very_long_line_is_cut_with_a_mark() -> None:
    html = str(log_html("x" * 60_000))
    assert html.count("x") < 8_100
    assert "… 52000 more characters" in html


@given(st.text(alphabet=st.sampled_from("a<>&\"'\x1b[]0123456789;:m\x07\r\u202e\x00"), max_size=60))
def test_whatever_is_printed_only_spans_with_known_classes_come_out(printed: str) -> None:
    html = str(log_html(printed))
    rest = re.sub(r'<span class="(?:(?:[afg]\d|bidi)(?: |(?=")))+">|</span>', "", html)
    assert "<" not in rest
    assert ">" not in rest
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", html)
