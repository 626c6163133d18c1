"""One contract, three stores: in memory, and in MongoDB by either driver."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from stories_feed import store
from stories_feed.domain.edges import Graph, Kind, Pair, TooManyChosen, Word
from stories_feed.domain.visibility import Relation
from stories_feed.store.edges import EdgeStore
from stories_feed.store.people import PeopleStore
from stories_feed.store.seen import SeenStore
from stories_feed.store.stories import StoryStore
from stories_feed.testing.builders import DAY, NOON, posted
from stories_feed.testing.memory import MemoryEdges, MemoryPeople, MemorySeen, MemoryStories
from stories_feed.usecases.ending import End
from stories_feed.usecases.posting import as_live
from stories_feed.usecases.seeing import Engagement, Seen
from stories_shared.mongo import Mongo
from stories_shared.testing import HandClock

FOLLOW, BLOCK = Pair(Kind.FOLLOW, "ann", "bob"), Pair(Kind.BLOCK, "ann", "bob")
MUTE = Pair(Kind.MUTE, "ann", "bob")
SECOND = timedelta(seconds=1)


@dataclass
class Stores:
    """All stores of the feed over one place."""

    stories: Any
    edges: Any
    seen: Any
    people: Any

    async def hear(self, *facts: tuple[Pair, bool, int]) -> None:
        """Facts at seconds after noon, all at once."""

        def decide(graph: Graph) -> None:
            for pair, on, second in facts:
                graph.hear(pair, Word(on, NOON + second * SECOND))

        await self.edges.change([pair for pair, _, _ in facts], decide, say=False)

    async def ask(self, pair: Pair, *, on: bool) -> None:
        """A wish at noon."""
        await self.edges.change([pair], lambda graph: graph.ask(pair, on=on, now=NOON), say=True)


@pytest_asyncio.fixture(params=["memory", "pymongo", "motor"])
async def stores(request):
    now = HandClock(NOON)
    if request.param == "memory":
        stories, edges, seen = MemoryStories(now), MemoryEdges(), MemorySeen()
        yield Stores(stories, edges, seen, MemoryPeople(stories, edges, seen))
        return
    servers = request.getfixturevalue("servers")
    name = f"t{uuid.uuid4().hex[:10]}"
    mongo = Mongo.connect(servers.mongo_url, name, request.param)
    await store.ensure(mongo)
    documents = StoryStore(mongo, now)
    yield Stores(documents, EdgeStore(mongo, now), SeenStore(mongo, DAY), PeopleStore(mongo, documents, now))
    await mongo.client.drop_database(name)
    await mongo.close()


async def test_a_story_comes_back_as_it_was_posted(stores) -> None:
    story = posted(
        layers=({"kind": "text", "x": 0.5, "nested": {"deep": [1, None]}},), hide_from=("cho",), caption="first light"
    )
    await stores.stories.put([story])
    assert await stores.stories.contents([story.story_id]) == {story.story_id: story}
    assert await stores.stories.live(NOON) == [as_live(story)]


async def test_the_highest_revision_stays_whatever_comes_last(stores) -> None:
    old, new = posted(story_id=(story := posted()).story_id, revision=1), story
    new = posted(story_id=story.story_id, revision=3, audience="friends")
    await stores.stories.put([new, old])
    await stores.stories.put([old])
    assert (await stores.stories.contents([story.story_id]))[story.story_id] == new
    assert (await stores.stories.cards({story.story_id: 3}))[story.story_id].audience == "friends"


async def test_writers_of_two_revisions_at_once_leave_the_higher_one(stores) -> None:
    ids = [posted().story_id for _ in range(20)]
    low = [posted(story_id=each, revision=1) for each in ids]
    high = [posted(story_id=each, revision=2) for each in ids]
    await asyncio.gather(*(stores.stories.put(each) for each in (low, high, low, high)))
    assert {story.revision for story in (await stores.stories.contents(ids)).values()} == {2}


async def test_a_document_older_than_the_index_has_no_card(stores) -> None:
    story = posted(revision=1)
    await stores.stories.put([story])
    assert await stores.stories.cards({story.story_id: 2}) == {}


async def test_an_ended_story_stays_ended(stores) -> None:
    story = posted()
    await stores.stories.put([story])
    await stores.stories.end([End(story.story_id, NOON, "deleted")])
    await stores.stories.put([posted(story_id=story.story_id, revision=9)])
    assert await stores.stories.contents([story.story_id]) == {}
    assert await stores.stories.cards({story.story_id: 1}) == {}
    assert [each for each, _ in await stores.stories.ended_since(NOON)] == [story.story_id]


async def test_a_post_and_its_end_at_once_leave_nothing(stores) -> None:
    stories = [posted() for _ in range(50)]
    endings = [End(story.story_id, NOON, "deleted") for story in stories]
    await asyncio.gather(stores.stories.put(stories), stores.stories.end(endings), stores.stories.put(stories))
    assert await stores.stories.contents([story.story_id for story in stories]) == {}


async def test_the_ends_of_stories_are_known_of_ended_ones_too(stores) -> None:
    live, over, unknown = posted(), posted(), posted()
    await stores.stories.put([live])
    await stores.stories.end([End(over.story_id, NOON, "expired")])
    ends = await stores.stories.ends([live.story_id, over.story_id, unknown.story_id])
    assert ends[live.story_id] == live.expires_at
    assert ends[over.story_id] < NOON
    assert unknown.story_id not in ends


async def test_engagement_is_kept_beside_the_story_and_does_not_disturb_it(stores) -> None:
    story = posted()
    await stores.stories.put([story])
    for seq in (2, 1, 2):
        await stores.stories.keep([Engagement(story.story_id, "reaction", seq * 10, seq)])
    await stores.stories.put([posted(story_id=story.story_id, revision=2)])
    assert (await stores.stories.contents([story.story_id]))[story.story_id].revision == 2


async def test_a_follow_is_listed_both_ways_and_chosen(stores) -> None:
    await stores.ask(FOLLOW, on=True)
    assert [each.user_id for each in await stores.edges.targets(Kind.FOLLOW, "ann", None, 10)] == ["bob"]
    assert [each.user_id for each in await stores.edges.users(Kind.FOLLOW, "bob", None, 10)] == ["ann"]
    assert list((await stores.edges.choices("ann")).following) == ["bob"]


async def test_lists_go_on_where_the_page_before_ended(stores) -> None:
    await stores.hear(*((Pair(Kind.FOLLOW, "ann", f"u{n}"), True, n // 2) for n in range(7)))
    listed, after = [], None
    while page := await stores.edges.targets(Kind.FOLLOW, "ann", after, 2):
        listed += [each.user_id for each in page]
        after = page[-1].place
    assert listed == ["u6", "u4", "u5", "u2", "u3", "u0", "u1"]


async def test_a_block_takes_follows_out_of_lists_and_choices(stores) -> None:
    await stores.hear((FOLLOW, True, 1), (FOLLOW.back, True, 1), (MUTE, True, 1))
    await stores.hear((BLOCK, True, 2))
    assert list((await stores.edges.choices("ann")).following) == []
    assert (await stores.edges.choices("ann")).muted == {"bob"}
    assert await stores.edges.users(Kind.FOLLOW, "ann", None, 10) == []
    assert await stores.edges.relations("bob", ["ann"]) == {"ann": Relation(blocked=True)}


async def test_facts_in_a_wrong_order_end_in_the_same_choices(stores) -> None:
    await stores.hear((FOLLOW, True, 5))
    await stores.hear((BLOCK, False, 3))
    await stores.hear((BLOCK, True, 2))
    await stores.hear((FOLLOW, False, 1))
    assert list((await stores.edges.choices("ann")).following) == ["bob"]


async def test_the_same_facts_twice_choose_once(stores) -> None:
    for _ in range(2):
        await stores.hear((FOLLOW, True, 1), (MUTE, True, 1))
    assert list((await stores.edges.choices("ann")).following) == ["bob"]


async def test_a_follow_and_a_block_at_once_leave_no_follow(stores) -> None:
    others = [f"u{n}" for n in range(5)]
    follows = [stores.ask(Pair(Kind.FOLLOW, other, "ann"), on=True) for other in others]
    blocks = [stores.ask(Pair(Kind.BLOCK, "ann", other), on=True) for other in others]
    await asyncio.gather(*(each for pair in zip(follows, blocks, strict=True) for each in pair))
    assert await stores.edges.users(Kind.FOLLOW, "ann", None, 100) == []
    assert all([not (await stores.edges.choices(other)).following for other in others])


async def test_how_a_viewer_stands_to_authors(stores) -> None:
    close = Pair(Kind.CLOSE_FRIEND, "cho", "ann")
    await stores.hear((FOLLOW, True, 1), (FOLLOW.back, True, 1), (close, True, 1))
    relations = await stores.edges.relations("ann", ["bob", "cho", "dee"])
    assert relations["bob"] == Relation(follows=True, followed=True)
    assert relations["cho"] == Relation(close=True)
    assert relations["dee"] == Relation()


async def test_seen_marks_are_set_once_and_end_with_their_stories(stores) -> None:
    marks = [Seen("ann", "s1", NOON + SECOND), Seen("ann", "s2", NOON + DAY), Seen("bob", "s3", NOON + DAY)]
    for _ in range(2):
        await stores.seen.mark(marks)
    assert await stores.seen.seen("ann", NOON) == {"s1", "s2"}
    assert await stores.seen.seen("ann", NOON + DAY / 2) == {"s2"}


async def test_an_erased_user_leaves_no_edge_mark_or_story(stores) -> None:
    story = posted("ann", NOON)
    await stores.stories.put([story])
    await stores.hear((FOLLOW, True, 1), (FOLLOW.back, True, 1), (MUTE, True, 1))
    await stores.seen.mark([Seen("ann", "s1", NOON + DAY)])
    assert await stores.people.begin_erasure("ann", NOON + 2 * SECOND)
    while await stores.people.erase("ann", NOON + 2 * SECOND):
        pass
    await stores.people.finish_erasure("ann", NOON + 2 * SECOND)
    assert list((await stores.edges.choices("bob")).following) == []
    assert await stores.edges.users(Kind.FOLLOW, "bob", None, 10) == []
    assert await stores.seen.seen("ann", NOON) == frozenset()
    assert await stores.stories.contents([story.story_id]) == {}
    assert not await stores.people.begin_erasure("ann", NOON + SECOND)


async def test_what_an_erased_user_does_later_is_kept(stores) -> None:
    await stores.people.begin_erasure("ann", NOON + 2 * SECOND)
    await stores.hear((FOLLOW, True, 1), (MUTE, True, 3))
    while await stores.people.erase("ann", NOON + 2 * SECOND):
        pass
    choices = await stores.edges.choices("ann")
    assert (list(choices.following), choices.muted) == ([], {"bob"})
    assert await stores.people.erased(["ann", "bob"]) == {"ann": NOON + 2 * SECOND}


async def test_nobody_follows_and_mutes_more_than_a_document_holds(servers) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    mongo = Mongo.connect(servers.mongo_url, name)
    await store.ensure(mongo)
    edges = EdgeStore(mongo, HandClock(NOON), most=2)
    stores = Stores(None, edges, None, None)
    await stores.ask(FOLLOW, on=True)
    await stores.ask(MUTE, on=True)
    with pytest.raises(TooManyChosen):
        await stores.ask(Pair(Kind.FOLLOW, "ann", "cho"), on=True)
    await stores.ask(MUTE, on=False)
    await stores.ask(Pair(Kind.FOLLOW, "ann", "cho"), on=True)
    assert set((await edges.choices("ann")).following) == {"bob", "cho"}
    await mongo.client.drop_database(name)
    await mongo.close()


async def test_what_came_in_while_a_user_was_being_erased_is_erased_later(servers) -> None:
    name, now = f"t{uuid.uuid4().hex[:10]}", HandClock(NOON)
    mongo = Mongo.connect(servers.mongo_url, name)
    await store.ensure(mongo)
    people, edges = PeopleStore(mongo, StoryStore(mongo, now), now), EdgeStore(mongo, now)
    late = {"kind": "follow", "user": "bob", "target": "ann", "asked": True, "on": True, "at": NOON}
    await people.begin_erasure("ann", NOON)
    await people.finish_erasure("ann", NOON)
    await mongo["edges"].insert_one({"_id": "follow/bob/ann", **late})
    await mongo["choices"].insert_one({"_id": "bob", "following": ["ann"]})
    assert not await people.look_again()
    now.forward(minutes=2)
    assert await people.look_again()
    assert not await people.look_again()
    assert await edges.users(Kind.FOLLOW, "ann", None, 10) == []
    assert list((await edges.choices("bob")).following) == []
    await mongo.client.drop_database(name)
    await mongo.close()
