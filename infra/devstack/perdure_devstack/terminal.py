"""What the person at the terminal reads: one line a fact."""

import sys
from contextlib import suppress


def say(line: str) -> None:
    """Print a line at once; a terminal that was closed is no reason to stop."""
    with suppress(OSError, ValueError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
