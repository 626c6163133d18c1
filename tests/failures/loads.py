"""Load for each service: records whose processing leaves traces in the stores, and writes over HTTP."""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

import httpx
from aiokafka import TopicPartition
from stories_shared.clock import system_now
from stories_shared.events import Event, Media, StoryDeleted, StoryErased, StoryPosted, StoryViewed, UserFollowed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.log_tail import committed_offsets
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Collection, Mongo
from stories_shared.testing import records_of

from .fleet import Fleet

CHUNK = 500
UNDER_WAY = 150


class Load(ABC):
    """The load of one service."""

    service: ClassVar[str]
    event: ClassVar[type[Event]]
    count: ClassVar[int]
    source: ClassVar[str] = "/somebody/outside"

    def __init__(self, fleet: Fleet, kafka: Kafka, publisher: Publisher, mongo: Mongo) -> None:
        self.fleet = fleet
        self.kafka = kafka
        self.publisher = publisher
        self.mongo = mongo

    @classmethod
    @asynccontextmanager
    async def on(cls, fleet: Fleet) -> AsyncIterator["Load"]:
        """A load with its connections."""
        kafka = Kafka(fleet.namespace["KAFKA_BOOTSTRAP_SERVERS"], fleet.namespace.prefix)
        publisher = Publisher(kafka, cls.source)
        mongo = Mongo.connect(fleet.namespace["MONGO_URL"], fleet.database(cls.service))
        await publisher.start()
        try:
            yield cls(fleet, kafka, publisher, mongo)
        finally:
            await publisher.stop()
            await mongo.close()

    @property
    def group(self) -> str:
        """The consumer group of the records."""
        return self.kafka.topic(f"{self.service}.{self.event.topic}")

    @abstractmethod
    def records(self) -> Sequence[Event]:
        """Distinct records, each of which leaves its own trace."""

    @abstractmethod
    async def done(self) -> set[str]:
        """The traces in the stores; a duplicate is an error."""

    @abstractmethod
    async def write(self, fleet: Fleet, user: str, http: httpx.AsyncClient) -> httpx.Response:
        """A request that changes something for this user only."""

    @abstractmethod
    async def written(self, fleet: Fleet, user: str) -> bool:
        """Whether the write has taken effect."""

    async def publish(self) -> None:
        """Publish all records."""
        records = self.records()
        for begin in range(0, len(records), CHUNK):
            await self.publisher.publish_all([OutgoingEvent(record) for record in records[begin : begin + CHUNK]])

    async def handled(self) -> int:
        """How many records this process has processed, according to its metrics."""
        series = f'stories_event_age_seconds_count{{group="{self.group}",topic="{self.event.topic}"}}'
        found = re.findall(rf"{re.escape(series)} (\S+)", await self.fleet.metrics(self.service))
        return int(sum(map(float, found)))

    async def under_way(self) -> bool:
        """Whether it is in the middle of the records: traces appear within a batch, not at its end."""
        return await self.traces() >= UNDER_WAY

    async def traces(self) -> int:
        """The number of traces."""
        return len(await self.done())

    async def acknowledged(self) -> dict[int, int]:
        """The committed offsets of the group on the broker."""
        found = await committed_offsets(self.kafka, {f"{self.service}.{self.event.topic}": self.event.topic})
        return {partition: offset for (_, partition), offset in found.items() if offset}

    async def end(self) -> int:
        """The number of records in the topic."""
        return sum((await self.ends(self.event)).values())

    async def ends(self, event: type[Event]) -> dict[TopicPartition, int]:
        """The end offset of each partition of a topic."""
        reader = self.kafka.reader()
        await reader.start()
        try:
            topic, count = self.kafka.topic(event.topic), int(self.fleet.namespace["TOPIC_PARTITIONS"])
            found: dict[TopicPartition, int] = await reader.end_offsets(
                [TopicPartition(topic, n) for n in range(count)]
            )
        finally:
            await reader.stop()
        return found


async def once_each(collection: Collection, query: dict[str, Any], field: str) -> set[str]:
    """The values of a field in documents, each exactly once."""
    found = [document[field] for document in await collection.find(query, {field: 1}).to_list(None)]
    assert len(found) == len(set(found))
    return set(found)


class OfIngest(Load):
    """Deleted stories: their objects are erased, and `story-erased` is published."""

    service = "ingest"
    event = StoryDeleted
    count = 1_000

    def records(self) -> Sequence[Event]:
        return [StoryDeleted(story_id=new_id(), deleted_at=system_now(), by="admin") for _ in range(self.count)]

    async def done(self) -> set[str]:
        found = [record.key.decode() for record in await records_of(self.kafka, StoryErased.topic)]
        assert len(found) == len(set(found)), "a story's media were erased twice"
        return set(found)

    async def traces(self) -> int:
        return sum((await self.ends(StoryErased)).values())

    async def write(self, fleet: Fleet, user: str, http: httpx.AsyncClient) -> httpx.Response:
        draft = {"media": {"content_type": "image/jpeg", "size": 100}}
        return await fleet.call(self.service, "POST", "/v1/stories", user, http=http, json=draft)

    async def written(self, fleet: Fleet, user: str) -> bool:
        return bool((await fleet.done(self.service, "GET", "/v1/me/stories", user)).json()["items"])


class OfFeed(Load):
    """Follows of a host application."""

    service = "feed"
    event = UserFollowed
    count = 4_000

    def records(self) -> Sequence[Event]:
        now = system_now()
        return [UserFollowed(user_id=f"fan-{n}", target_id=f"star-{n % 7}", at=now) for n in range(self.count)]

    async def done(self) -> set[str]:
        return await once_each(self.mongo["edges"], {"kind": "follow"}, "user")

    async def write(self, fleet: Fleet, user: str, http: httpx.AsyncClient) -> httpx.Response:
        return await fleet.call(self.service, "PUT", "/v1/muted/eve", user, http=http)

    async def written(self, fleet: Fleet, user: str) -> bool:
        return bool((await fleet.done(self.service, "GET", "/v1/muted", user)).json()["items"])


class OfEngagement(Load):
    """Views of a few stories by many users."""

    service = "engagement"
    event = StoryViewed
    count = 4_000
    stories = tuple(new_id() for _ in range(12))

    def records(self) -> Sequence[Event]:
        ids, now = self.stories, system_now()
        return [StoryViewed(story_id=ids[n % len(ids)], viewer_id=f"fan-{n}", viewed_at=now) for n in range(self.count)]

    async def publish(self) -> None:
        ingest = Publisher(self.kafka, "ingest")
        await ingest.publish_all([OutgoingEvent(story(story_id)) for story_id in self.stories])
        await ingest.stop()
        await super().publish()

    async def done(self) -> set[str]:
        return await once_each(self.mongo["viewers"], {}, "viewer_id")

    async def write(self, fleet: Fleet, user: str, http: httpx.AsyncClient) -> httpx.Response:
        words = {"words": ["never"]}
        return await fleet.call(self.service, "PUT", "/v1/me/hidden-words", user, http=http, json=words)

    async def written(self, fleet: Fleet, user: str) -> bool:
        return bool((await fleet.done(self.service, "GET", "/v1/me/hidden-words", user)).json()["words"])


class OfExpiry(Load):
    """Deleted stories: each gets a receipt that the stores have to confirm."""

    service = "expiry"
    event = StoryDeleted
    count = 2_000

    def records(self) -> Sequence[Event]:
        return [StoryDeleted(story_id=new_id(), deleted_at=system_now(), by="admin") for _ in range(self.count)]

    async def done(self) -> set[str]:
        return await once_each(self.mongo["stories"], {}, "_id")

    async def write(self, fleet: Fleet, user: str, http: httpx.AsyncClient) -> httpx.Response:
        return await fleet.call(self.service, "POST", f"/v1/admin/users/{user}/erasure", "root", http=http)

    async def written(self, fleet: Fleet, user: str) -> bool:
        path = f"/v1/admin/users/{user}/erasure"
        return (await fleet.call(self.service, "GET", path, "root")).status_code == httpx.codes.OK


def story(story_id: str) -> StoryPosted:
    """A story that lives for a day."""
    now = system_now()
    return StoryPosted(
        story_id=story_id,
        author_id="ann",
        posted_at=now,
        expires_at=now + timedelta(days=1),
        kind="photo",
        media=Media(
            key=f"stories/{story_id}/photo.jpg",
            poster_key=f"stories/{story_id}/poster.jpg",
            content_type="image/jpeg",
            size=1_000,
            width=108,
            height=192,
        ),
    )


LOADS: dict[str, type[Load]] = {kind.service: kind for kind in (OfIngest, OfFeed, OfEngagement, OfExpiry)}
