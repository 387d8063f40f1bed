"""Texts of a form → numbers, times, JSON values; what cannot be read is collected."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from perdure_api.pages import quantities

_SIZE_NOTE: Final = "Write a size like 512 MB or 2 GB."
_TIME_NOTE: Final = "Write a time like 90 s, 15 min or 2 h."


class Reader:
    """Reads the fields of one form; an empty field counts as its default."""

    def __init__(self, values: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        self._values = values
        self._defaults = defaults
        self.faults: list[tuple[str, str]] = []
        """Fields that could not be read, and why."""

    def wrong(self, name: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append((name, message))

    def text(self, name: str) -> str:
        """Give what was typed, exactly."""
        return self._values[name]

    def given(self, name: str) -> str:
        """Give what was typed without blanks around it, or the default."""
        return self._values[name].strip() or self._defaults[name]

    def whole(self, name: str) -> int:
        """Read a whole number."""
        text = self.given(name).replace("−", "-")
        if re.fullmatch(r"[+-]?\d{1,9}", text) is None:
            self.wrong(name, "Write a whole number.")
            return 1
        return int(text)

    def whole_or_none(self, name: str) -> int | None:
        """Read a whole number; nothing for none."""
        return self.whole(name) if self.given(name) else None

    def wholes(self, name: str) -> list[int]:
        """Read whole numbers with spaces or commas between."""
        words = re.split(r"[\s,]+", self._values[name].strip())
        if any(word and not re.fullmatch(r"\d{1,9}", word) for word in words):
            self.wrong(name, "Write whole numbers with spaces between.")
            return []
        return [int(word) for word in words if word]

    def decimal(self, name: str) -> float:
        """Read a number."""
        text = self.given(name).replace(",", ".")
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) is None:
            self.wrong(name, "Write a number like 2 or 0.5.")
            return 1.0
        return float(text)

    def seconds(self, name: str) -> float | None:
        """Read a time; nothing for none."""
        text = self.given(name)
        value = quantities.read_seconds(text) if text else None
        if text and value is None:
            self.wrong(name, _TIME_NOTE)
        return value

    def bytes(self, name: str) -> int | None:
        """Read a size; nothing for none."""
        text = self.given(name)
        value = quantities.read_bytes(text) if text else None
        if text and value is None:
            self.wrong(name, _SIZE_NOTE)
        return value

    def pairs(self, name: str, words: Sequence[str]) -> dict[str, str]:
        """Read words of the form NAME=value."""
        pairs = {}
        for word in words:
            key, sign, value = word.partition("=")
            if not word.strip():
                continue
            if not sign or not key.strip():
                self.wrong(name, "Write NAME=value.")
                break
            pairs[key.strip()] = value
        return pairs

    def lines(self, name: str) -> list[str]:
        """Give the lines of a text; empty ones at the end are none."""
        lines = self._values[name].split("\n")
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def json(self, name: str, begins: str) -> object | None:
        """Read a text that begins like a JSON list or object; none when it does not, or cannot be read."""
        text = self._values[name].strip()
        if not text.startswith(begins):
            return None
        try:
            return strict_json(text)
        except ValueError as error:
            where = ""
            if isinstance(error, json.JSONDecodeError):
                where = f" at line {error.lineno}, character {error.colno}"
            self.wrong(name, f"This begins like JSON and is none{where}.")
            return [] if begins == "[" else {}


def value_of(text: str) -> Any:  # noqa: ANN401 -- a JSON value
    """Take a text as the JSON value that it is (a number, true, null, "…", […]), else as text."""
    try:
        return strict_json(text)
    except ValueError:
        return text


def text_of(value: object) -> str:
    """Write a JSON value so that `value_of` reads the same again: texts plainly where that can be."""
    if isinstance(value, str) and "\n" not in value and value_of(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def strict_json(text: str) -> object:
    """Read JSON; what only some readers take, like NaN or a depth without end, is a `ValueError`."""

    def refuse(constant: str) -> float:
        message = f"{constant} is not JSON"
        raise ValueError(message)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        message = "too deep"
        raise ValueError(message) from error
