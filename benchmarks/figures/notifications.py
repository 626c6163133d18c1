"""Followers to whom a new story is announced, beside publishing the same events."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from stories_feed.testing.builders import posted
from stories_feed.usecases.notifications import MAX_USERS
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryNotified
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import Publisher
from stories_shared.testing import eventually

from ..bench import Bench
from ..registry import figure
from ..results import Result, Sample, compare
from ..services import consuming, follow_edge, insert, publishing, services

FOLLOWERS = 20_000
FAST = "100000"


@figure("notifications")
async def notifications(bench: Bench) -> Sequence[Result]:
    """A new story until `story-notified` has named each follower, without the pace, beside publishing the same."""
    number = bench.plan.scaled(FOLLOWERS, MAX_USERS)
    async with (
        services(bench, "feed", NOTIFY_PER_SECOND=FAST) as (namespace, running),
        publishing(namespace, "ingest") as publisher,
        consuming(namespace, StoryNotified) as arrived,
    ):
        first, apart = truncate_to_ms(system_now() - timedelta(days=1)), timedelta(milliseconds=1)
        edges = (follow_edge(f"follower{n}", "star", first + n * apart, notify=True) for n in range(number))
        await insert(running["feed"].mongo["edges"], edges)
        return [
            await compare(
                "notifications",
                "followers/s",
                lambda: announced(publisher, arrived, number),
                bench.plan,
                peer="the same events published",
                limit=lambda: published(publisher, number),
                note=f"{number:,} followers; by default an installation announces to 2,000 a second",
            )
        ]


async def announced(publisher: Publisher, arrived: Sequence[tuple[float, Any]], number: int) -> Sample:
    """Publish a story of the followed author; the time until all followers are named."""
    story, began = posted("star", system_now()), time.time()
    await publisher.publish(story)

    def named() -> int:
        return sum(len(event["user_ids"]) for _, event in arrived if event["story_id"] == story.story_id)

    await eventually(named, 300, accept=lambda users: users >= number)
    last = max(at for at, event in arrived if event["story_id"] == story.story_id)
    return Sample(number / (last - began))


async def published(publisher: Publisher, number: int) -> Sample:
    """Publish events that name as many users."""
    at, began = truncate_to_ms(system_now()), time.time()
    users = [f"follower{n}" for n in range(number)]
    events = [
        StoryNotified(story_id=new_id(), author_id="star", user_ids=tuple(users[first : first + MAX_USERS]), at=at)
        for first in range(0, number, MAX_USERS)
    ]
    for event in events:  # as the service does: the next batch once the last is acknowledged
        await publisher.publish_all([OutgoingEvent(event)])
    return Sample(number / (time.time() - began))
