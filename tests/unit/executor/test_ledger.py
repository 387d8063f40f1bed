"""What follows from a round happens once the round is remembered; when it cannot, the agent ends."""

from pathlib import Path

import pytest

from perdure_executor.ledger import Ledger
from perdure_executor.spool import Spool


def fail(ledger: Ledger) -> None:
    """Remember something and do what follows from it in vain."""

    def act() -> None:
        raise OSError("out of descriptors")

    with ledger.round():
        ledger.spool.set_note("told", "yes")
        ledger.later(act)


def fail_before(ledger: Ledger, done: list[str]) -> None:
    """Fail before anything of the round is remembered."""
    with ledger.round():
        ledger.spool.set_note("told", "yes")
        ledger.later(lambda: done.append("said"))
        raise ValueError("in the middle")


async def test_what_was_put_off_and_fails_ends_the_agent_for_its_successor_to_go_on(
    tmp_path: Path,
) -> None:
    ledger = Ledger(Spool(tmp_path), lambda _: None)
    with pytest.raises(OSError, match="out of descriptors"):
        fail(ledger)

    with pytest.raises(OSError, match="out of descriptors"):
        await ledger.fails()
    ledger.spool.close()
    successor = Spool(tmp_path)
    assert successor.note("told") == "yes"
    successor.close()


async def test_nothing_is_said_of_a_round_that_failed_and_the_agent_ends(tmp_path: Path) -> None:
    ledger = Ledger(Spool(tmp_path), lambda _: None)
    done: list[str] = []
    with pytest.raises(ValueError, match="in the middle"):
        fail_before(ledger, done)
    with ledger.round():
        pass

    assert done == []
    assert ledger.spool.note("told") is None
    with pytest.raises(ValueError, match="in the middle"):
        await ledger.fails()
    ledger.spool.close()
