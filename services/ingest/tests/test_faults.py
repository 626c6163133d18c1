"""Servers that are down or frozen: status code, deadline, and state afterwards."""

from contextlib import AsyncExitStack, contextmanager

import pytest
from stories_ingest.testing.harness import photo
from stories_shared.testing import Stopwatch, eventually

pytestmark = pytest.mark.servers


@contextmanager
def down(servers, server):
    servers.kill(server)
    try:
        yield
    finally:
        servers.start(server)


async def assert_unavailable_in_time(request):
    """Assert a 503 with Retry-After within three seconds, not counting time without CPU."""
    watch = Stopwatch()
    answer = await request
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:stories:unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert watch.seconds() < 3.3


async def test_access_change_without_kafka_is_kept_but_not_confirmed(start, servers):
    async with start() as ingest:
        ann = ingest.author()
        story = await ann.post()
        path, change = f"/v1/stories/{story['id']}", {"audience": "friends"}
        with down(servers, servers.kafka):
            await assert_unavailable_in_time(ann.http.patch(path, json=change))
            await assert_unavailable_in_time(ann.http.patch(path, json=change))
            assert (await ann.show(story["id"])).json()["audience"] == "friends"
            assert (await ann.http.patch(path, json={"reactions": False})).status_code == 200

        async def confirmed():
            return (await ann.http.patch(path, json=change)).status_code == 200

        await eventually(confirmed, within_s=60)
        assert (await ingest.events_of("story-posted", story["id"]))[-1]["audience"] == "friends"


async def test_deletion_without_kafka_is_kept_and_confirmed_afterwards(start, servers):
    async with start() as ingest:
        ann = ingest.author()
        story, draft = await ann.post(), await ann.drafted(photo())
        with down(servers, servers.kafka):
            await assert_unavailable_in_time(ann.http.delete(f"/v1/stories/{story['id']}"))
            assert (await ann.show(story["id"])).status_code == 404
            assert (await ann.http.delete(f"/v1/stories/{draft['id']}")).status_code == 204
            posted = await ann.post()

        async def confirmed():
            return (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204

        await eventually(confirmed, within_s=60)
        assert (await ingest.events_of("story-deleted", story["id"]))[0]["by"] == "author"

        async def published():
            return await ingest.events_of("story-posted", posted["id"])

        await eventually(published, within_s=60)


async def test_without_s3_only_drafts_can_be_created(start, servers):
    async with start() as ingest:
        ann = ingest.author()
        story, draft = await ann.post(), await ann.drafted(photo())
        with down(servers, servers.s3):
            assert (await ann.create()).status_code == 201
            await assert_unavailable_in_time(ann.publish(draft["id"]))
            await assert_unavailable_in_time(ann.http.delete(f"/v1/stories/{story['id']}"))
            await assert_unavailable_in_time(ann.http.post(f"/v1/stories/{draft['id']}/cancel"))

        async def confirmed():
            return (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204

        await eventually(confirmed, within_s=60)

        async def swept():
            return not [key for key in await ingest.keys() if story["id"] in key]

        await eventually(swept)


async def test_job_survives_an_outage_of_s3(start, servers):
    async with start(role="api") as api:
        ann = api.author()
        draft = await ann.drafted(photo())
        assert (await ann.publish(draft["id"], wait=0)).status_code == 202
        async with AsyncExitStack() as workers:
            with down(servers, servers.s3):
                await workers.enter_async_context(start(role="worker", prepare=False))
                assert (await ann.publish(draft["id"], wait=2)).status_code == 202

            async def live():
                return (await ann.publish(draft["id"])).status_code == 200

            await eventually(live, within_s=60)


async def test_without_mongodb_requests_are_503_within_the_deadline(start, servers):
    async with start() as ingest:
        ann = ingest.author()
        draft = await ann.drafted(photo())
        with down(servers, servers.mongod):
            await assert_unavailable_in_time(ann.create())
            await assert_unavailable_in_time(ann.create(key="k"))
            await assert_unavailable_in_time(ann.show(draft["id"]))
            await assert_unavailable_in_time(ann.publish(draft["id"]))
            await assert_unavailable_in_time(ann.http.delete(f"/v1/stories/{draft['id']}"))
            await assert_unavailable_in_time(ann.http.get("/v1/me/quota"))
            assert (await ingest.http.get("/v1/config")).status_code == 200

        async def live():
            return (await ann.publish(draft["id"])).status_code == 200

        await eventually(live, within_s=60)


async def test_with_frozen_servers_requests_are_503_within_the_deadline(start, servers):
    async with start() as ingest:
        ann = ingest.author()
        story, draft = await ann.post(), await ann.drafted(photo())
        path = f"/v1/stories/{story['id']}"
        with servers.frozen(servers.kafka):
            await assert_unavailable_in_time(ann.http.patch(path, json={"comments": "nobody"}))
        with servers.frozen(servers.s3):
            await assert_unavailable_in_time(ann.publish(draft["id"]))
            await assert_unavailable_in_time(ann.http.delete(path))
        with servers.frozen(servers.mongod):
            await assert_unavailable_in_time(ann.show(draft["id"]))
            await assert_unavailable_in_time(ann.create())
            await assert_unavailable_in_time(ann.http.delete(f"/v1/stories/{draft['id']}"))

        async def deleted():
            return (await ann.http.delete(path)).status_code == 204

        await eventually(deleted, within_s=60)
