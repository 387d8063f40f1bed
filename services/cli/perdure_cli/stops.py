"""How a command ends other than well: one plain line, and one of the documented exit codes.

ClickException
├── RunFailed            1  the run that was followed did not complete
├── NotWhole             1  what was verified is not what it should be
├── NotMeasured          1  a measure could not be taken
├── WrongUse             2  wrong use, cannot start, or the server refused
└── ServerUnreachable    3  nobody answers at the server's address
"""

from typing import ClassVar

import click


class RunFailed(click.ClickException):
    """The run that was followed did not complete."""

    exit_code: ClassVar[int] = 1


class NotWhole(click.ClickException):
    """What was verified is not what it should be."""

    exit_code: ClassVar[int] = 1


class NotMeasured(click.ClickException):
    """A measure could not be taken; the others were."""

    exit_code: ClassVar[int] = 1


class WrongUse(click.ClickException):
    """Wrong use, something that cannot start, or a refusal of the server."""

    exit_code: ClassVar[int] = 2


class ServerUnreachable(click.ClickException):
    """Nobody answers at the server's address."""

    exit_code: ClassVar[int] = 3
