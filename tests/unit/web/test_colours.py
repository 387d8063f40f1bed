"""Colours that stand on each other can be told apart, in light and in dark."""

import re
from pathlib import Path

import pytest

import perdure_web

STYLES = (Path(perdure_web.__file__).parent / "static/app.css").read_text()
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", STYLES)
}
STATES = sorted(name.removesuffix("-bg") for name in TOKENS if name.endswith("-bg"))
TEXT = [("text", on) for on in ("surface", "canvas", "raised")]
TEXT += [("muted", on) for on in ("surface", "canvas", "raised")]
TEXT += [("link", on) for on in ("surface", "canvas")]
TEXT += [("error", "surface"), ("error", "canvas"), ("good", "canvas")]
TEXT += [("primary-text", "primary"), ("primary-text", "primary-over"), ("danger-text", "danger")]
TEXT += [("text", "mark"), ("canvas", "text")]
TEXT += [(state, f"{state}-bg") for state in STATES] + [(state, "surface") for state in STATES]


def luminance(colour: str) -> float:
    """Give the relative luminance of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT, ids=lambda name: name)
def test_text_can_be_read(front: str, back: str, theme: int) -> None:
    assert contrast(TOKENS[front][theme], TOKENS[back][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("front", ["border-strong", "link", "primary", "danger"])
def test_what_is_pressed_or_filled_can_be_seen(front: str, theme: int) -> None:
    assert contrast(TOKENS[front][theme], TOKENS["surface"][theme]) >= 3
