"""For You while many stories are live and engaged with, beside the same with few."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count

from stories_embedded.testing import IsolatedNamespace
from stories_feed.store.stories import new_seen_key
from stories_feed.store.story_documents import as_document
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryEngaged, StoryPosted
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Collection, Document

from ..bench import VIEWERS, Bench
from ..load import get_load
from ..registry import figure
from ..results import Bound, Result, compare
from ..services import insert, publishing, services

FEW, MANY, OF_ONE_AUTHOR = 1_000, 100_000, 3
ENGAGEMENTS, A_BATCH = 1_000, 50
PATH = "/v1/for-you?limit=10"


@figure("ranking")
async def ranking(bench: Bench) -> Sequence[Result]:
    """`GET /v1/for-you` at 100,000 live stories with 1,000 engagements a second, beside 1,000 without."""
    many = bench.plan.scaled(MANY, 2 * FEW)
    tokens = [bench.servers.token(f"viewer{n}") for n in range(VIEWERS)]
    async with (
        services(bench, "feed", start=False) as (namespace, large),
        services(bench, "feed", start=False) as (_, small),
    ):
        engaged = await live_stories(large["feed"].mongo["stories"], many)
        await live_stories(small["feed"].mongo["stories"], FEW)
        for running in (large["feed"], small["feed"]):
            await running.start()
        async with engagements(namespace, engaged):
            result = await compare(
                f"for-you-{many}-live",
                "requests/s",
                lambda: get_load(large["feed"].process, PATH, tokens, bench.plan.seconds),
                bench.plan,
                peer=f"{FEW:,} live stories without engagements",
                limit=lambda: get_load(small["feed"].process, PATH, tokens, bench.plan.seconds),
                note=f"{ENGAGEMENTS:,} engagements a second meanwhile, whose handling is in the same process",
            )
    return [result.within(Bound(f"p50 beside that at {FEW:,}", result.p50_ratio, 1.3))]


async def live_stories(collection: Collection, number: int) -> list[StoryPosted]:
    """Stores so many live stories of a third as many authors, and returns a thousand of them."""
    kept: list[StoryPosted] = []

    def documents() -> Iterator[Document]:
        now = system_now()
        for n in range(number):
            story = posted(f"author{n // OF_ONE_AUTHOR}", now - timedelta(seconds=72_000 * n / number), caption="hello")
            if len(kept) < FEW:
                kept.append(story)
            yield {"_id": story.story_id, "seen_key": new_seen_key(), **as_document(story)}

    await insert(collection, documents())
    return kept


@asynccontextmanager
async def engagements(namespace: IsolatedNamespace, stories: Sequence[StoryPosted]) -> AsyncIterator[None]:
    """New totals of reactions, so many a second, inside the block."""

    async def publish() -> None:
        async with publishing(namespace, "engagement") as publisher:
            loop, numbers = asyncio.get_running_loop(), count(1)
            due = loop.time()
            while True:
                at, events = truncate_to_ms(system_now()), list[OutgoingEvent]()
                for _ in range(A_BATCH):
                    number = next(numbers)
                    story = stories[number * 31 % len(stories)]
                    ids = {"story_id": story.story_id, "author_id": story.author_id}
                    events.append(OutgoingEvent(StoryEngaged(**ids, kind="reaction", total=number, seq=number, at=at)))
                await publisher.publish_all(events)
                due += A_BATCH / ENGAGEMENTS
                await asyncio.sleep(max(0.0, due - loop.time()))

    task = asyncio.create_task(publish())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
