"""What the driver of a batch does with functions: real workers, each for one item after the other."""

import signal
from pathlib import Path

import pytest

from perdure_contract.specs import Json, Retry
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.plan import Functions
from tests.support.driven import Driven, numbers
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

MODULE = """
import os, signal, sys, time
from perdure import Context

def work(n, ctx: Context, *, row=None):
    print("item", n, os.environ["PERDURE_IDEMPOTENCY_KEY"][:0])
    with open(os.environ["MARKED"], "a") as file:
        file.write(f"{n} {os.getpid()} {type(row).__name__}\\n")
    if n == 2: raise ValueError("no two")
    if n == 3: os.kill(os.getpid(), signal.SIGSEGV)
    if n == 4: ctx.skip("is there")
    if n == 5: ctx.filter("not ours")
    if n == 6: os._exit(4)
    if n == 7: sys.exit(5)
    if n == 8: ctx.metrics(cost=2.5)

def wait(n):
    with open(os.environ["MARKED"], "a") as file:
        file.write(f"{n}\\n")
    if n > 1:
        time.sleep(600)
"""


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    (tmp_path / "mine.py").write_text(MODULE)
    return Driven(tmp_path)


def calls(driven: Driven, func: str, **kwargs: Json) -> Functions:
    folder = str(driven.path.parent)
    return Functions(
        func=func, args=("{n}",), kwargs=kwargs, cwd=folder, path=(folder,), allowed=("mine",)
    )


def test_each_item_has_the_fate_of_its_own_call(driven: Driven) -> None:
    items = [ItemToDo(n, f"key {n}", {"n": n, "size": 1.5}) for n in range(1, 10)]
    found = driven.run(items, each=calls(driven, "mine:work", row="{item}"))

    assert {n: (mark.outcome, mark.error) for n, mark in found.items()} == {
        1: ("done", None),
        2: ("failed", "ValueError: no two"),
        3: ("failed", "signal SIGSEGV"),
        4: ("skipped", "is there"),
        5: ("filtered", "not ours"),
        6: ("failed", "exit code 4"),
        7: ("failed", "exit code 5"),
        8: ("done", None),
        9: ("done", None),
    }
    marks = [line.split() for line in driven.marked.read_text().splitlines()]
    pids = [pid for _, pid, _ in marks]
    assert pids[0] == pids[1] == pids[2], "a worker stays while it lives"
    assert len(set(pids)) == 3, "one that died is replaced"
    assert {kind for *_, kind in marks} == {"dict"}
    assert "ValueError: no two" in Path(f"{driven.path}.err").read_text()
    assert {"metrics": {"cost": 2.5}} in driven.said()


def test_what_raises_is_tried_again(driven: Driven) -> None:
    retry = Retry(max_attempts=2, initial_seconds=0.01)
    found = driven.run(numbers(2), each=calls(driven, "mine:work"), retry=retry, concurrency=2)

    assert [(found[n].outcome, found[n].tries) for n in (1, 2)] == [("done", 1), ("failed", 2)]


@pytest.mark.parametrize(
    ("func", "words"),
    [("mine:nothing", "has no nothing"), ("os:getpid", "not in PERDURE_PYTHON_ALLOW")],
)
def test_a_function_that_may_not_be_called_ends_the_batch(
    driven: Driven, func: str, words: str
) -> None:
    assert driven.run(numbers(3), each=calls(driven, func)) == {}
    assert driven.wait() == 1
    assert words in driven.failure()


def test_a_killed_worker_fails_its_item_and_not_the_batch(driven: Driven) -> None:
    driven.start(numbers(1, first=2), each=calls(driven, "mine:wait"))
    eventually(driven.marked.read_text, what="the item is under way")
    for worker in driven.children():
        worker.send_signal(signal.SIGKILL)

    assert driven.wait() == 0
    assert driven.outcomes()[2].error == "signal SIGKILL"


def test_on_term_a_call_is_interrupted_and_its_item_stays_to_be_done(driven: Driven) -> None:
    driven.start(numbers(3), each=calls(driven, "mine:wait"))
    eventually(lambda: len(driven.marked.read_text().split()) == 2, what="the second is under way")
    driven.terminate()

    assert driven.wait() == -signal.SIGTERM
    assert sorted(driven.outcomes()) == [1]
    assert driven.marked.read_text().split() == ["1", "2"]
