"""What can go wrong in an executor: all are `ExecutorError`, and their text is for people.

- `CannotStart`: wrong settings, spool in use, name taken. Exit 2 with its words.
- `NoAnswer`: the api did not answer, so ask again later.
- `InputGone`: a script or input was deleted or is damaged, so the attempt is rejected.
- `Rejected`: this executor may not or cannot start the run.
- `SpoolBroken`: the disk is full or failing. The agent ends, its successor reads what is there.
"""


class ExecutorError(Exception):
    """Anything below; its text is for people."""


class CannotStart(ExecutorError):
    """The executor cannot run at all, and trying again would not help."""


class NoAnswer(ExecutorError):
    """Nobody answered, or said "not now"."""

    def __init__(self, why: str, retry_after_seconds: float = 0.5) -> None:
        """Say why, and after how long it is worth asking again."""
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class InputGone(ExecutorError):
    """Something that a run needs from the blob table is not there."""


class Rejected(ExecutorError):
    """The run cannot be started here; it is not tried again."""


class SpoolBroken(ExecutorError):
    """Nothing can be remembered any more."""

    def __init__(self, why: object) -> None:
        """Say why, and what to do."""
        super().__init__(f"The spool cannot be written ({why}): make room, and start again.")
