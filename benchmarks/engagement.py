"""A running engagement service, stories in it, and their views."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from stories_engagement.settings import EngagementSettings
from stories_engagement.store.schema import viewing_id
from stories_engagement.testing.builders import a_story
from stories_shared.auth.tickets import Tickets
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted, StoryViewed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.mongo.client import Document
from stories_shared.testing import eventually

from .bench import Bench
from .results import Cost, Sample
from .services import Running, publishing, ready_to_send, services, settings_of, total

ROWS = 1_000


@asynccontextmanager
async def engagement(bench: Bench, **changes: str) -> AsyncIterator["Engagement"]:
    """The service with these settings, on a namespace of its own."""
    async with (
        services(bench, "engagement", start=True, **changes) as (namespace, running),
        publishing(namespace, "ingest") as publisher,
    ):
        await running["engagement"].mongo.ensure("bare")
        yield Engagement(running["engagement"], publisher)


class Engagement:
    """The service, and what publishes to it."""

    def __init__(self, service: Running, publisher: Publisher) -> None:
        self.process, self.mongo, self.mongod = service.process, service.mongo, service.mongod
        self.publisher = publisher
        settings = settings_of("engagement", service.settings)
        assert isinstance(settings, EngagementSettings)
        self.kafka, self.tickets = Kafka.of(settings), Tickets(settings.ticket_secrets)

    async def stories(self, number: int, **fields: Any) -> list[StoryPosted]:
        """New stories that the service has consumed."""
        stories = [a_story(f"author{n}", **fields) for n in range(number)]
        await self.publisher.publish_all([OutgoingEvent(story) for story in stories])
        ids = [story.story_id for story in stories]

        async def stored() -> bool:
            return await self.mongo["stories"].count_documents({"_id": {"$in": ids}}) == number

        await eventually(stored, within_s=60)
        return stories

    def records(self, stories: Sequence[StoryPosted], number: int, *, zipf: bool = False) -> list[ProducerRecord]:
        """Views by new viewers; with ``zipf`` a story's share falls with its rank."""
        at = truncate_to_ms(system_now())
        chosen = zipf_ranks(len(stories), number) if zipf else [n % len(stories) for n in range(number)]
        return [
            self.publisher.record_of(
                OutgoingEvent(
                    StoryViewed(
                        story_id=stories[n].story_id,
                        author_id=stories[n].author_id,
                        viewer_id=f"viewer-{new_id()}",
                        play_id=new_id(),
                        viewed_at=at,
                        watched_ms=900,
                    )
                )
            )
            for n in chosen
        ]

    async def counted(self, stories: Sequence[StoryPosted], records: Sequence[ProducerRecord], expected: int) -> Sample:
        """Produce the records in ready batches, and wait until the counters hold exactly the expected number."""
        ids = [story.story_id for story in stories]
        async with ready_to_send(self.kafka, records) as send:
            cost = Cost(self.process.cpu_s, self.mongod.cpu_s)
            await send()
            counted = await eventually(
                lambda: total(self.mongo, "views", ids, "viewers"), 600, accept=lambda number: number >= expected
            )
            sample = cost.sample(len(records))
        if counted != expected:
            raise RuntimeError(f"{counted} views are counted instead of {expected}")
        return sample

    async def inserted(self, number: int) -> Sample:
        """Bare inserts of the rows that so many views need, a thousand each."""
        story, at = new_id(), truncate_to_ms(system_now())
        rows: list[Document] = []
        for _ in range(number):
            viewer, play = f"viewer-{new_id()}", new_id()
            fields = {"at": at, "listed": True, "count": 1, "plays": {play: [at, 900, False, 0, 0, 0]}}
            rows.append({"_id": viewing_id(story, viewer), "story_id": story, "viewer_id": viewer, **fields})
        cost = Cost(time.process_time, self.mongod.cpu_s)
        for first in range(0, number, ROWS):
            await self.mongo["bare"].insert_many(rows[first : first + ROWS])
        return cost.sample(number)


def viewer_rows(story_ids: Sequence[str], viewers: int, plays: int = 1) -> Iterator[Document]:
    """The rows that so many viewers of each story leave."""
    at = truncate_to_ms(system_now())
    played = {f"play-{number:04}": [at, 900, number == 0, 0, 0, 0] for number in range(plays)}
    for story in story_ids:
        for n in range(viewers):
            ids = {"_id": viewing_id(story, f"viewer{n}"), "story_id": story, "viewer_id": f"viewer{n}"}
            yield {**ids, "at": at, "listed": True, "follower": n % 2 == 0, "count": plays, "plays": played}


def zipf_ranks(stories: int, number: int) -> list[int]:
    """Ranks whose frequency is proportional to one over the rank, without randomness."""
    total = sum(1 / rank for rank in range(1, stories + 1))
    ranks = [rank - 1 for rank in range(1, stories + 1) for _ in range(max(1, round(number / rank / total)))]
    ranks = (ranks + [0] * number)[:number]
    return [ranks[index * 7919 % number] for index in range(number)] if number % 7919 else ranks
