"""One contract, three stores: in memory, and in MongoDB by either driver."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from stories_feed import store
from stories_feed.domain.edges import EdgeKey, Kind, TooManyEdges
from stories_feed.domain.visibility import Relation
from stories_feed.store.edges import FEW, FOLLOWS_OF_ONE_USER, MongoEdges
from stories_feed.store.follow_lists import LONG
from stories_feed.store.stories import MongoStories
from stories_feed.testing.builders import DAY, NOON, posted, received
from stories_feed.usecases.contents import StoryContent
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.notifications import Announcement, NextBatch
from stories_feed.usecases.ports import Seen
from stories_feed.usecases.seen import MarkSeen
from stories_feed.usecases.stories import live_story_from_event
from stories_shared.events import StoryEngaged, StoryPosted, StoryViewed, UserErased
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.user_erasure import EraseUser
from stories_shared.testing import FakeClock

from .stores import SECOND, Stores, memory_stores, mongo_stores

FOLLOW, BLOCK = EdgeKey(Kind.FOLLOW, "ann", "bob"), EdgeKey(Kind.BLOCK, "ann", "bob")
MUTE = EdgeKey(Kind.MUTE, "ann", "bob")


class Commands(CommandListener):
    """Counts the writes to each collection."""

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in {"insert", "update", "delete"}:
            self.writes[event.command[event.command_name]] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Count nothing."""


@pytest_asyncio.fixture(params=["memory", "pymongo", "motor"])
async def stores(request):
    now = FakeClock(NOON)
    if request.param == "memory":
        yield memory_stores(now)
        return
    servers = request.getfixturevalue("servers")
    name = f"t{uuid.uuid4().hex[:10]}"
    mongo = Mongo.connect(servers.mongo_url, name, request.param)
    await store.ensure(mongo)
    yield mongo_stores(mongo, now)
    await mongo.client.drop_database(name)
    await mongo.close()


async def content_of(stores: Stores, story: StoryPosted) -> StoryContent:
    stored = await stores.stories.contents([story.story_id])
    return stored[story.story_id].content


def as_json(story: StoryPosted | StoryContent) -> Any:
    """A story as decoded JSON, without what items do not need, and with ``hide_from`` sorted."""
    decoded = json.loads(msgspec.json.encode(story))
    decoded["hide_from"].sort()
    return {name: value for name, value in decoded.items() if name in StoryContent.__struct_fields__}


async def test_a_stored_story_is_read_back_unchanged(stores) -> None:
    story = posted(
        layers=({"kind": "text", "x": 0.5, "nested": {"deep": [1, None]}},), hide_from=("cho",), caption="first light"
    )
    await stores.stories.put([story])
    assert as_json(await content_of(stores, story)) == as_json(story)
    assert await stores.stories.live(NOON) == [live_story_from_event(story)]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["$numberLong", "1.2.840", "\u202e", "\U0001f600", "", "null"])
)
# Names with a meaning in BSON, extended JSON or the query language.
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["$ref", "$id", "$db", "$oid", "$date", "$numberLong", "$binary", "$where", "$", "", ".", "a.b", "_id", "__proto__"]
)
shapes = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
LOOK_ALIKES = [
    {"$ref": "a", "$id": "b"},
    {"$ref": "a", "$id": 1, "$db": "c"},
    {"$oid": "507f1f77bcf86cd799439011"},
    {"$date": {"$numberLong": "1"}},
    {"$binary": {"base64": "AA==", "subType": "00"}},
    {"$code": "f()", "$scope": {}},
    {"$set": {"$inc": {"a.b": 2**63 - 1}}},
]


def is_valid_layer(layer: dict[str, Any]) -> bool:
    try:
        posted(layers=(layer,))
    except ValueError:
        return False
    return True


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.dictionaries(names, shapes, max_size=4).filter(is_valid_layer), min_size=1, max_size=4))
@example(LOOK_ALIKES)
@example([{"meta": each} for each in LOOK_ALIKES])
@example([{"deep": {"b": {"c": {"d": {"e": {"f": [-(2**63), 2**63 - 1, 1e308, 5e-324]}}}}}}])
@example([{"\U0010ffff" * 100: "\uffff\u0001"}])
async def test_any_layer_is_read_back_unchanged(stores, layers) -> None:
    story = posted(layers=tuple(layers))
    await stores.stories.put([story])
    assert msgspec.json.decode((await content_of(stores, story)).layers) == layers
    assert await stores.stories.posters({story.story_id: 1})
    assert story.story_id in {live.story_id for live in await stores.stories.live(NOON)}
    await stores.stories.end([Ending(story.story_id, NOON, "deleted")])


async def test_the_highest_revision_stays_in_any_order(stores) -> None:
    old, new = posted(story_id=(story := posted()).story_id, revision=1), story
    new = posted(story_id=story.story_id, revision=3, audience="friends")
    await stores.stories.put([new, old])
    await stores.stories.put([old])
    assert as_json(await content_of(stores, story)) == as_json(new)
    assert (await stores.stories.posters({story.story_id: 3}))[story.story_id].audience == "friends"


async def test_concurrent_writers_leave_the_higher_revision(stores) -> None:
    ids = [posted().story_id for _ in range(20)]
    low = [posted(story_id=each, revision=1) for each in ids]
    high = [posted(story_id=each, revision=2) for each in ids]
    await asyncio.gather(*(stores.stories.put(each) for each in (low, high, low, high)))
    assert {stored.content.revision for stored in (await stores.stories.contents(ids)).values()} == {2}


async def test_a_document_older_than_the_index_has_no_preview(stores) -> None:
    story = posted(revision=1)
    await stores.stories.put([story])
    assert await stores.stories.posters({story.story_id: 2}) == {}


async def test_an_ended_story_stays_ended(stores) -> None:
    story = posted()
    await stores.stories.put([story])
    await stores.stories.end([Ending(story.story_id, NOON, "deleted")])
    await stores.stories.put([posted(story_id=story.story_id, revision=9)])
    assert await stores.stories.contents([story.story_id]) == {}
    assert await stores.stories.posters({story.story_id: 1}) == {}


async def test_a_story_that_ends_while_it_is_stored_is_not_kept(stores) -> None:
    story = posted()
    known = await stores.stories.known([story.story_id])
    await stores.stories.end([Ending(story.story_id, NOON, "deleted")])
    await stores.stories.put([story], known)
    assert await stores.stories.contents([story.story_id]) == {}
    assert await stores.stories.posters({story.story_id: 1}) == {}


async def test_what_is_known_of_stories_are_endings_and_revisions(stores) -> None:
    ended, stored, new = posted(), posted(revision=3), posted()
    await stores.stories.put([stored])
    await stores.stories.end([Ending(ended.story_id, NOON, "expired")])
    known = await stores.stories.known([ended.story_id, stored.story_id, new.story_id])
    assert (set(known.ended), known.revisions) == ({ended.story_id}, {stored.story_id: 3})


async def test_deleted_since_lists_deletions_and_no_expiries(stores) -> None:
    deleted, expired = posted(), posted()
    await stores.stories.end([Ending(deleted.story_id, NOON, "deleted"), Ending(expired.story_id, NOON, "expired")])
    assert [each for each, _ in await stores.stories.deleted_since(NOON)] == [deleted.story_id]
    assert await stores.stories.deleted_since(NOON + SECOND) == []


async def test_a_concurrent_post_and_end_leave_nothing(stores) -> None:
    stories = [posted() for _ in range(50)]
    endings = [Ending(story.story_id, NOON, "deleted") for story in stories]
    await asyncio.gather(stores.stories.put(stories), stores.stories.end(endings), stores.stories.put(stories))
    assert await stores.stories.contents([story.story_id for story in stories]) == {}


async def test_stories_have_seen_keys_and_ended_ones_have_none(stores) -> None:
    live, over, unknown = posted(), posted(), posted()
    await stores.stories.put([live, over])
    await stores.stories.end([Ending(over.story_id, NOON, "expired")])
    keys = await stores.stories.seen_keys(dict.fromkeys([live.story_id, over.story_id, unknown.story_id], NOON))
    assert keys[live.story_id].until == live.expires_at
    assert keys[unknown.story_id].until == NOON
    assert over.story_id not in keys
    assert keys[live.story_id].key != keys[unknown.story_id].key


async def test_a_seen_key_never_changes(stores) -> None:
    story = posted()
    before = (await stores.stories.seen_keys({story.story_id: NOON}))[story.story_id]
    assert await stores.stories.contents([story.story_id]) == {}
    assert await stores.stories.posters({story.story_id: 1}) == {}
    assert await stores.stories.live(NOON - SECOND) == []
    await stores.stories.put([story])
    await stores.stories.put([posted(story_id=story.story_id, revision=2)])
    after = (await stores.stories.seen_keys({story.story_id: NOON}))[story.story_id]
    assert (after.key, after.until) == (before.key, story.expires_at)
    assert await stores.stories.known_keys([story.story_id]) == {story.story_id: before.key}
    assert (await stores.stories.contents([story.story_id]))[story.story_id].seen_key == before.key


async def test_concurrent_views_and_an_end_leave_no_seen_key(stores) -> None:
    ids = [posted().story_id for _ in range(50)]
    views = [stores.stories.seen_keys(dict.fromkeys(ids, NOON + DAY)) for _ in range(3)]
    await asyncio.gather(views[0], stores.stories.end([Ending(each, NOON, "deleted") for each in ids]), *views[1:])
    assert await stores.stories.known_keys(ids) == {}


async def test_storing_engagement_leaves_the_story_unchanged(stores) -> None:
    story = posted()
    await stores.stories.put([story])
    for seq in (2, 1, 2):
        total = StoryEngaged(
            story_id=story.story_id, author_id="ann", kind="reaction", total=seq * 10, seq=seq, at=NOON
        )
        await stores.stories.save_engagement([total])
    await stores.stories.put([posted(story_id=story.story_id, revision=2)])
    assert (await content_of(stores, story)).revision == 2


async def test_an_announcement_advances_once_and_keeps_its_batch_until_it_is_published(stores) -> None:
    story, position, batch = posted(), (NOON, "bob"), NextBatch("id", ("bob",), NOON)
    await stores.stories.put([story, posted(series_id=story.story_id, part=2, parts=2)])
    [new] = await stores.announcements.unannounced(10)
    assert new == Announcement(story.story_id, "ann", None)
    assert await stores.announcements.advance(new, position, NOON, batch)
    assert not await stores.announcements.advance(new, position, NOON, batch), "another replica did"
    [saved] = await stores.announcements.unannounced(10)
    assert saved == replace(new, after=position, batch=batch)
    await stores.announcements.published(saved)
    [published] = await stores.announcements.unannounced(10)
    assert published == replace(saved, batch=None)
    assert await stores.announcements.advance(published, None, NOON)
    assert await stores.announcements.unannounced(10) == []


async def test_a_follow_is_listed_both_ways_and_in_the_follow_list(stores) -> None:
    await stores.request(FOLLOW, on=True)
    assert [each.user_id for each in await stores.edges.targets(Kind.FOLLOW, "ann", None, 10)] == ["bob"]
    assert [each.user_id for each in await stores.edges.users(Kind.FOLLOW, "bob", None, 10)] == ["ann"]
    assert list((await stores.edges.follow_list("ann")).following) == ["bob"]


async def test_a_long_follow_list_is_current_after_every_change(stores) -> None:
    keys = [EdgeKey(Kind.FOLLOW, "ann", f"u{n}") for n in range(LONG)]

    async def following() -> set[str]:
        return set((await stores.edges.follow_list("ann")).following)

    await stores.apply(*((key, True, 1) for key in keys))
    assert await following() == await following() == {key.target for key in keys}
    await stores.apply((keys[0], False, 2), (MUTE, True, 2), (FOLLOW, True, 2))
    assert await following() == {*(key.target for key in keys[1:]), "bob"}
    assert (await stores.edges.follow_list("ann")).muted == {"bob"}
    await stores.user_data.erase("ann", NOON + DAY)
    assert await following() == set()


async def test_a_follow_list_is_not_taken_for_that_of_an_erased_user(stores) -> None:
    for year in range(2):
        follows = [EdgeKey(Kind.FOLLOW, "ann", f"{year}-{n}") for n in range(LONG)]
        await stores.apply(*((key, True, year) for key in follows))
        assert set((await stores.edges.follow_list("ann")).following) == {key.target for key in follows}
        await stores.user_data.erase("ann", NOON + year * SECOND)


async def test_a_page_continues_after_the_previous_one(stores) -> None:
    await stores.apply(*((EdgeKey(Kind.FOLLOW, "ann", f"u{n}"), True, n // 2) for n in range(7)))
    listed, after = [], None
    while page := await stores.edges.targets(Kind.FOLLOW, "ann", after, 2):
        listed += [each.user_id for each in page]
        after = page[-1].position
    assert listed == ["u6", "u4", "u5", "u2", "u3", "u0", "u1"]


async def test_a_block_removes_follows_from_every_list(stores) -> None:
    await stores.apply((FOLLOW, True, 1), (FOLLOW.reversed, True, 1), (MUTE, True, 1))
    await stores.apply((BLOCK, True, 2))
    assert list((await stores.edges.follow_list("ann")).following) == []
    assert (await stores.edges.follow_list("ann")).muted == {"bob"}
    assert await stores.edges.users(Kind.FOLLOW, "ann", None, 10) == []
    assert await stores.edges.relations("bob", {"ann": list(Kind)}) == {"ann": Relation(blocked=True)}


async def test_imported_follows_respect_blocks_and_erasures(stores) -> None:
    block = EdgeKey(Kind.BLOCK, "ann", "u1")
    await stores.apply((block, True, 5), (EdgeKey(Kind.BLOCK, "u2", "ann"), True, 5))
    await stores.erased_users.mark("u3", NOON + 5 * SECOND, "receipt", NOON)
    follows = [EdgeKey(Kind.FOLLOW, "ann", f"u{n}") for n in range(8)]
    for _ in range(2):
        await stores.apply(*((follow, True, 3) for follow in follows))
        assert sorted((await stores.edges.follow_list("ann")).following) == ["u0", "u4", "u5", "u6", "u7"]
    await stores.apply((block, False, 6), *((follow, True, 7) for follow in follows))
    assert sorted((await stores.edges.follow_list("ann")).following) == ["u0", "u1", "u3", "u4", "u5", "u6", "u7"]


async def test_events_in_a_wrong_order_end_in_the_same_follow_list(stores) -> None:
    await stores.apply((FOLLOW, True, 5))
    await stores.apply((BLOCK, False, 3))
    await stores.apply((BLOCK, True, 2))
    await stores.apply((FOLLOW, False, 1))
    assert list((await stores.edges.follow_list("ann")).following) == ["bob"]


async def test_duplicate_events_are_listed_once(stores) -> None:
    for _ in range(2):
        await stores.apply((FOLLOW, True, 1), (MUTE, True, 1))
    assert list((await stores.edges.follow_list("ann")).following) == ["bob"]


async def test_a_concurrent_follow_and_block_leave_no_follow(stores) -> None:
    others = [f"u{n}" for n in range(5)]
    follows = [stores.request(EdgeKey(Kind.FOLLOW, other, "ann"), on=True) for other in others]
    blocks = [stores.request(EdgeKey(Kind.BLOCK, "ann", other), on=True) for other in others]
    await asyncio.gather(*(each for pair in zip(follows, blocks, strict=True) for each in pair))
    assert await stores.edges.users(Kind.FOLLOW, "ann", None, 100) == []
    assert all([not (await stores.edges.follow_list(other)).following for other in others])


async def test_relations_of_a_viewer_to_authors(stores) -> None:
    close = EdgeKey(Kind.CLOSE_FRIEND, "cho", "ann")
    await stores.apply((FOLLOW, True, 1), (FOLLOW.reversed, True, 1), (close, True, 1))
    relations = await stores.edges.relations("ann", dict.fromkeys(["bob", "cho", "dee"], tuple(Kind)))
    assert relations["bob"] == Relation(follows=True, followed=True)
    assert relations["cho"] == Relation(close=True)
    assert relations["dee"] == Relation()
    some = {"bob": [Kind.BLOCK, Kind.FOLLOW], "cho": [Kind.BLOCK, Kind.CLOSE_FRIEND]}
    assert await stores.edges.relations("ann", some) == {name: relations[name] for name in some}


async def test_relations_by_a_follow_list_are_the_same(stores) -> None:
    await stores.apply(
        (FOLLOW, True, 1), (FOLLOW.reversed, True, 1), (EdgeKey(Kind.CLOSE_FRIEND, "cho", "ann"), True, 1)
    )
    hidden, muted = EdgeKey(Kind.HIDE, "eve", "ann"), EdgeKey(Kind.MUTE, "ann", "bob")
    await stores.apply((hidden, True, 1), (muted, True, 1), (EdgeKey(Kind.BLOCK, "fay", "ann"), True, 1))
    everyone = dict.fromkeys(["bob", "cho", "dee", "eve", "fay"], tuple(Kind))
    expected = await stores.edges.relations("ann", everyone)
    assert expected["bob"] == Relation(follows=True, followed=True, muted=True)
    assert (expected["eve"], expected["fay"]) == (Relation(hidden=True), Relation(blocked=True))
    assert await stores.edges.relations("ann", everyone, await stores.edges.follow_list("ann")) == expected


async def test_a_version_changes_with_every_edge_that_decides_what_a_viewer_sees(stores) -> None:
    async def version() -> int:
        return (await stores.edges.versions(["ann"]))["ann"]

    await stores.apply((FOLLOW, True, 1), (EdgeKey(Kind.FOLLOW, "stranger", "ann"), True, 1))
    kinds = (Kind.CLOSE_FRIEND, Kind.HIDE, Kind.BLOCK)
    second = 2
    for key in (FOLLOW.reversed, *(EdgeKey(kind, "bob", "ann") for kind in kinds)):
        for on in (True, False):
            before = await version()
            await stores.apply((key, on, second))
            assert await version() > before, f"{key} {on}"
            second += 1
    before = await version()
    await stores.apply((EdgeKey(Kind.FOLLOW, "stranger", "ann"), False, second))
    assert await version() == before


@pytest.mark.parametrize("followers", [3, FEW + 1])
async def test_an_import_changes_the_versions_of_those_who_follow_back(stores, followers: int) -> None:
    await stores.apply(*((EdgeKey(Kind.FOLLOW, f"f{n}", "ann"), True, 1) for n in range(followers)))
    targets = ["f0", "f1", *(f"stranger{n}" for n in range(FOLLOWS_OF_ONE_USER))]
    before = await stores.edges.versions(["f0", "f1", "f2"])
    await stores.apply(*((EdgeKey(Kind.FOLLOW, "ann", target), True, 2) for target in targets))
    after = await stores.edges.versions(["f0", "f1", "f2"])
    assert {user for user in after if after[user] > before[user]} == {"f0", "f1"}


async def test_seen_marks_are_set_once_and_end_with_their_stories(stores) -> None:
    marks = [Seen("ann", 1, NOON + SECOND), Seen("ann", 2**63 - 1, NOON + DAY), Seen("bob", 3, NOON + DAY)]
    for _ in range(2):
        await stores.seen.mark(marks)
    assert await stores.seen.seen("ann", NOON) == {1, 2**63 - 1}
    assert await stores.seen.seen("ann", NOON + DAY / 2) == {2**63 - 1}


async def test_an_erased_user_leaves_no_edge_mark_or_story(stores) -> None:
    story = posted("ann", NOON)
    await stores.stories.put([story])
    await stores.apply((FOLLOW, True, 1), (FOLLOW.reversed, True, 1), (MUTE, True, 1))
    await stores.seen.mark([Seen("ann", 1, NOON + DAY)])
    await stores.user_data.erase("ann", NOON + 2 * SECOND)
    assert list((await stores.edges.follow_list("bob")).following) == []
    assert await stores.edges.users(Kind.FOLLOW, "bob", None, 10) == []
    assert await stores.seen.seen("ann", NOON) == frozenset()
    assert await stores.stories.contents([story.story_id]) == {}


async def test_later_edges_of_an_erased_user_are_kept(stores) -> None:
    await stores.erased_users.mark("ann", NOON + 2 * SECOND, "receipt", NOON)
    await stores.apply((FOLLOW, True, 1), (MUTE, True, 3))
    await stores.user_data.erase("ann", NOON + 2 * SECOND)
    follow_list = await stores.edges.follow_list("ann")
    assert (list(follow_list.following), follow_list.muted) == ([], {"bob"})
    assert await stores.user_data.erased(["ann", "bob"]) == {"ann": NOON + 2 * SECOND}


@pytest_asyncio.fixture
async def mongo(servers) -> AsyncIterator[Mongo]:
    """An empty database of the feed."""
    name = f"t{uuid.uuid4().hex[:10]}"
    made = Mongo.connect(servers.mongo_url, name)
    await store.ensure(made)
    yield made
    await made.client.drop_database(name)
    await made.close()


async def everything_in(mongo: Mongo) -> list[dict[str, Any]]:
    """Every document of every collection."""
    names = await mongo.database.list_collection_names()
    return [document for name in names for document in await mongo[name].find().to_list(None)]


async def test_follows_and_mutes_are_limited_per_user(mongo) -> None:
    edges = MongoEdges(mongo, FakeClock(NOON), max_listed=2)
    stores = replace(mongo_stores(mongo, FakeClock(NOON)), edges=edges)
    await stores.request(FOLLOW, on=True)
    await stores.request(MUTE, on=True)
    with pytest.raises(TooManyEdges):
        await stores.request(EdgeKey(Kind.FOLLOW, "ann", "cho"), on=True)
    await stores.request(MUTE, on=False)
    await stores.request(EdgeKey(Kind.FOLLOW, "ann", "cho"), on=True)
    assert set((await edges.follow_list("ann")).following) == {"bob", "cho"}


async def test_an_unreadable_document_is_left_out_and_counted(mongo) -> None:
    counted: list[None] = []
    stories = MongoStories(mongo, FakeClock(NOON), lambda: counted.append(None))
    good, bad = posted(), posted()
    await stories.put([good, bad])
    await mongo["stories"].update_one({"_id": bad.story_id}, {"$set": {"body": b'{"story_id": 7'}})
    assert set(await stories.contents([good.story_id, bad.story_id])) == {good.story_id}
    assert len(counted) == 1


@pytest.mark.parametrize("how", ["deleted", "expired"])
async def test_nothing_links_a_viewer_to_a_story_that_has_ended(mongo, how) -> None:
    now = FakeClock(NOON)
    stores = mongo_stores(mongo, now)
    stories, seen = stores.stories, stores.seen
    known, unknown, other = posted(), posted(), posted()
    await stories.put([known, other])
    views = [
        received(StoryViewed(story_id=story.story_id, viewer_id=viewer, viewed_at=NOON))
        for story in (known, unknown, other)
        for viewer in ("cho", "dee")
    ]
    await MarkSeen(seen, stories.seen_keys, stores.user_data.erased, DAY, now)(views)
    keys = await stories.known_keys([known.story_id, unknown.story_id])
    assert set(keys.values()) < await seen.seen("cho", NOON)

    await stories.end([Ending(story_id, NOON, how) for story_id in keys])

    for document in await everything_in(mongo):
        text = repr(document)
        of_viewer = "cho" in text or "dee" in text
        of_story = [story_id for story_id in keys if story_id in text]
        assert not (of_viewer and of_story)
        if not of_viewer:  # a seen key is in no other document
            assert not any(str(key) in text for key in keys.values())
    assert (await stories.known_keys([other.story_id]))[other.story_id] in await seen.seen("dee", NOON)


async def test_writes_during_an_erasure_are_erased_later(mongo) -> None:
    now = FakeClock(NOON)
    stores = mongo_stores(mongo, now)
    stories, edges, seen = stores.stories, stores.edges, stores.seen
    published: list[object] = []

    async def publish(event: object) -> None:
        published.append(event)

    erase_user = EraseUser("feed", stores.erased_users, stores.user_data.erase, publish, now)
    await erase_user(received(UserErased(user_id="ann", at=NOON, receipt_id=new_id())))
    late = {"kind": "follow", "user": "bob", "target": "ann", "requested": True, "on": True, "at": NOON}
    await mongo["edges"].insert_one({"_id": "follow/bob/ann", **late})
    await mongo["choices"].insert_one({"_id": "bob", "following": ["ann", "cho"]})
    story = posted("ann", NOON)
    await stories.put([story])
    await seen.mark([Seen("ann", 1, NOON + DAY)])
    assert not await erase_user.resume()
    now.forward(minutes=2)
    while await erase_user.resume():
        pass
    assert await edges.users(Kind.FOLLOW, "ann", None, 10) == []
    assert list((await edges.follow_list("bob")).following) == ["cho"]
    assert await seen.seen("ann", NOON) == frozenset()
    assert await stories.contents([story.story_id]) == {}
    assert await mongo["erased_users"].find_one({"due_at": {"$exists": True}}) is None
    assert len(published) == 1


async def test_an_erasure_writes_a_long_follow_list_once(servers, mongo) -> None:
    recorder = Commands()
    watched = Mongo.connect(servers.mongo_url, mongo.database.name, listeners=[recorder])
    now = FakeClock(NOON + 2 * SECOND)
    stores = mongo_stores(mongo, now)
    await stores.apply(*((EdgeKey(Kind.FOLLOW, "ann", f"u{n}"), True, 1) for n in range(1_200)))
    await stores.apply((EdgeKey(Kind.FOLLOW, "ann", "late"), True, 3))
    await mongo_stores(watched, now).user_data.erase("ann", NOON + 2 * SECOND)
    assert list((await stores.edges.follow_list("ann")).following) == ["late"]
    assert await mongo["edges"].count_documents({"user": "ann"}) == 1
    assert recorder.writes["choices"] == 1
    await watched.close()
