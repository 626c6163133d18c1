"""Follows in Kafka until they are in force, beside the same rows inserted."""

import time
from collections.abc import Sequence
from itertools import count

from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import UserFollowed
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.testing import eventually

from ..bench import Bench
from ..processes import Process
from ..registry import figure
from ..results import Bound, Cost, Result, Sample, compare
from ..services import follow_edge, ready_to_send, settings_of, total

FOLLOWS, OF_ONE_USER = 20_000, 200


@figure("edges")
async def edges(bench: Bench) -> Sequence[Result]:
    """An import of follows: in Kafka until the last is in force, beside the same rows inserted."""
    feed = await bench.feed()
    kafka = Kafka.of(settings_of("feed", feed.settings))
    mongo = Mongo.connect(feed.settings["MONGO_URL"], feed.settings["MONGO_DATABASE"])
    mongod, publisher = Process(bench.servers.process(bench.servers.mongod)), Publisher(kafka, "/imports")
    number, rounds = bench.plan.scaled(FOLLOWS, 2_000), count()
    await mongo.ensure("bare")

    def follows() -> list[UserFollowed]:
        began, at = next(rounds), truncate_to_ms(system_now())
        users = [f"importer{began}-{n // OF_ONE_USER}" for n in range(number)]
        return [UserFollowed(user_id=user, target_id=f"other{n}", at=at) for n, user in enumerate(users)]

    async def imported() -> Sample:
        events = follows()
        users = {event.user_id for event in events}
        async with ready_to_send(kafka, [publisher.record_of(OutgoingEvent(event)) for event in events]) as send:
            cost = Cost(feed.process.cpu_s, mongod.cpu_s)
            await send()
            await eventually(lambda: total(mongo, "choices", users, "size"), 300, accept=lambda size: size >= number)
            return cost.sample(number)

    async def inserted() -> Sample:
        rows = [follow_edge(event.user_id, event.target_id, event.at) for event in follows()]
        cost = Cost(time.process_time, mongod.cpu_s)
        for first in range(0, number, 1_000):
            await mongo["bare"].insert_many(rows[first : first + 1_000])
        return cost.sample(number)

    try:
        note = f"{number:,} follows of {OF_ONE_USER} each"
        found = await compare(
            "edges", "follows/s", imported, bench.plan, peer="insert_many of the rows", limit=inserted, note=note
        )
        return [found.within(Bound("follows/s", found.measured.rate, 20_000, least=True))]
    finally:
        await mongo.close()
