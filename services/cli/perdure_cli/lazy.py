"""A command group that imports a command only when it is called.

So `perdure executor` never loads the api's code nor the other way round, and every start is quick.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click


class Lazy(NamedTuple):
    """Where a command lives, and what the list of commands says about it."""

    target: str
    """`module:attribute` of a click command."""
    short_help: str


class LazyGroup(click.Group):
    """A group whose commands are named, not imported."""

    def __init__(self, *, lazy: Mapping[str, Lazy], name: str, help: str) -> None:  # noqa: A002 - click's name
        super().__init__(name=name, help=help)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order they were written in: the most used first."""
        del ctx
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        lazy = self._lazy.get(cmd_name)
        if lazy is None:
            return None
        module, attribute = lazy.target.split(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            message = f"{lazy.target} is no command"
            raise TypeError(message)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.short_help) for name, lazy in self._lazy.items()])
