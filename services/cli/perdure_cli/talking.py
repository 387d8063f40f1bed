"""Speaking to the server: finds it, turns what goes wrong into one line and an exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, Final, ParamSpec

import click

from perdure import Client, NoServer, PerdureError, Unauthorized, Unreachable
from perdure_cli.output import Output, json_option
from perdure_cli.printable import printable
from perdure_cli.stops import ServerUnreachable, WrongUse

P = ParamSpec("P")

INTERRUPTED: Final = 130
"""What shells give for a program that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A command's conversation: the server on one side, the person or program on the other."""

    client: Client
    out: Output


def talking(command: Callable[Concatenate[Talk, P], None]) -> Callable[..., None]:
    """Give a command its `Talk`, and the options that say with whom and how."""

    @click.option("--url", metavar="URL", help="Address of the server (default: PERDURE_URL).")
    @click.option("--token", metavar="TOKEN", help="API token (default: PERDURE_TOKEN).")
    @json_option
    @wraps(command)
    def run(
        url: str | None,
        token: str | None,
        as_json: bool,  # noqa: FBT001 - click passes it by name
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        with told_plainly(), Client(url, token) as client:
            command(Talk(client, Output(as_json=as_json)), *args, **kwargs)

    return run


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the client's errors into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        # Not 1: that would say that the run failed, which goes on.
        raise SystemExit(INTERRUPTED) from None
    except (NoServer, Unreachable) as error:
        raise ServerUnreachable(printable(str(error))) from error
    except Unauthorized as error:
        message = f"{error} Give --token or set PERDURE_TOKEN; `perdure token create` makes one."
        raise WrongUse(printable(message)) from error
    except PerdureError as error:
        raise WrongUse(printable(str(error))) from error
