"""Insights of a story with a million plays, beside those of one with a single play."""

from collections.abc import Iterator, Sequence

from stories_embedded.testing import Realm
from stories_engagement.store.schema import viewing_id
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted
from stories_shared.mongo.client import Document

from ..bench import Bench
from ..load import get_load
from ..registry import figure
from ..results import Bound, Result, compare
from ..services import insert
from .views import Engagement

PLAYS, OF_ONE_VIEWER = 1_000_000, 10


@figure("insights")
async def insights(bench: Bench) -> Sequence[Result]:
    """`GET /v1/stories/{id}/insights` of a story with many plays, beside one with a single play."""
    service = Engagement(bench, bench.settings(Realm(bench.servers)))
    await service.start()
    viewers = bench.plan.many(PLAYS) // OF_ONE_VIEWER
    try:
        played, unplayed = [(await service.stories(1))[0] for _ in range(2)]
        for story, number in ((played, viewers), (unplayed, 1)):
            await insert(service.mongo["viewers"], rows(story, number))
            sums = {"followers": number // 2, "completed": number, "watched_ms": number * 900 * OF_ONE_VIEWER}
            counted = {"viewers": number, "plays": number * OF_ONE_VIEWER, "sums": sums}
            await service.mongo["views"].update_one({"_id": story.story_id}, {"$set": counted})
        token = [bench.servers.token(played.author_id)]
        result = await compare(
            "insights",
            "requests/s",
            lambda: get_load(service.process, f"/v1/stories/{played.story_id}/insights", token, bench.plan.seconds),
            bench.plan,
            peer="a story with one viewer",
            limit=lambda: get_load(
                service.process, f"/v1/stories/{unplayed.story_id}/insights", token, bench.plan.seconds
            ),
            note=f"{viewers * OF_ONE_VIEWER:,} plays by {viewers:,} viewers, rows and counters written straight into "
            "MongoDB",
        )
    finally:
        await service.close()
    assert result.limit is not None
    return [
        result.within(Bound("p50 beside one viewer's", (result.measured.p50_ms or 0) / (result.limit.p50_ms or 1), 1.3))
    ]


def rows(story: StoryPosted, number: int) -> Iterator[Document]:
    """The rows that so many viewers leave."""
    at = truncate_to_ms(system_now())
    plays = {f"play-{play:04}": [at, 900, play == 0, 0, 0, 0] for play in range(OF_ONE_VIEWER)}
    for n in range(number):
        ids = {"_id": viewing_id(story.story_id, f"viewer{n}"), "story_id": story.story_id, "viewer_id": f"viewer{n}"}
        yield {**ids, "at": at, "listed": True, "follower": n % 2 == 0, "count": OF_ONE_VIEWER, "plays": plays}
