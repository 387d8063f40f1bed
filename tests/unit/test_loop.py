"""A background duty: woken, failed, stopped."""

import asyncio

import pytest

from perdure_runtime.loop import Loop

pytestmark = pytest.mark.asyncio


async def test_a_stop_that_comes_with_a_wake_is_a_stop() -> None:
    async def tick() -> float:
        return 60

    for _ in range(50):
        loop = Loop("sleeper", tick)
        task = asyncio.ensure_future(loop.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loop.wake()
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done, "the duty went on"
        assert task.cancelled()


async def test_a_duty_that_fails_is_tried_again() -> None:
    tries = 0
    again = asyncio.Event()

    async def tick() -> float:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError
        again.set()
        return 60

    task = asyncio.ensure_future(Loop("faulty", tick).run())
    async with asyncio.timeout(5):
        await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert tries == 2
