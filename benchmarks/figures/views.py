"""Views: taken over HTTP, consumed from Kafka and counted, beside the least that could do it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from stories_embedded.testing import Realm
from stories_engagement.app import init
from stories_engagement.settings import EngagementSettings
from stories_engagement.store.schema import viewing_id
from stories_engagement.testing.builders import a_story, a_ticket
from stories_shared.auth.tickets import Tickets
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted, StoryViewed
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.partitioner import choose_partition
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually

from ..bench import NO_LIMIT, VIEWERS, Bench
from ..client import UNIQUE
from ..load import client_load
from ..peers import PARSER, SERVER, listening, serving
from ..processes import READY_S, Process, get
from ..registry import figure
from ..results import Bound, Result, Sample, compare

VIEWS = 100_000
ROWS = 1_000
STORIES = 1_000
REPORTED = 50
CLIENTS = 8
REPORTERS = 1_000
"""Viewers in turn, so that the rows of viewers hold a few plays each, not hundreds."""
TARGET = 10_000
"""Views taken a second."""


class Engagement:
    """A running engagement service, and what publishes to it."""

    def __init__(self, bench: Bench, settings: dict[str, str]) -> None:
        self.bench, self.settings = bench, settings
        self.parsed = load(EngagementSettings, {name.lower(): value for name, value in settings.items()})
        self.kafka = Kafka.of(self.parsed)
        self.publisher = Publisher(self.kafka, "ingest")
        self.mongo = Mongo.connect(settings["MONGO_URL"], settings["MONGO_DATABASE"])
        self.mongod = Process(bench.servers.process(bench.servers.mongod))
        self.tickets = Tickets(self.parsed.ticket_secrets)

    async def start(self) -> None:
        """Create its resources and start it."""
        await init(self.parsed)
        await self.mongo.ensure("bare")
        self.process = self.bench.service("engagement", self.settings)
        await eventually(lambda: get(f"{self.process.url}/readyz") is not None, READY_S)
        await self.publisher.start()

    async def close(self) -> None:
        """Disconnect and stop it."""
        await self.publisher.stop()
        await self.mongo.close()
        self.process.stop()

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
        producer = AIOKafkaProducer(**self.kafka.arguments, acks="all", max_batch_size=2**20, max_request_size=2**22)
        await producer.start()
        try:
            batches = await ready_batches(producer, records)
            before, began = self.process.cpu_s() + self.mongod.cpu_s(), time.monotonic()
            futures = [await producer.send_batch(batch, topic, partition=part) for batch, topic, part in batches]
            await asyncio.gather(*futures)
            pipeline: list[dict[str, Any]] = [
                {"$match": {"_id": {"$in": ids}}},
                {"$group": {"_id": None, "n": {"$sum": "$viewers"}}},
            ]
            while True:
                found = await self.mongo.aggregate(self.mongo["views"], pipeline)
                if found and found[0]["n"] >= expected:
                    break
                if time.monotonic() - began > 600:
                    raise TimeoutError(f"{found} of {expected} views are counted")
                await asyncio.sleep(0.02)
            took, used = time.monotonic() - began, self.process.cpu_s() + self.mongod.cpu_s() - before
        finally:
            await producer.stop()
        if found[0]["n"] != expected:
            raise RuntimeError(f"{found[0]['n']} views are counted instead of {expected}")
        return Sample(len(records) / took, used / len(records) * 1e6)

    async def inserted(self, number: int) -> Sample:
        """Bare inserts of the rows that so many views need, a thousand each."""
        story, at = new_id(), truncate_to_ms(system_now())
        rows: list[dict[str, Any]] = []
        for _ in range(number):
            viewer, play = f"viewer-{new_id()}", new_id()
            fields = {"at": at, "listed": True, "count": 1, "plays": {play: [at, 900, False, 0, 0, 0]}}
            rows.append({"_id": viewing_id(story, viewer), "story_id": story, "viewer_id": viewer, **fields})
        own, before, began = time.process_time(), self.mongod.cpu_s(), time.monotonic()
        for first in range(0, number, ROWS):
            await self.mongo["bare"].insert_many(rows[first : first + ROWS])
        took = time.monotonic() - began
        used = time.process_time() - own + self.mongod.cpu_s() - before
        return Sample(number / took, used / number * 1e6)


async def ready_batches(
    producer: AIOKafkaProducer, records: Sequence[ProducerRecord], size: int = 1_000
) -> list[tuple[Any, str, int]]:
    """The records as Kafka batches by partition, built before the clock starts."""
    batches: list[tuple[Any, str, int]] = []
    open_batches: dict[int, Any] = {}
    for record in records:
        partitions = sorted(await producer.partitions_for(record.topic))
        partition = choose_partition(record.key, partitions, partitions)
        fields = {"key": record.key, "value": record.value, "timestamp": None, "headers": list(record.headers)}
        if (batch := open_batches.get(partition)) is None:
            batch = open_batches[partition] = producer.create_batch()
        if batch.record_count() >= size or batch.append(**fields) is None:
            batches.append((batch, record.topic, partition))
            open_batches[partition] = producer.create_batch()
            if open_batches[partition].append(**fields) is None:
                raise ValueError(f"a record of {len(record.value or b'')} bytes is larger than a batch")
    topic = records[0].topic
    return batches + [(batch, topic, partition) for partition, batch in open_batches.items()]


def zipf_ranks(stories: int, number: int) -> list[int]:
    """Ranks whose frequency is proportional to one over the rank, without randomness."""
    total = sum(1 / rank for rank in range(1, stories + 1))
    ranks = [rank - 1 for rank in range(1, stories + 1) for _ in range(max(1, round(number / rank / total)))]
    ranks = (ranks + [0] * number)[:number]
    return [ranks[index * 7919 % number] for index in range(number)] if number % 7919 else ranks


@figure("views-counted")
async def views_counted(bench: Bench) -> Sequence[Result]:
    """Views in Kafka until every count is exact: one hot story, a thousand by Zipf's law, and all of them again."""
    service = Engagement(bench, bench.settings(Realm(bench.servers), LIMIT_VIEWS=NO_LIMIT))
    await service.start()
    number = max(2_000, int(VIEWS * bench.plan.scale))
    again: list[tuple[Sequence[StoryPosted], list[ProducerRecord]]] = []
    try:

        async def hot() -> Sample:
            stories = await service.stories(1)
            records = service.records(stories, number)
            sample = await service.counted(stories, records, number)
            again.append((stories, records))
            return sample

        async def zipf() -> Sample:
            stories = await service.stories(min(STORIES, number // 10))
            return await service.counted(stories, service.records(stories, number, zipf=True), number)

        async def halved() -> Sample:
            stories = await service.stories(1)
            half = service.records(stories, number // 2)
            return await service.counted(stories, half + half, number // 2)

        async def limit() -> Sample:
            return await service.inserted(number)

        bare = "insert_many of the rows"
        results = [
            await compare(name, "views/s", measure, bench.plan, peer=bare, limit=limit, at_least=0.4)
            for name, measure in (("views-hot", hot), ("views-zipf", zipf), ("views-half-redelivered", halved))
        ]
        return [*results, await redelivery(bench, service, number)]
    finally:
        await service.close()


async def redelivery(bench: Bench, service: Engagement, number: int) -> Result:
    """The same records once more, beside the first time; a last new view shows that all before it were handled."""
    first: list[tuple[Sequence[StoryPosted], list[ProducerRecord]]] = []

    async def new() -> Sample:
        stories = await service.stories(1)
        records = service.records(stories, number)
        first.append((stories, records))
        return await service.counted(stories, records, number)

    async def again() -> Sample:
        stories, records = first[-1]
        last = service.records(stories, 1)
        counted = await service.mongo["views"].find_one({"_id": stories[0].story_id})
        assert counted is not None
        return await service.counted(stories, [*records, *last], counted["viewers"] + 1)

    await new()
    return await compare(
        "views-redelivered", "views/s", again, bench.plan, peer="the first time", limit=new, at_least=1.25
    )


@figure("views-taken")
async def views_taken(bench: Bench) -> Sequence[Result]:
    """`POST /v1/views` of fifty stories until 202: as fast as it goes, then at 5,000 views a second."""
    service = Engagement(bench, bench.settings(Realm(bench.servers), LIMIT_VIEWS=NO_LIMIT))
    await service.start()
    try:
        stories = await service.stories(REPORTED)
        requests = []
        for n in range(max(VIEWERS, int(REPORTERS * bench.plan.scale))):
            viewer = f"viewer{n}"
            tickets = [service.tickets.sign(a_ticket(story, viewer)) for story in stories]
            views = [{"ticket": ticket, "play_id": UNIQUE.decode(), "watched_ms": 900} for ticket in tickets]
            requests.append(
                request(service.process, bench.servers.token(viewer), msgspec.json.encode({"views": views}))
            )
        seconds = bench.plan.seconds

        async def taken() -> Sample:
            return await client_load(service.process, requests, seconds, connections=CLIENTS)

        async def paced() -> Sample:
            rate = TARGET / 2 / REPORTED
            return await client_load(service.process, requests, seconds, connections=CLIENTS, rate=rate)

        with serving(PARSER) as bare:
            await listening(bare)
            fastest = await compare(
                "views-taken",
                "requests of 50/s",
                taken,
                bench.plan,
                peer=f"{SERVER}, the body parsed by msgspec",
                limit=lambda: client_load(bare, requests, seconds, connections=CLIENTS),
                note="counting runs in the same process",
            )
        at_half = await compare("views-taken-5000/s", "requests of 50/s", paced, bench.plan)
        return [
            fastest.within(Bound("views/s", fastest.measured.rate * REPORTED, TARGET, least=True)),
            at_half.within(Bound("p99 ms", at_half.measured.p99_ms or 0.0, 100.0)),
        ]
    finally:
        await service.close()


def request(process: Process, token: str, body: bytes) -> bytes:
    """A prepared POST."""
    host = process.url.removeprefix("http://")
    return (
        f"POST /v1/views HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
