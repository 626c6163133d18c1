"""Several replicas, restarts, and stale replicas."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from faststream import AckPolicy
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_engagement.testing.builders import a_ticket
from stories_engagement.testing.harness import ServiceHarness, running
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryDeleted, StoryPosted, StoryViewed, UserBlocked
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing import eventually

WITHIN_S = 3.0
"""Seconds. The contract is one; a busy machine gets three. The journeys test one."""


@pytest_asyncio.fixture
async def namespace(servers: Servers) -> AsyncIterator[IsolatedNamespace]:
    own = IsolatedNamespace(servers)
    yield own
    await own.remove()


def deletion(story: StoryPosted) -> StoryDeleted:
    return StoryDeleted(story_id=story.story_id, author_id=story.author_id, deleted_at=system_now(), by="author")


async def status(service: ServiceHarness, story: StoryPosted, user: str) -> int:
    return (
        await service.request("GET", f"/v1/stories/{story.story_id}/counts", user, a_ticket(story, user))
    ).status_code


async def becomes(service: ServiceHarness, story: StoryPosted, user: str, expected: int, within_s: float) -> Any:
    async def reached() -> bool:
        return await status(service, story, user) == expected

    return await eventually(reached, within_s=within_s)


async def test_restarted_replica_knows_endings_and_blocks(namespace: IsolatedNamespace) -> None:
    async with running(namespace) as first:
        live, ended = await first.post(), await first.post()
        await first.ingest.publish(deletion(ended))
        await first.feed.publish(UserBlocked(user_id="ann", target_id="bob", at=truncate_to_ms(system_now())))
        await becomes(first, ended, "eve", 404, within_s=WITHIN_S)
        await becomes(first, live, "bob", 404, within_s=WITHIN_S)
        await first.until_consumed(StoryDeleted, UserBlocked, StoryPosted)
    async with running(namespace) as second:
        assert [await status(second, ended, "eve"), await status(second, live, "bob")] == [404, 404]
        assert await status(second, live, "eve") == 200
        assert (await second.request("GET", f"/v1/stories/{live.story_id}/counts", "ann")).status_code == 200


async def test_replicas_refuse_an_ended_story_and_share_counts(namespace: IsolatedNamespace) -> None:
    async with running(namespace) as one, running(namespace) as two:
        story = await one.post()
        await eventually(lambda: two.app.state.access_state.story(story.story_id, system_now()))
        for n, service in enumerate((one, two) * 5):
            await service.view(story, f"user{n}", play_id="play-same-1")
            await service.view(story, f"user{n}", play_id="play-same-1")
        await one.until_counted(story, viewers=10, views=10)
        await two.until_counted(story, viewers=10, views=10)
        await one.ingest.publish(deletion(story))
        await becomes(one, story, "eve", 404, within_s=WITHIN_S)
        await becomes(two, story, "eve", 404, within_s=WITHIN_S)


async def test_stale_replica_responds_503(namespace: IsolatedNamespace) -> None:
    async with running(namespace, stale_after_ms=1000) as service:
        story = await service.post()
        assert await status(service, story, "bob") == 200
        with namespace.servers.frozen(namespace.servers.kafka):
            await becomes(service, story, "bob", 503, within_s=15)
            answer = await service.view(story, "bob")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        await becomes(service, story, "bob", 200, within_s=60)


async def test_frozen_mongodb_is_answered_with_503_in_time(namespace: IsolatedNamespace) -> None:
    async with running(namespace) as service:
        story = await service.post()
        ticket, path = a_ticket(story, "bob"), f"/v1/stories/{story.story_id}"
        with namespace.servers.frozen(namespace.servers.mongod):
            began = time.monotonic()
            answers = await asyncio.gather(
                service.request("GET", f"{path}/counts", "bob", ticket),
                service.request("PUT", f"{path}/reaction", "bob", ticket, json={"emoji": "❤️"}),
                service.request("POST", f"{path}/comments", "bob", ticket, json={"text": "hi"}),
                service.view(story, "bob"),
            )
            assert time.monotonic() - began < 3
            assert [answer.status_code for answer in answers] == [503] * 4
        await becomes(service, story, "bob", 200, within_s=60)


async def test_subscribers_have_one_group_per_topic_and_nack_on_error(namespace: IsolatedNamespace) -> None:
    async with running(namespace) as service:
        subscribers: list[Any] = service.app.state.runtime.subscribers
        groups = {subscriber.group_id for subscriber in subscribers}
        topics = ("story-posted", "story-expired", "story-deleted", "story-viewed", "user-blocked", "user-unblocked")
        hooks = ("story-posted", "story-expired", "story-deleted", "story-insights-sealed", "user-mentioned")
        expected = {f"engagement.{topic}" for topic in (*topics, "user-erased")}
        expected |= {f"engagement-webhooks.{topic}" for topic in (*hooks, "comment-created")}
        assert groups == {f"{namespace.prefix}{group}" for group in expected}
        assert {subscriber.ack_policy for subscriber in subscribers} == {AckPolicy.NACK_ON_ERROR}


async def test_replay_of_all_views_changes_no_response(namespace: IsolatedNamespace) -> None:
    async with running(namespace) as service:
        story = await service.post()
        people = [f"user{n}" for n in range(5)]
        for user in people:
            await service.view(story, user)
        await service.until_counted(story, viewers=5)
        before = await service.viewers(story)
        views = await service.event_reader(StoryViewed)()
        service.app.state.recent.clear()
        await service.ingest.publish(story)
        await service.feed.publish_all([OutgoingEvent(view) for view in views])
        await service.until_consumed(StoryViewed, StoryPosted)
        assert await service.viewers(story) == before
