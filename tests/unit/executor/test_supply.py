"""Which item of a batch comes next, and after how long a failed one comes again."""

import io

import msgspec
import pytest

from perdure_contract.specs import Retry
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.supply import MOST_WAITING, Ending, Supply, Task, wait_seconds

FAILED = Ending("failed", "exit code 3", "exit", 3)


def supply(count: int, **policy: object) -> Supply:
    lines = msgspec.json.Encoder().encode_lines(
        [ItemToDo(n, str(n), n) for n in range(1, count + 1)]
    )
    retry = msgspec.convert({"max_attempts": 3, "jitter": 0, **policy}, Retry)
    return Supply(io.BufferedReader(io.BytesIO(lines)), retry)


def taken(source: Supply, now: float) -> Task:
    task = source.take(now)
    assert task is not None
    task.tries += 1
    return task


def test_items_come_once_and_in_order() -> None:
    source = supply(3)

    assert [taken(source, 0).item.ordinal for _ in range(3)] == [1, 2, 3]
    assert source.take(0) is None
    assert source.empty


def test_a_failed_one_comes_again_after_its_wait_and_not_before() -> None:
    source = supply(2)
    first = taken(source, 0)
    assert source.try_again(first, FAILED, 10)

    assert source.wake_at() == 11
    assert taken(source, 10.9).item.ordinal == 2
    assert source.take(10.9) is None
    assert not source.empty
    assert taken(source, 11) is first
    assert source.try_again(first, FAILED, 20)
    assert source.wake_at() == 22
    assert taken(source, 22).tries == 3
    assert not source.try_again(first, FAILED, 30)
    assert source.empty


@pytest.mark.parametrize(
    ("ending", "policy", "again"),
    [
        (FAILED, {}, True),
        (FAILED, {"on": ["signal"]}, False),
        (FAILED, {"not_exit_codes": [3]}, False),
        (FAILED, {"max_attempts": 1}, False),
        (Ending("failed", "cannot be started"), {}, False),
        (Ending("failed", "signal SIGKILL", "signal"), {"not_exit_codes": [3]}, True),
    ],
)
def test_the_policy_says_what_is_tried_again(
    ending: Ending, policy: dict[str, object], *, again: bool
) -> None:
    source = supply(1, **policy)

    assert source.try_again(taken(source, 0), ending, 0) is again


def test_with_very_many_waiting_no_new_one_is_begun() -> None:
    source = supply(MOST_WAITING + 1, initial_seconds=5)
    for _ in range(MOST_WAITING):
        source.try_again(taken(source, 0), FAILED, 0)

    assert source.take(4.9) is None
    assert taken(source, 5).item.ordinal == 1
    assert taken(source, 4.9).item.ordinal == MOST_WAITING + 1


@pytest.mark.parametrize(
    ("policy", "tries", "spread", "seconds"),
    [
        (Retry(), 1, 0, 1),
        (Retry(), 4, 0, 8),
        (Retry(), 9, 0, 60),
        (Retry(), 1, -1, 0.9),
        (Retry(factor=100), 1000, 0, 60),
        (Retry(initial_seconds=0, factor=100), 1000, 0, 0),
    ],
)
def test_the_wait_grows_up_to_its_bound(
    policy: Retry, tries: int, spread: float, seconds: float
) -> None:
    assert wait_seconds(policy, tries, spread) == pytest.approx(seconds)
