"""Which rule decides about a path: rsync's own reading of patterns, without rsync.

Every directory on the way is asked about first: what lies in one that is left out is never looked at.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from perdure_contract.rsync.spec import FilterRow, RsyncOptions

_CLASSES: Final = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \t", "digit": "0-9", "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip
_NEVER: Final = "(?!)"
_STAR: Final = "*"
_DEEP: Final = "**"
_END: Final = ""
Token = str | re.Pattern[str]
"""A star, or what one character must fit."""


class Verdict(Struct, frozen=True):
    """What becomes of a path."""

    kept: bool
    rule: int | None
    """Place of the rule that decided, from 0; none when no rule matches, so that it is kept."""
    at: str
    """The path that it matched: this one, or a directory on the way."""


def rules_of(options: RsyncOptions) -> tuple[FilterRow, ...]:
    """Give all rules in the order in which they count."""
    return (
        *options.filters,
        *(FilterRow(rule="include", pattern=pattern) for pattern in options.include),
        *(FilterRow(rule="exclude", pattern=pattern) for pattern in options.exclude),
    )


def verdict(rules: Sequence[FilterRow], path: str) -> Verdict:
    """Tell whether a path is copied, and which rule says so.

    Args:
        rules: In the order in which they count.
        path: As seen from the folder that is copied, like `a/b.txt`; a directory ends with a slash.
    """
    names = path.strip("/").split("/")
    last: Verdict = Verdict(kept=True, rule=None, at=path)
    for depth in range(1, len(names) + 1):
        at = "/".join(names[:depth])
        is_dir = depth < len(names) or path.endswith("/")
        found = _deciding(rules, at, is_dir=is_dir)
        shown = f"{at}/" if is_dir else at
        last = Verdict(kept=found is None or rules[found].rule == "include", rule=found, at=shown)
        if not last.kept:
            break
    return last


def _deciding(rules: Sequence[FilterRow], path: str, *, is_dir: bool) -> int | None:
    # A rule that protects is about the destination only.
    asked = (n for n, row in enumerate(rules) if row.rule != "protect")
    return next((n for n in asked if matches(rules[n].pattern, path, is_dir=is_dir)), None)


def matches(pattern: str, path: str, *, is_dir: bool) -> bool:
    """Tell whether a pattern is about a path that has no slash at its ends."""
    # rsync compares bytes: a letter that is two of them does not fit one `?`.
    pattern, path = _bytewise(pattern), _bytewise(path)
    only_dirs = len(pattern) > 1 and pattern.endswith("/")
    if only_dirs:
        if not is_dir:
            return False
        pattern = pattern[:-1]
    wild = any(sign in pattern for sign in "*?[")
    deep = "**" in pattern
    if "/" not in pattern and not deep:
        return _fits(pattern, path.rpartition("/")[2], wild=wild)
    text = path
    if pattern.startswith("**"):
        text = "/" + text
    if is_dir and pattern.endswith("***"):
        text += "/"
    if pattern.startswith("/"):
        return _fits(pattern[1:], text, wild=wild)
    if not deep:
        # As many names of the path's end as the pattern has.
        names = text.split("/")
        count = pattern.count("/") + 1
        return len(names) >= count and _fits(pattern, "/".join(names[-count:]), wild=wild)
    if pattern.startswith("**"):
        return _fits(pattern, text, wild=wild)
    return any(_fits(pattern, rest, wild=wild) for rest in _ends(text))


def _bytewise(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _ends(text: str) -> Iterator[str]:
    """Give the text, and what follows each slash of it."""
    yield text
    for n, character in enumerate(text):
        if character == "/":
            yield text[n + 1 :]


def _fits(pattern: str, text: str, *, wild: bool) -> bool:
    """Go through the text with every place in the pattern at once: no pattern takes long."""
    if not wild:
        return pattern == text
    tokens = _tokens(pattern)
    places = _onwards(tokens, {0})
    for character in text:
        moved = set()
        for place in places:
            token = tokens[place] if place < len(tokens) else _END
            if token == _DEEP or (token == _STAR and character != "/"):
                moved.add(place)
            elif isinstance(token, re.Pattern) and token.match(character):
                moved.add(place + 1)
        places = _onwards(tokens, moved)
        if not places:
            return False
    return len(tokens) in places


def _onwards(tokens: tuple[Token, ...], places: set[int]) -> set[int]:
    """Add the places behind stars, which may stand for nothing."""
    for place in tuple(places):
        here = place
        while here < len(tokens) and tokens[here] in (_STAR, _DEEP):
            here += 1
            places.add(here)
    return places


@lru_cache(maxsize=1000)
def _tokens(pattern: str) -> tuple[Token, ...]:
    """Take a pattern apart: stars, and what fits one character."""
    tokens: list[Token] = []
    n = 0
    while n < len(pattern):
        character = pattern[n]
        if character == "*":
            stars = len(pattern[n:]) - len(pattern[n:].lstrip("*"))
            tokens.append(_STAR if stars == 1 else _DEEP)
            n += stars
            continue
        part = re.escape(character)
        n += 1
        if character == "?":
            part = "[^/]"
        elif character == "[":
            part, n = _set(pattern, n)
        elif character == "\\":
            part = re.escape(pattern[n]) if n < len(pattern) else _NEVER
            n += 1
        tokens.append(re.compile(part, re.DOTALL))
    return tuple(tokens)


def _set(pattern: str, n: int) -> tuple[str, int]:
    """Read a set of characters from behind its bracket; one that does not end matches nothing."""
    negated = pattern[n : n + 1] in ("!", "^") and n < len(pattern)
    n += negated
    inside, first = "", True
    while n < len(pattern) and (first or pattern[n] != "]"):
        first = False
        if pattern.startswith("[:", n) and (end := pattern.find(":]", n)) > 0:
            inside += _CLASSES.get(pattern[n + 2 : end], "")
            n = end + 2
            continue
        character, n = _one(pattern, n)
        inside += re.escape(character)
        if pattern[n : n + 1] == "-" and pattern[n + 1 : n + 2] not in ("", "]"):
            to, n = _one(pattern, n + 1)
            inside += f"{re.escape(character)}-{re.escape(to)}" if character <= to else ""
    if n >= len(pattern):
        return _NEVER, n
    if not inside:
        return ("[^/]" if negated else _NEVER), n + 1
    return (f"(?!/)[^{inside}]" if negated else f"(?!/)[{inside}]"), n + 1


def _one(pattern: str, n: int) -> tuple[str, int]:
    if pattern[n] == "\\" and n + 1 < len(pattern):
        n += 1
    return pattern[n], n + 1
