"""Start and idle cost of each service."""

import asyncio
import time
from collections.abc import Sequence

from stories_embedded.testing import IsolatedNamespace
from stories_shared.events.cloudevents import SERVICES

from ..bench import Bench
from ..processes import Process, start_service
from ..registry import figure
from ..results import Bound, Result, Sample
from ..services import init

IDLE_S = 5


@figure("start-idle")
async def start_idle(bench: Bench) -> Sequence[Result]:
    """From the start of a process until it is ready; then its idle CPU use and memory."""
    namespace = IsolatedNamespace(bench.servers)
    processes: list[tuple[str, Process, float]] = []
    try:
        for service in SERVICES:
            settings = {**namespace, "MONGO_DATABASE": f"{namespace['MONGO_DATABASE']}-{service}"}
            await init(service, settings)
            began = time.monotonic()
            process = start_service(service, settings)
            processes.append((service, process, 0.0))
            await process.ready()
            processes[-1] = service, process, time.monotonic() - began
        idles = await asyncio.gather(*(process.measure_idle(IDLE_S) for _, process, _ in processes))
        results = []
        for (service, process, took), idle in zip(processes, idles, strict=True):
            bounds = [
                Bound("ready after s", took, 2.0),
                Bound("idle, % of a core", idle * 100, 2.0),
                Bound("MB", process.memory_mb(), 110.0),
            ]
            results.append(Result(f"start-{service}", "starts/s", Sample(1 / took, idle * 1e6)).within(*bounds))
        return results
    finally:
        for _, process, _ in processes:
            process.stop()
