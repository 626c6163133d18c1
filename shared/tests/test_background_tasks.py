"""Background tasks restart after a failure and end when they are stopped."""

import asyncio

from stories_shared.runtime.background_tasks import TaskSupervisor
from stories_shared.testing import eventually


async def test_task_restarts_after_an_error_and_a_leaked_cancellation():
    iterations, supervisor = 0, TaskSupervisor()

    async def run() -> None:
        nonlocal iterations
        iterations += 1
        if iterations == 1:
            raise ValueError("a bad iteration")
        if iterations == 2:
            leaked = asyncio.create_task(asyncio.sleep(60))
            leaked.cancel()
            await leaked
        await asyncio.sleep(60)

    supervisor.background_task("unlucky", run)
    supervisor.start()
    try:
        await eventually(lambda: iterations == 3)
    finally:
        tasks = supervisor._tasks
        await supervisor.stop()
    assert all(task.cancelled() for task in tasks)
    assert iterations == 3
