"""Durations, sizes, moments, pairs and values as people type them."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)((?:[kmg]i?)?)b?")


class Duration(click.ParamType[float]):
    """A length of time, in seconds or with a unit: `90`, `1.5h`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Give seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no duration: write 90, 5m, 1.5h or 2d.", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class Size(click.ParamType[int]):
    """A number of bytes, plain or with a unit: `500M`, `2GiB`."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Give bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no size: write 1000000, 500M or 2GiB.", param, ctx)
        return int(float(match[1]) * _BYTES[match[2]])


class Moment(click.ParamType[str]):
    """A point in time: RFC 3339 with its zone, or from now on: `+30s`."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Give RFC 3339 in UTC."""
        text = str(value).strip()
        if text.startswith("+"):
            ahead = timedelta(seconds=DURATION.convert(text[1:], param, ctx))
            return _utc(datetime.now(UTC) + ahead)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(
                f"{value!r} is no moment: write 2030-01-31T02:30:00Z, or +30s for 30 s from now.",
                param,
                ctx,
            )
        return _utc(moment)


class Pair(click.ParamType[tuple[str, str]]):
    """A name and a value: `site=b`."""

    name = "name=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Give name and value."""
        name, equals, rest = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is no pair: write NAME=VALUE.", param, ctx)
        return name, rest


def value_of(text: str) -> object:
    """Give a value of JSON, or the text itself when it is none: `3`, `[1,2]`, `north`, `"3"`."""
    try:
        return json.loads(text)
    except ValueError:
        return text


DURATION: Final = Duration()
SIZE: Final = Size()
MOMENT: Final = Moment()
PAIR: Final = Pair()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
