"""Follows in Kafka until they are in force, beside the same rows inserted."""

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer
from stories_feed.settings import FeedSettings
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import UserFollowed
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Document, Mongo
from stories_shared.runtime.settings import load

from ..bench import Bench
from ..processes import Process
from ..registry import figure
from ..results import Bound, Result, Sample, compare
from .views import ready_batches

FOLLOWS, OF_ONE_USER = 20_000, 200


@figure("edges")
async def edges(bench: Bench) -> Sequence[Result]:
    """An import of follows: in Kafka until the last is in force, beside the same rows inserted."""
    feed = await bench.feed()
    kafka = Kafka.of(load(FeedSettings, {name.lower(): value for name, value in feed.settings.items()}))
    mongo = Mongo.connect(feed.settings["MONGO_URL"], feed.settings["MONGO_DATABASE"])
    mongod, publisher = Process(bench.servers.process(bench.servers.mongod)), Publisher(kafka, "/imports")
    number, rounds = max(2_000, int(FOLLOWS * bench.plan.scale)), count()
    producer = AIOKafkaProducer(**kafka.arguments, acks="all", max_batch_size=2**20)
    await producer.start()
    await mongo.ensure("bare")

    def follows() -> list[UserFollowed]:
        began, at = next(rounds), truncate_to_ms(system_now())
        users = [f"importer{began}-{n // OF_ONE_USER}" for n in range(number)]
        return [UserFollowed(user_id=user, target_id=f"other{n}", at=at) for n, user in enumerate(users)]

    async def imported() -> Sample:
        events = follows()
        records = [publisher.record_of(OutgoingEvent(event)) for event in events]
        batches = await ready_batches(producer, records)
        people = {"$match": {"_id": {"$in": list({event.user_id for event in events})}}}
        listed: list[dict[str, Any]] = [people, {"$group": {"_id": None, "size": {"$sum": "$size"}}}]
        used, began = feed.process.cpu_s() + mongod.cpu_s(), time.monotonic()
        await asyncio.gather(*[await producer.send_batch(some, topic, partition=part) for some, topic, part in batches])
        while not (found := await mongo.aggregate(mongo["choices"], listed)) or found[0]["size"] < number:
            if time.monotonic() - began > 300:
                raise TimeoutError(f"{found} of {number} follows are in force")
            await asyncio.sleep(0.02)
        took, used = time.monotonic() - began, feed.process.cpu_s() + mongod.cpu_s() - used
        return Sample(number / took, used / number * 1e6)

    async def inserted() -> Sample:
        rows: list[Document] = [
            {"_id": f"follow/{e.user_id}/{e.target_id}", "kind": "follow", "user": e.user_id, "target": e.target_id}
            | {"requested": True, "on": True, "at": e.at}
            for e in follows()
        ]
        own, used, began = time.process_time(), mongod.cpu_s(), time.monotonic()
        for first in range(0, number, 1_000):
            await mongo["bare"].insert_many(rows[first : first + 1_000])
        took, used = time.monotonic() - began, time.process_time() - own + mongod.cpu_s() - used
        return Sample(number / took, used / number * 1e6)

    try:
        note = f"{number:,} follows of {OF_ONE_USER} each"
        found = await compare(
            "edges", "follows/s", imported, bench.plan, peer="insert_many of the rows", limit=inserted, note=note
        )
        return [found.within(Bound("follows/s", found.measured.rate, 20_000, least=True))]
    finally:
        await producer.stop()
        await mongo.close()
