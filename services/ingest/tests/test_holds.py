"""Holds on the media of reported stories: the fake and the real store, and the service."""

from datetime import UTC, datetime, timedelta

import pytest
from stories_ingest import store
from stories_ingest.store.documents import HOLDS
from stories_ingest.store.holds import MongoHolds
from stories_ingest.testing.in_memory import MemoryHolds
from stories_ingest.usecases.holds import Hold
from stories_shared.clock import rfc3339, system_now
from stories_shared.events import StoryHeld
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)


@pytest.fixture
async def mongo(namespace):
    connected = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    await store.ensure(connected)
    yield connected
    await connected.close()


@pytest.fixture(params=["fake", "mongodb"])
def holds(request):
    return MemoryHolds() if request.param == "fake" else MongoHolds(request.getfixturevalue("mongo"))


def held(story_id, until=LATER, at=NOW, author_id="ann"):
    return StoryHeld(story_id=story_id, author_id=author_id, until=until, at=at)


async def test_latest_event_counts_and_none_once_it_was_released(holds):
    story_id = new_id()
    assert await holds.find(story_id) == []
    for until, at in ((LATER, NOW), (NOW, NOW - timedelta(hours=1)), (NOW, NOW)):
        await holds.put(held(story_id, until, at))
    assert await holds.find(story_id, new_id()) == [Hold(story_id, LATER, kept=False)]
    decided_at = NOW + timedelta(hours=1)
    await holds.put(held(story_id, decided_at, decided_at))
    assert await holds.due(NOW, 10) == []
    (due,) = await holds.due(decided_at, 10)
    await holds.release(due, decided_at)
    await holds.put(held(story_id, LATER, LATER))
    assert await holds.find(story_id) == [Hold(story_id, None, kept=False)]
    assert await holds.due(LATER, 10) == []


async def test_what_is_kept_meanwhile_is_not_released_unerased(holds):
    story_id = new_id()
    await holds.put(held(story_id))
    (read_before,) = await holds.find(story_id)
    assert await holds.keep(story_id, NOW)
    await holds.release(read_before, LATER)
    (due,) = await holds.due(LATER, 10)
    assert due == Hold(story_id, LATER, kept=True)
    assert not await holds.keep(story_id, LATER)


async def test_an_erasure_ends_the_authors_earlier_holds_only(holds):
    mine, new, other = new_id(), new_id(), new_id()
    for event in (held(mine), held(new, at=NOW + timedelta(hours=2)), held(other, author_id="bob")):
        await holds.put(event)
    until = NOW + timedelta(hours=1)
    await holds.end_all_of("ann", until, until)
    assert [hold.story_id for hold in await holds.due(until, 10)] == [mine]


async def test_no_author_id_remains_and_a_late_event_holds_nothing(mongo):
    holds, story_id = MongoHolds(mongo), new_id()
    await mongo[ERASED_USERS].insert_one({"_id": "eve", "at": NOW})
    await holds.put(held(new_id(), author_id="eve"))
    await holds.put(held(story_id))
    await holds.release((await holds.find(story_id))[0], LATER)
    kept = await mongo[HOLDS].find({}).to_list(None)
    assert [(each["_id"], "author_id" in each) for each in kept] == [(story_id, False)]


async def test_held_media_is_unreadable_and_erased_after_the_decision(ingest, ann):
    story = await ann.post()
    now = system_now()
    event = {"story_id": story["id"], "author_id": ann.user_id, "at": rfc3339(now)}
    await ingest.produce("story-held", story["id"], event | {"until": rfc3339(now + timedelta(days=7))})

    async def known():
        return await ingest.mongo[HOLDS].find_one({"_id": story["id"]})

    await eventually(known)
    original = await ingest.keys(f"stories/{story['id']}/")

    async def deleted():
        return (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204

    await eventually(deleted, within_s=60)
    assert await ingest.keys(f"stories/{story['id']}/") == []
    assert len(await ingest.keys(f"held/{story['id']}/")) == len(original) > 1
    decided_at = rfc3339(system_now())
    await ingest.produce("story-held", story["id"], event | {"until": decided_at, "at": decided_at})

    async def confirmed():
        return "moderation" in [
            found["store"] for found in await ingest.events_of("story-erased", story["id"]) if found
        ]

    await eventually(confirmed)
    assert await ingest.keys(f"held/{story['id']}/") == []
