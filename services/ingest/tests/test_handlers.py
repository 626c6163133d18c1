"""Kafka handlers: each event is delivered twice, and the second delivery changes nothing."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from aiokafka.admin import NewPartitions
from stories_ingest.testing.harness import photo
from stories_shared.clock import rfc3339, system_now
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.partitioner import key_hash
from stories_shared.testing import eventually
from stories_shared.testing.kafka_admin import administer

pytestmark = pytest.mark.servers

INTERNAL = {"ce_specversion": "1.0", "ce_source": "/stories/expiry"}


def headers_of(kind, **headers):
    return {**INTERNAL, "ce_id": new_id(), "ce_type": f"stories.{kind}.v1", "ce_time": rfc3339(system_now()), **headers}


async def produce_twice(ingest, topic, key, value, **headers):
    for _ in range(2):
        await ingest.produce(topic, key, value, **headers)


async def dead_letter(ingest, topic, story_id):
    values = [msgspec.json.decode(record.value) for record in await ingest.records(f"{topic}.ingest.dlq")]
    return [value for value in values if value["story_id"] == story_id]


async def erased(ingest, story_id, times=1):
    async def probe():
        return len(await ingest.events_of("story-erased", story_id)) >= times

    await eventually(probe)


def keys_of(story_id, keys):
    return [key for key in keys if story_id in key]


async def test_expired_story_is_erased_and_each_delivery_acknowledged(start):
    async with start(story_lifetimes="3s") as ingest:
        story = await ingest.author().post()
        value = {
            "story_id": story["id"],
            "author_id": "ann",
            "expires_at": story["expires_at"],
            "expired_at": story["expires_at"],
        }
        await produce_twice(ingest, "story-expired", story["id"], value, **headers_of("story-expired"))
        await erased(ingest, story["id"], times=2)
        assert all(
            event["erased_at"] > story["expires_at"] for event in await ingest.events_of("story-erased", story["id"])
        )
        assert keys_of(story["id"], await ingest.keys()) == []
        assert (await ingest.events_of("story-posted", story["id"]))[-1] is None
        kept = await ingest.mongo["ended"].find_one({"_id": story["id"]})
        assert (kept["how"], await ingest.mongo["stories"].find_one({"_id": story["id"]})) == ("expired", None)


async def test_moderators_deletion_ends_the_story_and_is_republished(ingest, ann):
    story = await ann.post()
    value = {"story_id": story["id"], "deleted_at": rfc3339(system_now()), "by": "admin"}
    await produce_twice(ingest, "story-deleted", "any key", value)
    await erased(ingest, story["id"], times=2)

    async def deletions():
        return await ingest.events_of("story-deleted", story["id"])

    assert {(event["author_id"], event["by"]) for event in await eventually(deletions)} == {(ann.user_id, "admin")}
    assert keys_of(story["id"], await ingest.keys()) == []
    assert (await ann.show(story["id"])).status_code == 404


async def test_external_deletion_by_the_author_is_dead_lettered(ingest, ann):
    story = await ann.post()
    value = {"story_id": story["id"], "author_id": ann.user_id, "deleted_at": rfc3339(system_now()), "by": "author"}
    await ingest.produce("story-deleted", story["id"], value)

    async def probe():
        return await dead_letter(ingest, "story-deleted", story["id"])

    assert await eventually(probe) == [value]
    assert (await ann.show(story["id"])).status_code == 200


async def test_deletion_by_engagement_is_not_published_again(ingest, ann):
    story = await ann.post()
    value = {"story_id": story["id"], "author_id": ann.user_id, "deleted_at": rfc3339(system_now()), "by": "admin"}
    headers = headers_of("story-deleted", ce_source="/stories/engagement")
    await produce_twice(ingest, "story-deleted", story["id"], value, **headers)
    await erased(ingest, story["id"], times=2)
    assert len(await ingest.events_of("story-deleted", story["id"])) == 2
    assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204


async def test_deletion_of_an_unknown_story_is_acknowledged(ingest):
    story_id = new_id()
    value = {"story_id": story_id, "author_id": "ann", "deleted_at": rfc3339(system_now()), "by": "author"}
    await produce_twice(ingest, "story-deleted", story_id, value, **headers_of("story-deleted"))
    await erased(ingest, story_id, times=2)


async def test_stale_record_is_corrected(ingest, ann):
    story = await ann.post()
    await ann.http.patch(f"/v1/stories/{story['id']}", json={"audience": "friends"})
    first = (await ingest.events_of("story-posted", story["id"]))[0]
    assert first["revision"] == 1
    await produce_twice(
        ingest, "story-posted", story["id"], first, **headers_of("story-posted", ce_source="/stories/ingest")
    )

    async def republished():
        event = await ingest.events_of("story-posted", story["id"])
        return event[-1]["revision"] == 2 and len(event) >= 5

    await eventually(republished)


async def test_stale_record_of_an_erased_story_gets_a_tombstone(ingest, ann):
    story = await ann.post()
    first = (await ingest.events_of("story-posted", story["id"]))[0]
    await ann.http.delete(f"/v1/stories/{story['id']}")
    await erased(ingest, story["id"])
    await produce_twice(
        ingest, "story-posted", story["id"], first, **headers_of("story-posted", ce_source="/stories/ingest")
    )

    async def forgotten():
        event = await ingest.events_of("story-posted", story["id"])
        return event[-1] is None and sum(each is not None for each in event) >= 3

    await eventually(forgotten)


async def test_tombstones_reach_the_old_partition_of_a_moved_key(start, namespace):
    async with start() as ingest:

        async def noted():
            return await ingest.mongo["partition_counts"].find_one({"_id": "story-posted"})

        assert set((await eventually(noted))["last"]) == {"3"}
        story = await ingest.author().post()
        while partition_of(story["id"], 3) == partition_of(story["id"], 4):
            story = await ingest.author().post()
    kafka = Kafka(namespace["KAFKA_BOOTSTRAP_SERVERS"], namespace.prefix)
    topic = kafka.topic("story-posted")
    await administer(kafka, lambda admin: admin.create_partitions({topic: NewPartitions(4)}))

    async def grown():
        [described] = await administer(kafka, lambda admin: admin.describe_topics([topic]))
        return len(described["partitions"]) == 4

    await eventually(grown)
    async with start() as ingest:
        await ingest.author().http.delete(f"/v1/stories/{story['id']}")

        async def forgotten():
            last = {record.partition: record.value for record in await ingest.records("story-posted", story["id"])}
            return last == dict.fromkeys([partition_of(story["id"], 3), partition_of(story["id"], 4)])

        await eventually(forgotten)


def partition_of(key, count):
    return key_hash(key) % count


async def test_erased_account_leaves_no_data_and_starts_empty(ingest, ann):
    story, draft = await ann.post(), await ann.drafted(photo(), key="k")
    at = rfc3339(system_now())
    receipt = new_id()
    value = {"user_id": ann.user_id, "at": at, "receipt_id": receipt}
    await produce_twice(ingest, "user-erased", ann.user_id, value, **headers_of("user-erased"))

    async def answered():
        return len(await ingest.events_of("user-data-erased", ann.user_id)) == 2

    await eventually(answered)
    assert {event["by"] for event in await ingest.events_of("story-deleted", story["id"])} == {"erasure"}
    assert [key for each in (story, draft) for key in keys_of(each["id"], await ingest.keys())] == []
    assert (await ann.quota())["posted_24h"] == 0
    assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 404
    assert (await ann.create(key="k")).json()["id"] != draft["id"]


async def test_external_erasure_needs_no_receipt_and_is_clamped_to_now(ingest, ann):
    future = rfc3339(system_now() + timedelta(days=1))
    await ingest.produce("user-erased", ann.user_id, {"user_id": ann.user_id, "at": future})

    async def answered():
        return await ingest.events_of("user-data-erased", ann.user_id)

    assert len((await eventually(answered))[0]["receipt_id"]) == 36
    later = await ann.post()
    await asyncio.sleep(0.2)
    await ingest.produce("user-erased", ann.user_id, {"user_id": ann.user_id, "at": "2026-01-01T00:00:00Z"})
    assert (await ann.show(later["id"])).status_code == 200


async def test_unreadable_record_is_dead_lettered(ingest, ann):
    story = await ann.post()
    await ingest.produce("story-expired", story["id"], {"story_id": story["id"]}, **headers_of("story-expired"))

    async def probe():
        return await dead_letter(ingest, "story-expired", story["id"])

    assert await eventually(probe) == [{"story_id": story["id"]}]


async def test_suspended_author_can_neither_create_nor_publish(ingest, ann):
    draft = await ann.drafted(photo())
    now = system_now()
    value = {"user_id": ann.user_id, "until": rfc3339(now + timedelta(days=1))}
    await produce_twice(ingest, "user-suspended", ann.user_id, value, **headers_of("user-suspended"))

    async def refused():
        return (await ann.create()).status_code == 403

    await eventually(refused)
    answers = [await ann.create(), await ann.publish(draft["id"])]
    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [(403, "urn:stories:suspended")] * 2
    erased_at = rfc3339(now + timedelta(minutes=1))
    receipt = {"user_id": ann.user_id, "at": erased_at, "receipt_id": new_id()}
    await produce_twice(ingest, "user-erased", ann.user_id, receipt, **headers_of("user-erased"))

    async def admitted():
        return (await ann.create()).status_code == 201

    await eventually(admitted)
