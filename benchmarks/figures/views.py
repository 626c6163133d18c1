"""Views: taken over HTTP, consumed from Kafka and counted, beside the least that could do it."""

from collections.abc import Sequence
from functools import partial

import msgspec
from stories_engagement.testing.builders import a_ticket
from stories_shared.events import StoryPosted
from stories_shared.kafka.publisher import ProducerRecord

from ..bench import NO_LIMIT, VIEWERS, Bench
from ..client import UNIQUE
from ..engagement import Engagement, engagement
from ..load import client_load, request
from ..peers import PARSER, SERVER, serving
from ..registry import figure
from ..results import Bound, Result, Sample, compare

VIEWS = 100_000
STORIES = 1_000
REPORTED = 50
CLIENTS = 8
REPORTERS = 1_000
"""Viewers in turn, so that the rows of viewers hold a few plays each, not hundreds."""
TARGET = 10_000
"""Views taken a second."""


@figure("views-counted")
async def views_counted(bench: Bench) -> Sequence[Result]:
    """Views in Kafka until every count is exact: one hot story, a thousand by Zipf's law, and all of them again."""
    number = bench.plan.scaled(VIEWS, 2_000)
    async with engagement(bench, LIMIT_VIEWS=NO_LIMIT) as service:

        async def hot() -> Sample:
            stories = await service.stories(1)
            return await service.counted(stories, service.records(stories, number), number)

        async def zipf() -> Sample:
            stories = await service.stories(min(STORIES, number // 10))
            return await service.counted(stories, service.records(stories, number, zipf=True), number)

        async def halved() -> Sample:
            stories = await service.stories(1)
            half = service.records(stories, number // 2)
            return await service.counted(stories, half + half, number // 2)

        results = [
            await compare(
                name, "views/s", measure, bench.plan, peer="insert_many of the rows",
                limit=partial(service.inserted, number), at_least=0.4,
            )
            for name, measure in (("views-hot", hot), ("views-zipf", zipf), ("views-half-redelivered", halved))
        ]  # fmt: skip
        return [*results, await redelivery(bench, service, number)]


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
    async with engagement(bench, LIMIT_VIEWS=NO_LIMIT) as service, serving(PARSER) as bare:
        stories, requests = await service.stories(REPORTED), []
        for n in range(bench.plan.scaled(REPORTERS, VIEWERS)):
            viewer = f"viewer{n}"
            tickets = [service.tickets.sign(a_ticket(story, viewer)) for story in stories]
            views = [{"ticket": ticket, "play_id": UNIQUE.decode(), "watched_ms": 900} for ticket in tickets]
            body, token = msgspec.json.encode({"views": views}), bench.servers.token(viewer)
            requests.append(request(service.process, "POST", "/v1/views", token, body))
        load = partial(client_load, requests=requests, seconds=bench.plan.seconds, connections=CLIENTS)
        fastest = await compare(
            "views-taken",
            "requests of 50/s",
            partial(load, service.process),
            bench.plan,
            peer=f"{SERVER}, the body parsed by msgspec",
            limit=partial(load, bare),
            note="counting runs in the same process",
        )
        paced = partial(load, service.process, rate=TARGET / 2 / REPORTED)
        at_half = await compare("views-taken-5000/s", "requests of 50/s", paced, bench.plan)
        return [
            fastest.within(Bound("views/s", fastest.measured.rate * REPORTED, TARGET, least=True)),
            at_half.within(Bound("p99 ms", at_half.measured.p99_ms or 0.0, 100.0)),
        ]
