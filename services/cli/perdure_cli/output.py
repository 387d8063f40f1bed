"""What commands print: plain lines and aligned columns for people, JSON for programs."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import click
import msgspec

from perdure_cli.printable import printable

Command = TypeVar("Command", bound=Callable[..., object])

WIDTH_IN_A_PIPE: Final = 100_000
"""Nothing is cut when nobody looks."""


def json_option(command: Command) -> Command:
    """Give a command the option `--json`, as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs to read."
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command says what it found."""

    as_json: bool = False

    @property
    def on_terminal(self) -> bool:
        """Whether a person looks at it, so colours and moving bars make sense."""
        return not self.as_json and sys.stdout.isatty()

    def value(self, value: object) -> None:
        """Print one JSON value on one line."""
        click.echo(msgspec.json.encode(value).decode())

    def line(self, text: str) -> None:
        """Print one line; control characters are made visible on a terminal."""
        click.echo(printable(text) if sys.stdout.isatty() else text)

    def note(self, text: str) -> None:
        """Say something beside the output proper, on standard error."""
        click.echo(printable(text), err=True)

    def told(self, value: object, text: str) -> None:
        """Print a line for people, or the value for programs."""
        if self.as_json:
            self.value(value)
        else:
            self.line(text)

    def listed(
        self,
        value: object,
        heads: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        following: object = None,
    ) -> None:
        """Print a table for people, and where it goes on if it does; or the value for programs."""
        if self.as_json:
            self.value(value)
            return
        self.columns(heads, rows)
        if following is not None:
            self.note(f"There are more: --after {following}")

    def columns(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table; on a terminal the last column is cut to fit."""
        cells = [list(heads), *([printable(_cell(value)) for value in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
        limit = shutil.get_terminal_size().columns if self.on_terminal else WIDTH_IN_A_PIPE
        for row in cells:
            padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo(padded.rstrip()[:limit])

    def facts(self, facts: Sequence[tuple[str, object]]) -> None:
        """Print names and values below each other; those without a value are left out."""
        told = [(name, _cell(value)) for name, value in facts if value not in (None, "", (), {})]
        width = max((len(name) for name, _ in told), default=0)
        for name, value in told:
            self.line(f"{name.ljust(width)}  {value}")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "-"
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value) or "-"
    return str(value)
