"""The feed while a server is frozen, after a restart, and with a second replica."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from stories_feed.domain.ranking import FreshnessAndEngagement, RankedStories
from stories_feed.jobs import GROUPS, LiveIndexConsumer
from stories_feed.metrics import FeedMetrics
from stories_feed.store.stories import MongoStories
from stories_shared.clock import system_now
from stories_shared.events import StoryDeleted, UserBlocked
from stories_shared.kafka.log_tail import committed_offsets
from stories_shared.runtime.metrics import MetricsRegistry
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def second(feed) -> AsyncIterator[Any]:
    """Another replica of the shared feed, with an external graph."""
    replica = type(feed)(feed.namespace, follows="events")
    await replica.start()
    yield replica
    await replica.stop()


async def test_while_kafka_is_frozen_items_are_503_and_trays_continue(feed, people, servers) -> None:
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    reel = f"/v1/users/{people.ann}/stories"
    with servers.frozen(servers.kafka):

        async def unavailable() -> bool:
            return (await feed.call("GET", reel, people.bob)).status_code == 503

        await eventually(unavailable, 5)
        for path in (reel, f"/v1/stories/{story.story_id}", f"/v1/reels?user_ids={people.ann}"):
            answer = await feed.call("GET", path, people.bob)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        (ring,) = (await feed.get("/v1/tray", people.bob))["items"]
        assert (ring["ring"], ring["poster_url"]) == ("unseen", None)
        assert await feed.ring(people.bob, people.ann) == "unseen"

    async def recovered() -> bool:
        return (await feed.call("GET", reel, people.bob)).status_code == 200

    await eventually(recovered, 20)


async def test_a_block_that_kafka_has_not_acknowledged_is_503_and_stored(feed, people, servers) -> None:
    story = await feed.post(people.ann)
    with servers.frozen(servers.kafka):
        began = time.monotonic()
        answer = await feed.call("PUT", f"/v1/blocked/{people.bob}", people.ann)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert time.monotonic() - began < 3.5
    assert await feed.listed(people.ann, "blocked") == [people.bob]
    await feed.edit("PUT", f"/v1/blocked/{people.bob}", people.ann)
    assert {record.event.target_id for record in await feed.events_of(UserBlocked, people.ann)} == {people.bob}
    await eventually(lambda: feed.sees(people.ann, story.story_id), 20)


async def test_while_mongodb_is_frozen_every_read_is_503_in_time(feed, people, servers) -> None:
    await feed.post(people.ann)
    with servers.frozen(servers.mongod):
        for path in ("/v1/tray", f"/v1/users/{people.ann}/stories", f"/v1/rings?user_ids={people.ann}"):
            began = time.monotonic()
            answer = await feed.call("GET", path, people.bob)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert time.monotonic() - began < 3.5

    async def recovered() -> bool:
        return (await feed.call("GET", "/v1/tray", people.bob)).status_code == 200

    await eventually(recovered, 20)


async def test_a_second_replica_shows_the_same_stories(feed, people, second) -> None:
    story = await feed.post(people.ann)
    await eventually(lambda: second.sees(people.bob, story.story_id))
    await feed.publish(StoryDeleted(story_id=story.story_id, deleted_at=system_now(), by="author"))

    async def gone() -> bool:
        return not await second.sees(people.bob, story.story_id)

    await eventually(gone, 2)


async def test_a_replica_started_later_has_live_stories_and_no_ended_ones(feed, people) -> None:
    kept, ended = await feed.post(people.ann), await feed.post(people.ann)
    await feed.publish(StoryDeleted(story_id=ended.story_id, deleted_at=system_now(), by="author"))

    async def gone() -> bool:
        return await feed.reel(people.bob, people.ann) == [kept.story_id]

    await eventually(gone)
    late = type(feed)(feed.namespace)
    await late.start()
    try:
        assert await late.reel(people.bob, people.ann) == [kept.story_id]
    finally:
        await late.stop()


async def test_a_story_republished_after_its_end_stays_gone_everywhere(feed, people) -> None:
    story = await feed.post(people.ann)
    await feed.publish(StoryDeleted(story_id=story.story_id, deleted_at=system_now(), by="author"))

    async def gone() -> bool:
        return not await feed.sees(people.bob, story.story_id)

    await eventually(gone)
    await feed.publish(story)
    await consumed(feed)
    late = type(feed)(feed.namespace)
    await late.start()
    try:
        assert not await late.sees(people.bob, story.story_id)
        assert not await feed.sees(people.bob, story.story_id)
    finally:
        await late.stop()


async def test_a_story_stored_while_an_index_loads_is_in_the_index(feed, people) -> None:
    stories: list[str] = []

    class StoringDuringLoad(MongoStories):
        """A store to which a story is written right after the snapshot was read."""

        async def live(self, now):
            found = await super().live(now)
            stories.append((await feed.post(people.ann)).story_id)
            await consumed(feed)
            return found

    store = StoringDuringLoad(feed.mongo, system_now)
    index_consumer = LiveIndexConsumer(
        feed.kafka,
        store,
        FeedMetrics(MetricsRegistry()),
        2.0,
        timedelta(days=1),
        system_now,
        RankedStories(FreshnessAndEngagement(1.0, {})),
    )
    task = asyncio.create_task(index_consumer.tail.run())
    try:
        await eventually(lambda: index_consumer.tail.ready)
        await eventually(lambda: index_consumer.index.get(stories[0], system_now()), 5)
    finally:
        task.cancel()


async def consumed(feed) -> None:
    """Wait until the feed's groups have committed every record of the topics that its index reads."""

    async def committed_all() -> bool:
        reader = feed.kafka.reader()
        await reader.start()
        try:
            partitions = [TopicPartition(feed.kafka.topic(topic), n) for topic in GROUPS.values() for n in range(3)]
            ends = await reader.end_offsets(partitions)
        finally:
            await reader.stop()
        committed = await committed_offsets(feed.kafka, GROUPS)
        return all(
            committed.get((feed.kafka.plain(partition.topic), partition.partition), 0) >= end
            for partition, end in ends.items()
        )

    await eventually(committed_all)


async def test_with_an_external_graph_following_here_is_403(people, second) -> None:
    for method, path in [("PUT", "following"), ("DELETE", "following"), ("DELETE", "followers")]:
        answer = await second.call(method, f"/v1/{path}/{people.bob}", people.ann)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:stories:external-graph")
    await second.edit("PUT", f"/v1/muted/{people.bob}", people.ann)


async def test_too_many_edge_changes_are_429(feed, people) -> None:
    strict = type(feed)(feed.namespace, limit_edges=2)
    try:
        answers = [await strict.call("PUT", f"/v1/following/{people.bob}", people.ann) for _ in range(3)]
    finally:
        await strict.http.aclose()
        await strict.mongo.close()
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[1].headers["ratelimit"].startswith('"edges";r=0;t=')
    assert int(answers[2].headers["retry-after"]) >= 1
