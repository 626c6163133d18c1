"""Insights of a story with a million plays, beside those of one with a single play."""

from collections.abc import Sequence
from functools import partial

from ..bench import Bench
from ..engagement import engagement, viewer_rows
from ..load import get_load
from ..registry import figure
from ..results import Bound, Result, compare
from ..services import insert

PLAYS, OF_ONE_VIEWER = 1_000_000, 10


@figure("insights")
async def insights(bench: Bench) -> Sequence[Result]:
    """`GET /v1/stories/{id}/insights` of a story with many plays, beside one with a single play."""
    viewers = bench.plan.many(PLAYS) // OF_ONE_VIEWER
    async with engagement(bench) as service:
        played, unplayed = [(await service.stories(1))[0] for _ in range(2)]
        for story, number in ((played, viewers), (unplayed, 1)):
            await insert(service.mongo["viewers"], viewer_rows([story.story_id], number, OF_ONE_VIEWER))
            sums = {"followers": number // 2, "completed": number, "watched_ms": number * 900 * OF_ONE_VIEWER}
            counted = {"viewers": number, "plays": number * OF_ONE_VIEWER, "sums": sums}
            await service.mongo["views"].update_one({"_id": story.story_id}, {"$set": counted})
        token, seconds = [bench.servers.token(played.author_id)], bench.plan.seconds
        measured, limit = (
            partial(get_load, service.process, f"/v1/stories/{story.story_id}/insights", token, seconds)
            for story in (played, unplayed)
        )
        result = await compare(
            "insights",
            "requests/s",
            measured,
            bench.plan,
            peer="a story with one viewer",
            limit=limit,
            note=f"{viewers * OF_ONE_VIEWER:,} plays by {viewers:,} viewers, rows and counters written straight into "
            "MongoDB",
        )
    return [result.within(Bound("p50 beside one viewer's", result.p50_ratio, 1.3))]
