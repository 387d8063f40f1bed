"""The options that make up a run's retry policy and its limits."""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar, get_args

import click
import msgspec

from perdure_cli.quantities import DURATION, SIZE
from perdure_cli.stops import WrongUse
from perdure_contract.specs import Limits, Retry, RetryReason

T = TypeVar("T")

REASONS: Final = get_args(RetryReason)

Option = Callable[[Callable[..., None]], Callable[..., None]]

RETRY: Final[dict[str, Option]] = {
    "max_attempts": click.option("--max-attempts", type=int, help="Tries in all (default 1)."),
    "initial_seconds": click.option(
        "--retry-wait", "initial_seconds", type=DURATION, help="Wait before the second try (1s)."
    ),
    "factor": click.option(
        "--retry-factor", "factor", type=float, help="How much longer each next wait is (2)."
    ),
    "max_seconds": click.option(
        "--retry-max-wait", "max_seconds", type=DURATION, help="The longest wait (60s)."
    ),
    "jitter": click.option(
        "--retry-jitter", "jitter", type=float, help="Share by which a wait varies (0.1)."
    ),
    "on": click.option(
        "--retry-on", "on", multiple=True, type=click.Choice(REASONS), help="Reasons to try again."
    ),
    "not_exit_codes": click.option(
        "--no-retry-exit", "not_exit_codes", multiple=True, type=int, metavar="CODE",
        help="Exit code that no retry mends.",
    ),
}  # fmt: skip

LIMITS: Final[dict[str, Option]] = {
    "timeout_seconds": click.option(
        "--timeout", "timeout_seconds", type=DURATION, help="End an attempt after this time."
    ),
    "stuck_after_seconds": click.option(
        "--stuck-after", "stuck_after_seconds", type=DURATION,
        help="End an attempt that shows no sign of progress for so long.",
    ),
    "grace_seconds": click.option(
        "--grace", "grace_seconds", type=DURATION, help="From TERM to KILL (10s)."
    ),
    "memory_bytes": click.option(
        "--memory", "memory_bytes", type=SIZE, help="Memory of all its processes together."
    ),
    "log_bytes": click.option(
        "--log-bytes", "log_bytes", type=SIZE, help="Output kept, head and tail (50M)."
    ),
    "when_cut_off": click.option(
        "--when-cut-off", "when_cut_off", type=click.Choice(["end", "continue"]),
        help="What an executor without a connection does with it (end).",
    ),
}  # fmt: skip


def policies(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `retry` and `limits`, each none when no option of it was given."""

    @wraps(command)
    def run(**given: object) -> None:
        retry = _taken(given, RETRY, Retry)
        limits = _taken(given, LIMITS, Limits)
        command(retry=retry, limits=limits, **given)

    decorated: Callable[..., None] = run
    for option in reversed([*RETRY.values(), *LIMITS.values()]):
        decorated = option(decorated)
    return decorated


def _taken(given: dict[str, object], options: dict[str, Option], kind: type[T]) -> T | None:
    values = {name: given.pop(name) for name in options}
    wanted = {name: value for name, value in values.items() if value not in (None, ())}
    try:
        return msgspec.convert(wanted, kind) if wanted else None
    except msgspec.ValidationError as error:
        raise WrongUse(str(error)) from error
