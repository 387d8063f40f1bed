"""What rsync's exit codes mean, and which of them may go away by themselves."""

from typing import Final

MEANINGS: Final = {
    1: "rsync did not understand its options.",
    2: "The two versions of rsync do not understand each other.",
    3: "A file or directory that was named cannot be used: is it there, may it be read or written?",
    4: "One side's rsync cannot do what was asked for.",
    5: "The conversation with the other side could not be started.",
    6: "The log file of the other side cannot be written.",
    10: "The connection broke.",
    11: "A file could not be read or written: is the disk full or away?",
    12: "The conversation with the other side broke off.",
    13: "rsync could not report on its own work.",
    14: "Its parts could not talk to each other.",
    15: "A sibling process failed.",
    20: "It was told to end.",
    21: "One of its processes failed in an unknown way.",
    22: "There was not enough memory.",
    23: "Some files could not be copied; the others were.",
    24: "Some files vanished before they could be copied; the others were copied.",
    25: "It stopped deleting at the limit of deletions; everything was copied.",
    30: "Nothing was sent or received for too long.",
    35: "The other side did not answer in time.",
    124: "The command on the other machine failed.",
    125: "The command on the other machine was killed.",
    126: "The command on the other machine cannot be run.",
    127: "There is no rsync on the other machine.",
    255: "ssh could not connect: is the machine there, does its key fit, may this user log in?",
}

INCOMPLETE: Final = frozenset({23, 24})
"""Everything else was copied: failed or partial, as the spec says."""
NETWORK: Final = frozenset({10, 12, 30, 35, 255})
"""Faults of the connection: the same may work a little later."""
NEVER_RETRIED: Final = (1, 2, 3, 4)
"""They come again each time."""
NOT_RETRIED: Final = tuple(sorted(set(MEANINGS) - NETWORK))
"""What the policy of a backup that does not bring one of its own leaves alone."""


def meaning(code: int) -> str:
    """Give an exit code in words."""
    words = MEANINGS.get(code, "rsync does not say what this means.")
    return f"{words} (rsync's exit code {code})"
