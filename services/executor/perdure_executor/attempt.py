"""One attempt as a state machine: when it is ended, how, and what came of it. Pure.

    running ──ask / deadline──► terminating ──grace over──► killing ──tree gone──► ended
       └───────────────────── the program ends by itself ──────────┘

The keeper asks it which signal is due, the agent asks it for the outcome. It knows no clock and does
no I/O, and it imports nothing, because the keeper must stay small.
"""

CANCEL = "cancel"
TIMEOUT = "timeout"
LEASE = "lease"
MEMORY = "memory"
STOP = "stop"
REVOKE = "revoke"

TERM = "TERM"
KILL = "KILL"

RUNNING = "running"
TERMINATING = "terminating"
KILLING = "killing"
ENDED = "ended"


class Attempt:
    """Decides about one attempt; every time is in seconds on one clock, given by the caller."""

    __slots__ = ("_announced", "_grace", "_kill_at", "_timeout_at", "_until_lease", "phase", "why")

    def __init__(
        self,
        now: float,
        *,
        timeout: float | None = None,
        grace: float = 10.0,
        until_lease: bool = True,
    ) -> None:
        """Start it.

        Args:
            now: when the program started.
            timeout: seconds it may run; none for as long as it likes.
            grace: seconds between TERM and KILL.
            until_lease: whether it is ended when the executor's lease is over.
        """
        self.phase = RUNNING
        self.why: str | None = None
        self._timeout_at = None if timeout is None else now + timeout
        self._grace = grace
        self._until_lease = until_lease
        self._kill_at: float | None = None
        self._announced: str | None = None

    def ask_end(self, now: float, why: str, grace: float | None = None) -> None:
        """End it: TERM now, KILL after the grace. The first reason stays; a shorter grace wins."""
        if self.phase == ENDED:
            return
        if self.phase == RUNNING:
            self.why = why
            self.phase = TERMINATING
        if self.phase == TERMINATING:
            kill_at = now + (self._grace if grace is None else grace)
            self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
            if kill_at <= now:
                self.phase = KILLING

    def program_ended(self) -> None:
        """The program itself is gone. What it left gets the rest of a grace that runs, else none."""
        if self.phase == RUNNING:
            self.phase = KILLING

    def tree_gone(self) -> None:
        """No process is left."""
        self.phase = ENDED

    def step(self, now: float, lease_until: float) -> str | None:
        """Give the signal that is due now: TERM once, KILL each time until the tree is gone."""
        if self._until_lease and now >= lease_until and self.phase in (RUNNING, TERMINATING):
            self.ask_end(now, LEASE, 0)
        if self.phase == RUNNING and self._timeout_at is not None and now >= self._timeout_at:
            self.ask_end(now, TIMEOUT)
        if self.phase == TERMINATING and self._kill_at is not None and now >= self._kill_at:
            self.phase = KILLING
        if self.phase == KILLING:
            self._announced = KILL
            return KILL
        if self.phase == TERMINATING and self._announced is None:
            self._announced = TERM
            return TERM
        return None

    def wake_at(self, lease_until: float) -> float | None:
        """Give the time at which `step` wants to be asked again, or none."""
        due = [self._kill_at] if self.phase == TERMINATING else []
        if self.phase == RUNNING:
            due.append(self._timeout_at)
        if self._until_lease and self.phase in (RUNNING, TERMINATING):
            due.append(lease_until)
        known = [moment for moment in due if moment is not None]
        return min(known) if known else None


class Outcome:
    """What came of an attempt: the words of its last report."""

    __slots__ = ("exit_code", "message", "outcome", "reason", "signal")

    def __init__(
        self,
        outcome: str,
        reason: str | None = None,
        message: str = "",
        exit_code: int | None = None,
        signal: str | None = None,
    ) -> None:
        """Take the words as they are; `outcome` is completed, failed, cancelled, released or gone."""
        self.outcome = outcome
        self.reason = reason
        self.message = message
        self.exit_code = exit_code
        self.signal = signal


def outcome_of(
    *,
    why: str | None,
    exit_code: int | None,
    signal: str | None,
    rejected: str | None = None,
    broken: str | None = None,
    timeout: float | None = None,
    memory_bytes: int | None = None,
) -> Outcome:
    """Say what came of an attempt whose processes are gone.

    Args:
        why: what ended it, when it did not end by itself.
        exit_code: of the program, when it exited.
        signal: name of the signal that ended the program, if one did.
        rejected: why it could not be started.
        broken: what broke on our side.
        timeout: its limit in seconds, for the words.
        memory_bytes: its limit, for the words.
    """
    if why in (LEASE, REVOKE):
        return Outcome("gone")
    if why == CANCEL:
        return Outcome("cancelled", exit_code=exit_code, signal=signal)
    if why == STOP:
        return Outcome("released")
    if rejected is not None:
        return Outcome("failed", "rejected", rejected)
    if broken is not None:
        return Outcome("failed", "error", broken)
    if why == TIMEOUT:
        words = f"It still ran after {timeout or 0:g} s, its time limit, and was ended."
        return Outcome("failed", "timeout", words, exit_code, signal)
    if why == MEMORY:
        words = f"It used more memory than its limit of {memory_bytes or 0} bytes and was ended."
        return Outcome("failed", "signal", words, exit_code, signal or "SIGKILL")
    if signal is not None:
        words = f"The program was ended by {signal}."
        if signal == "SIGKILL":
            words += " Somebody sent it, or the system ran out of memory."
        return Outcome("failed", "signal", words, None, signal)
    if exit_code == 0:
        return Outcome("completed", exit_code=0)
    return Outcome("failed", "exit", f"The program ended with exit code {exit_code}.", exit_code)
