"""Waiting for a quiet machine, so that a round does not pay for what was before it."""

import time
from typing import Final

import psutil

QUIET_PERCENT: Final = 12.0
"""Of all cores: less than this is nobody's work."""
LOOK_SECONDS: Final = 0.4
LONGEST_SECONDS: Final = 20.0


def until_quiet() -> None:
    """Wait until the machine has hardly anything to do, or 20 seconds when it never has.

    Peers' scripts wait in the same way before each of their rounds.
    """
    give_up = time.monotonic() + LONGEST_SECONDS
    while psutil.cpu_percent(LOOK_SECONDS) > QUIET_PERCENT and time.monotonic() < give_up:
        pass
