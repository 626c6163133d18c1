"""A whole service process, served as in production, in which one task stalls on command; see test_watchdog."""

import asyncio
import sys
import time
from datetime import timedelta

from fastapi import FastAPI
from faststream.kafka import KafkaRouter
from stories_shared.events import StoryErased
from stories_shared.kafka.subscriber import Batch, for_each_event, subscribe
from stories_shared.runtime import background_tasks, consumer_monitor, watchdog
from stories_shared.runtime.logging import configure
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.runtime.server import serve
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.settings import Settings, load

# The same checks with thresholds of seconds instead of minutes.
consumer_monitor.STALLED_AFTER_S = consumer_monitor.MAX_BATCH_AGE_S = background_tasks.STALLED_AFTER_S = 4.0
watchdog.BLOCKED_AFTER_S, watchdog.STALLED_FOR_S = 4.0, 2.0


class Process:
    """The service; `what` stalls in it as soon as the first record is handled."""

    def __init__(self, what: str, settings: Settings) -> None:
        self.what = what
        self.stalling = False
        self.base = ServiceRuntime("expiry", settings, MetricsRegistry())
        self.events = KafkaRouter()

        @subscribe(self.events, StoryErased, service="expiry")
        async def on_story_erased(batch: Batch) -> None:
            await for_each_event(batch, StoryErased, self.handle)

        (self.subscriber,) = self.events.subscribers
        self.base.periodic("sweep", timedelta(seconds=0.1), self.iterate)

    def app(self) -> FastAPI:
        app = self.base.app("Stalling", self.events)
        poll = self.subscriber.get_msg

        async def poll_until_stalled(consumer):
            return await (poll(consumer) if not (self.stalling and self.what == "polling") else for_ever())

        self.subscriber.get_msg = poll_until_stalled
        return app

    async def handle(self, _event: StoryErased) -> None:
        self.stalling = True
        if self.what == "handler":
            await for_ever()
        if self.what == "event loop":
            time.sleep(600)  # noqa: ASYNC251 - that is what is tested

    async def iterate(self) -> None:
        if self.stalling and self.what == "sweep":
            await for_ever()


async def for_ever() -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    configure("expiry")
    given = load(Settings)
    serve(lambda: Process(sys.argv[1], given).app(), given)
