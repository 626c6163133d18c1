"""Every query of every store, explained by MongoDB on collections with data."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from stories_feed import store
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind, NotifyChoice
from stories_feed.store.announcements import MongoAnnouncements
from stories_feed.store.edge_documents import events_of
from stories_feed.store.edges import MongoEdges
from stories_feed.store.erasure import MongoUserData
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.stories import MongoStories
from stories_feed.testing.builders import DAY, NOON, posted
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.ports import Seen
from stories_shared.events import StoryEngaged
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.outbox import Outbox
from stories_shared.testing import FakeClock
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

pytestmark = pytest.mark.servers
SECOND = timedelta(seconds=1)
COLLECTIONS = {"stories", "ended", "edges", "choices", "seen", "erased_users"}


class AcceptingPublisher:
    """A publisher that accepts everything."""

    def record_of(self, event) -> object:
        """Any record stands for the event."""
        return event

    async def send(self, records, attempts) -> None:
        """Accept them."""


@pytest_asyncio.fixture
async def recorded(servers) -> AsyncIterator[tuple[Mongo, CommandRecorder]]:
    """An empty database of the feed, and the commands sent to it."""
    name, recorder = f"t{uuid.uuid4().hex[:10]}", CommandRecorder()
    mongo = Mongo.connect(servers.mongo_url, name, listeners=[recorder])
    await store.ensure(mongo)
    yield mongo, recorder
    await mongo.client.drop_database(name)
    await mongo.close()


async def test_every_query_has_an_index(recorded) -> None:
    mongo, recorder = recorded
    now = FakeClock(NOON)
    stories, edges, seen = MongoStories(mongo, now), MongoEdges(mongo, now), MongoSeenMarks(mongo, DAY)
    user_data, erased_users = MongoUserData(mongo, stories), MongoErasedUsers(mongo, now)

    events = [posted(f"u{n % 40}", NOON - n * SECOND) for n in range(300)]
    ids = [story.story_id for story in events]
    await stories.put(events)
    await stories.put([posted(story_id=story_id, revision=2) for story_id in ids[:3]])
    await stories.end(
        [Ending(each, NOON, "expired" if number % 3 else "deleted") for number, each in enumerate(ids[200:])]
    )
    await stories.seen_keys({**dict.fromkeys(ids, NOON), posted().story_id: NOON})
    await stories.contents(ids)
    await stories.posters(dict.fromkeys(ids, 1))
    await stories.known_keys(ids)
    await stories.live(NOON)
    await stories.deleted_since(NOON - DAY)
    announcements = MongoAnnouncements(mongo)
    [first, *_] = await announcements.unannounced(20)
    assert await announcements.advance(first, (NOON, "bob"), NOON)
    await stories.save_engagement(
        [StoryEngaged(story_id=ids[0], author_id="u0", kind="reaction", total=3, seq=1, at=NOON)]
    )

    kinds = list(Kind)
    keys = [EdgeKey(kinds[n % len(kinds)], f"u{n % 40}", f"v{n}") for n in range(300)]
    keys += [EdgeKey(Kind.FOLLOW, f"w{n}", "u1") for n in range(300)]

    def update(graph: EdgeSet) -> None:
        for number, key in enumerate(keys):
            graph.apply(key, EdgeChange(True, NOON - number * SECOND))

    await edges.change(keys, update, publish=True)
    for page in (None, (NOON - 20 * SECOND, "v20")):
        await edges.targets(Kind.FOLLOW, "u0", page, 20)
        await edges.users(Kind.FOLLOW, "u1", page, 20)
    await edges.relations("u0", {f"v{n}": list(Kind) for n in range(40)})
    await edges.follow_list("u0")
    await edges.versions([f"u{n}" for n in range(40)])
    for number in range(60):
        await edges.set_notify(EdgeKey(Kind.FOLLOW, f"w{number}", "u1"), NotifyChoice(number < 50, "DE"))
    for page in (None, (NOON - 340 * SECOND, "w1")):
        assert await edges.notified_followers("u1", page, 20)
    outbox = Outbox("edges", mongo["edges"], events_of, AcceptingPublisher(), now)
    await outbox.publish_now(str(keys[0]))
    await outbox.pending()
    await outbox.run_once()

    await seen.mark([Seen(f"u{n}", n, NOON + DAY) for n in range(300)])
    await seen.seen("u1", NOON)
    await seen.versions([f"u{n}" for n in range(40)], NOON)

    for number in range(300):
        mark = await erased_users.mark(f"gone{number}", NOON, new_id(), NOON)
        await erased_users.finish(mark, NOON)
    await user_data.erased(["gone1", "u1"])
    now.forward(minutes=2)
    due = await erased_users.claim(now(), now())
    assert due is not None
    await erased_users.schedule(due, now())
    await user_data.erase("u1", now())

    commands = recorder.commands
    assert {next(iter(command.values())) for command in commands} == COLLECTIONS
    assert await slow_plans(mongo, commands) == []
