"""Items that someone chose by their numbers: from ticked boxes to words, and from words to numbers."""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qs

from perdure_api.errors import Refused
from perdure_api.pages.visit import whole_number
from perdure_api.security.access import HttpRequest

MOST: Final = 10_000
"""Items that can be named at once; more fail together, and are all run again together."""
_SPAN: Final = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?")


def chosen_items(request: HttpRequest) -> str:
    """Give the numbers of the boxes that were ticked, like `7 17 20–25`."""
    text = request.scope["query_string"].decode("latin-1")
    given = parse_qs(text, max_num_fields=1000).get("item", [])
    return words_of({n for item in given if (n := whole_number(item)) is not None})


def words_of(ordinals: Iterable[int]) -> str:
    """Write numbers shortly: three and more in a row as a span."""
    spans: list[list[int]] = []
    for ordinal in sorted(ordinals):
        if spans and spans[-1][1] == ordinal - 1:
            spans[-1][1] = ordinal
        else:
            spans.append([ordinal, ordinal])
    return " ".join(_said(spans))


def _said(spans: Iterable[list[int]]) -> Iterator[str]:
    for first, last in spans:
        if last - first > 1:
            yield f"{first}–{last}"
        else:
            yield from map(str, range(first, last + 1))


def read_ordinals(text: str) -> tuple[int, ...]:
    """Read numbers and spans of items; raises `Refused` when these are none, or too many."""
    found: set[int] = set()
    rest = _SPAN.sub("", text)
    if rest.strip(" ,;\t"):
        raise Refused("bad-query", "Name items by their numbers, like 7 17 20–25.")
    for span in _SPAN.finditer(text):
        first = int(span[1])
        last = int(span[2] or first)
        if last < first:
            raise Refused("bad-query", f"{span[0]} names no items.")
        if last - first >= MOST or len(found) > MOST:
            raise Refused("bad-query", f"At most {MOST} items at once.")
        found.update(range(first, last + 1))
    if not found:
        raise Refused("bad-query", "Choose at least one item.")
    return tuple(sorted(found))
