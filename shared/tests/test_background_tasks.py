"""Loops go on after whatever came out of a turn, and end when they are told to."""

import asyncio

from stories_shared.runtime.background_tasks import TaskSupervisor
from stories_shared.testing import eventually


async def test_a_loop_goes_on_after_a_failure_and_after_a_cancellation_that_nobody_asked_for():
    turns, loops = 0, TaskSupervisor()

    async def run() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise ValueError("a bad turn")
        if turns == 2:
            leaked = asyncio.create_task(asyncio.sleep(60))
            leaked.cancel()
            await leaked
        await asyncio.sleep(60)

    loops.background_task("unlucky", run)
    loops.start()
    try:
        await eventually(lambda: turns == 3)
        assert loops.loops[0].failing_since is not None
    finally:
        tasks = loops._tasks
        await loops.stop()
    assert all(task.cancelled() for task in tasks)
    assert turns == 3
