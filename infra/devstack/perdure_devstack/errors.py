"""What keeps Perdure from starting.

CannotStart          one line for the person at the terminal; the process ends with code 2
└── ServerDied       a server process ended before it was ready
"""


class CannotStart(Exception):
    """Perdure cannot start; the text says what happened and what to do next."""


class ServerDied(CannotStart):
    """A server process ended before it was ready."""
