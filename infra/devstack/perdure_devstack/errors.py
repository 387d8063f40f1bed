"""What keeps Perdure from starting.

CannotStart          one line for the person at the terminal; the process ends with code 2
└── ServerDied       a server process ended before it was ready
"""


class CannotStart(Exception):  # noqa: N818 - reads as the sentence it is
    """Perdure cannot start; the text says what happened and what to do next."""


class ServerDied(CannotStart):
    """A server process ended before it was ready."""
