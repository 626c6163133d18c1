"""The verbs over ports in memory: the order of a start, what is withheld, what is passed over."""

from datetime import datetime, timedelta

import msgspec
import pytest
from stories_feed.domain.edges import EdgeChange, EdgeKey, Kind
from stories_feed.domain.live import LiveIndex
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.testing.builders import DAY, NOON, fact, posted
from stories_feed.testing.in_memory import (
    FakeLogStatus,
    FakeSigner,
    MemoryEdges,
    MemoryPeople,
    MemorySeen,
    MemoryStories,
    NoopRelay,
    RecordingPublisher,
)
from stories_feed.usecases.edges import ApplyEdgeEvents, ChangeEdge
from stories_feed.usecases.endings import Ending, EndStories
from stories_feed.usecases.erasure import EraseUser
from stories_feed.usecases.items import BuildItems
from stories_feed.usecases.reels import MAX_BYTES, MAX_ROUNDS, ReadForYou, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeen, StoreEngagement
from stories_feed.usecases.stories import ApplyToIndex, LoadIndex, StoreStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import VisibleStories
from stories_shared.auth.tickets import Tickets
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import (
    StoryDeleted,
    StoryEngaged,
    StoryErased,
    StoryExpired,
    StoryPosted,
    StoryViewed,
    UserDataErased,
    UserErased,
    UserFollowed,
)
from stories_shared.events.cloudevents import Tombstone
from stories_shared.events.ids import new_id
from stories_shared.testing import HandClock

SECOND = timedelta(seconds=1)
FOLLOW = EdgeKey(Kind.FOLLOW, "bob", "ann")


class World:
    """The feed's verbs over memory."""

    def __init__(self) -> None:
        self.now = HandClock(NOON)
        self.index, self.log, self.said, self.relay = LiveIndex(), FakeLogStatus(), RecordingPublisher(), NoopRelay()
        self.stories, self.edges, self.seen = MemoryStories(self.now), MemoryEdges(), MemorySeen()
        self.people = MemoryPeople(self.stories, self.edges, self.seen)
        lives = TtlPolicy(ticket=timedelta(hours=1), restricted=timedelta(minutes=5))
        media, tickets = FakeSigner(), Tickets([("k1", b"0123456789abcdef")])
        sight = VisibleStories(self.index, self.edges, self.stories, self.log, self.now)
        show = BuildItems(sight, self.stories, media, tickets, lives)
        self.appeared: list[str] = []
        self.follow_log = ApplyToIndex(self.index, DAY, self.now, lambda story: self.appeared.append(story.story_id))
        self.post = StoreStories(self.stories, self.people, self.now)
        self.end = EndStories(self.stories, self.said, self.now)
        self.mark_seen = MarkSeen(self.seen, self.stories, self.people, DAY, self.now)
        self.tray = ReadTray(sight, self.edges, self.seen, self.stories, media, lives)
        self.rings = ReadRings(sight, self.seen, self.stories)
        self.reel, self.story = ReadReel(sight, show, self.seen), ReadStory(sight, show, self.seen)
        self.reels = ReadReels(sight, show, self.seen)
        self.for_you = ReadForYou(sight, show, self.seen, self.edges)
        self.decide, self.hear = ChangeEdge(self.edges, self.relay, self.now), ApplyEdgeEvents(self.edges)
        self.forget = EraseUser(self.people, self.said, self.now)

    async def live(self, *stories: StoryPosted) -> None:
        """Have stories in index and store."""
        for story in stories:
            self.follow_log(fact(story))
        await self.post([fact(story) for story in stories])

    async def shown(self, viewer: str = "bob", author: str = "ann") -> list[str]:
        """The ids of a reel."""
        return [shown.item.id for shown in (await self.reel(viewer, author, None, 20))[0]]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_start_asks_for_offsets_before_it_looks_at_the_store(world) -> None:
    order: list[str] = []
    story, ended = posted(), posted()
    await world.stories.put([story])
    await world.stories.end([Ending(ended.story_id, NOON, "deleted")])

    class Snapshot:
        async def live(self, now):
            order.append("live")
            return await world.stories.live(now)

        async def deleted_since(self, since):
            order.append("ended")
            return await world.stories.deleted_since(since)

    async def committed():
        order.append("offsets")
        return {("story-posted", 0): 7}

    assert await LoadIndex(committed, Snapshot(), world.follow_log)() == {("story-posted", 0): 7}
    assert order == ["offsets", "live", "ended"]
    world.follow_log(fact(ended))
    assert world.index.live_stories == 1


async def test_a_story_is_shown_when_index_and_document_have_it(world) -> None:
    story = posted()
    world.follow_log(fact(story))
    assert await world.shown() == []
    await world.post([fact(story)])
    assert await world.shown() == [story.story_id]


async def test_a_document_older_than_the_index_is_not_shown_yet(world) -> None:
    story = posted()
    await world.live(story)
    world.follow_log(fact(posted(story_id=story.story_id, revision=2)))
    assert await world.shown() == []
    assert await world.rings("bob", ["ann"]) == {"ann": "none"}


async def test_a_newer_document_narrows_what_the_index_would_still_show(world) -> None:
    story = posted()
    await world.live(story)
    await world.post([fact(posted(story_id=story.story_id, revision=2, hide_from=("bob",)))])
    assert await world.shown("bob") == []
    assert await world.shown("cho") == [story.story_id]


@pytest.mark.parametrize("left_s", [0.0, 0.9, 1.0])
async def test_a_story_that_ends_while_its_document_is_read_is_shown_by_nobody_and_no_answer_fails(
    world, left_s: float
) -> None:
    story = posted()
    await world.live(story)
    await world.decide(FOLLOW, on=True)
    cards, contents = world.stories.cards, world.stories.contents
    before = world.now()

    def slowly(read):
        async def read_slowly(*wanted):
            found = await read(*wanted)
            world.now.at = story.expires_at - left_s * SECOND
            return found

        return read_slowly

    world.stories.cards, world.stories.contents = slowly(cards), slowly(contents)
    lasting = left_s == 1.0
    assert len((await world.tray("bob", None, 20)).entries) == lasting
    world.now.at = before
    assert await world.rings("bob", ["ann"]) == {"ann": "unseen" if lasting else "none"}
    world.now.at = before
    assert await world.shown() == [story.story_id] * lasting


async def test_while_the_index_loads_nobody_is_told_that_there_is_nothing(world) -> None:
    story = posted()
    await world.live(story)
    world.log.loaded = False
    for reading in (
        world.tray("bob", None, 20),
        world.rings("bob", ["ann"]),
        world.reel("bob", "ann", None, 20),
        world.story("bob", story.story_id, admin=False),
        world.for_you("bob", None, 20),
    ):
        with pytest.raises(Unavailable):
            await reading
    world.log.loaded = True
    assert await world.shown() == [story.story_id]


async def test_what_the_log_does_not_vouch_for_is_withheld(world) -> None:
    story, other = posted("ann"), posted("cho")
    await world.live(story, other)
    world.log.silent = {story.story_id}
    with pytest.raises(Unavailable):
        await world.shown()
    with pytest.raises(Unavailable):
        await world.story("bob", story.story_id, admin=True)
    assert await world.shown("bob", "cho") == [other.story_id]
    assert [shown.item.id for shown in (await world.for_you("bob", None, 20))[0]] == [other.story_id]


async def test_a_ring_without_vouching_has_no_poster(world) -> None:
    story = posted()
    await world.live(story)
    await world.edges.change([FOLLOW], lambda graph: graph.hear(FOLLOW, EdgeChange(True, NOON)), publish=False)
    (entry,) = (await world.tray("bob", None, 20)).entries
    assert entry.poster_url.startswith(f"s3://{story.media.poster_key}")
    world.log.silent = {story.story_id}
    (entry,) = (await world.tray("bob", None, 20)).entries
    assert (entry.ring.state, entry.poster_url) == ("unseen", None)


async def test_nothing_is_shown_in_its_last_second(world) -> None:
    await world.live(posted(lifetime=10 * SECOND))
    world.now.forward(seconds=9)
    assert len(await world.shown()) == 1
    world.now.forward(milliseconds=1)
    assert await world.shown() == []


async def test_a_url_does_not_outlive_the_story(world) -> None:
    await world.live(posted(lifetime=10 * SECOND))
    world.now.forward(seconds=3, milliseconds=500)
    ((shown,), _) = await world.reel("bob", "ann", None, 20)
    assert shown.item.media_url.endswith("seconds=6")


async def test_a_story_that_is_over_or_ended_is_not_kept(world) -> None:
    over, ended = posted(at=NOON - 2 * DAY), posted()
    await world.end.deleted([fact(StoryDeleted(story_id=ended.story_id, deleted_at=NOON, by="author"))])
    await world.live(over, ended)
    assert world.stories.stories == {}


async def test_a_story_of_somebody_erased_since_is_not_kept(world) -> None:
    await world.forget(fact(UserErased(user_id="ann", at=NOON, receipt_id=new_id())))
    before, after = posted("ann", NOON), posted("ann", NOON + SECOND)
    world.now.forward(seconds=2)
    await world.post([fact(before), fact(after)])
    assert list(world.stories.stories) == [after.story_id]


async def test_an_end_is_said_every_time_it_is_heard(world) -> None:
    story = posted()
    await world.live(story)
    deleted = fact(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="author"))
    for _ in range(2):
        await world.end.deleted([deleted])
    assert world.said.events == [StoryErased(story_id=story.story_id, store="feed", erased_at=NOON)] * 2


async def test_nothing_is_erased_before_its_end_has_come(world) -> None:
    story = posted()
    await world.live(story)
    early = StoryExpired(story_id=story.story_id, author_id="ann", expires_at=story.expires_at, expired_at=NOON)
    with pytest.raises(InvalidMessage):
        await world.end.expired([fact(early)])
    assert story.story_id in world.stories.stories


async def test_an_outsider_does_not_delete_in_the_authors_name(world) -> None:
    story = posted()
    await world.live(story)
    slip = fact(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="author"), is_internal=False)
    world.follow_log(slip)
    with pytest.raises(InvalidMessage):
        await world.end.deleted([slip])
    assert await world.shown() == [story.story_id]


async def test_a_tombstone_ends_a_story(world) -> None:
    story = posted()
    await world.live(story)
    world.follow_log(Tombstone("story-posted", story.story_id, 0, 1))
    world.follow_log(fact(story))
    assert await world.shown() == []
    assert world.appeared == [story.story_id]


async def test_a_view_that_is_heard_before_its_story_counts_as_seen(world) -> None:
    story = posted()
    await world.mark_seen([fact(StoryViewed(story_id=story.story_id, viewer_id="bob", viewed_at=NOON))])
    await world.live(story)
    assert await world.rings("bob", ["ann"]) == {"ann": "seen"}


async def test_a_view_of_an_ended_story_leaves_no_mark(world) -> None:
    story = posted()
    await world.end.deleted([fact(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="admin"))])
    await world.mark_seen([fact(StoryViewed(story_id=story.story_id, viewer_id="bob", viewed_at=NOON))])
    assert world.seen.marks == set()


async def test_the_newest_engagement_of_each_kind_is_kept(world) -> None:
    story = posted()
    await world.live(story)
    told = [
        StoryEngaged(story_id=story.story_id, author_id="ann", kind="reaction", total=seq * 2, seq=seq, at=NOON)
        for seq in (3, 1, 2)
    ]
    for _ in range(2):
        await StoreEngagement(world.stories)([fact(each) for each in told])
    assert world.stories.engaged[story.story_id, "reaction"].total == 6


async def test_for_you_goes_on_over_what_is_not_wanted(world) -> None:
    wanted = posted("ann", NOON - 50 * SECOND)
    await world.live(wanted, *(posted("bob", NOON - number * SECOND) for number in range(30)))
    shown, place = await world.for_you("bob", None, 1)
    assert [each.item.id for each in shown] == [wanted.story_id]
    assert place is None or await world.for_you("bob", place, 1) == ([], None)


async def test_for_you_looks_at_a_bounded_number_of_stories(world, monkeypatch) -> None:
    monkeypatch.setattr("stories_feed.usecases.reels.MAX_SCANNED", 10)
    wanted = posted("ann", NOON - 50 * SECOND)
    await world.live(wanted, *(posted("bob", NOON - number * SECOND) for number in range(25)))
    found, place, pages = [], None, 0
    while pages == 0 or place is not None:
        shown, place = await world.for_you("bob", place, 1)
        found, pages = found + [each.item.id for each in shown], pages + 1
    assert found == [wanted.story_id]
    assert pages >= 3


async def test_for_you_asks_the_store_a_bounded_number_of_times(world) -> None:
    for number in range(60):
        await world.live(posted(f"x{number}", NOON - number * SECOND))
        block = EdgeKey(Kind.BLOCK, f"x{number}", "bob")
        await world.edges.change(
            [block], lambda graph, block=block: graph.hear(block, EdgeChange(True, NOON)), publish=False
        )
    wanted = posted("ann", NOON - 100 * SECOND)
    await world.live(wanted)
    asked, relations = [], world.edges.relations

    async def counted(viewer, authors):
        asked.append(len(authors))
        return await relations(viewer, authors)

    world.edges.relations = counted
    shown, place = await world.for_you("bob", None, 1)
    assert (shown, len(asked) <= MAX_ROUNDS) == ([], True)
    found = []
    while place is not None:
        shown, place = await world.for_you("bob", place, 1)
        found += [each.item.id for each in shown]
    assert found == [wanted.story_id]


def heavy(author: str, at: datetime = NOON) -> StoryPosted:
    """A story of some 250 KB, as many layers make it."""
    return posted(author, at, layers=tuple({"kind": "text", "text": "x" * 16_000} for _ in range(16)))


async def test_a_page_of_for_you_or_a_reel_is_bounded_in_bytes(world) -> None:
    stories = [heavy("ann", NOON - number * SECOND) for number in range(10)]
    await world.live(*stories)
    for read, ids in [
        (lambda place: world.for_you("bob", place, 100), [story.story_id for story in stories]),
        (lambda place: world.reel("bob", "ann", place, 100), [story.story_id for story in reversed(stories)]),
    ]:
        found, place, pages = [], None, 0
        while pages == 0 or place is not None:
            shown, place = await read(place)
            assert 0 < len(msgspec.json.encode([each.item for each in shown])) < 1.1 * MAX_BYTES
            found, pages = found + [each.item.id for each in shown], pages + 1
        assert (found, pages) == (ids, 3)


async def test_many_reels_are_bounded_in_bytes_and_each_author_has_a_story(world) -> None:
    stories = [heavy(f"u{author}", NOON - number * SECOND) for author in range(10) for number in range(5)]
    await world.live(*stories)
    reels = await world.reels("bob", [f"u{author}" for author in range(10)])
    assert [len(reel) for reel in reels.values()] == [1] * 10
    light = await world.reels("bob", ["u0"])
    assert [each.item.posted_at for each in light["u0"]] == sorted(each.item.posted_at for each in light["u0"])
    assert len(light["u0"]) == 4


async def test_what_was_seen_is_not_in_for_you_before_its_key_is_known_here(world) -> None:
    seen, fresh = posted("ann"), posted("cho")
    await world.live(seen, fresh)
    await world.mark_seen([fact(StoryViewed(story_id=seen.story_id, viewer_id="bob", viewed_at=NOON))])
    assert world.index.get(seen.story_id, NOON).seen_key is None
    assert [shown.item.id for shown in (await world.for_you("bob", None, 20))[0]] == [fresh.story_id]


async def test_an_erased_storys_mark_is_kept_no_longer_than_its_life(world) -> None:
    stories = [posted(at=NOON - number * SECOND) for number in range(20)]
    await world.live(*stories)
    world.now.forward(hours=24)
    world.index.sweep(world.now())
    for story in stories:
        world.follow_log(Tombstone("story-posted", story.story_id, 0, 1))
    world.now.forward(minutes=1)
    world.index.sweep(world.now())
    assert world.index.ended_marks == 0


async def test_a_block_waits_until_it_is_said_and_a_mute_does_not(world) -> None:
    block, mute = EdgeKey(Kind.BLOCK, "ann", "bob"), EdgeKey(Kind.MUTE, "ann", "bob")
    for pair in (block, mute):
        await world.decide(pair, on=True)
    assert world.relay.confirmed == [block]


async def test_an_outsiders_time_ahead_is_cut_and_our_own_is_not(world) -> None:
    ahead = UserFollowed(user_id="bob", target_id="ann", at=NOON + DAY)
    await world.hear([fact(ahead, is_internal=False, appended_at=NOON)])
    assert world.edges.words[FOLLOW] == EdgeChange(True, NOON)
    await world.hear([fact(ahead)])
    assert world.edges.words[FOLLOW] == EdgeChange(True, NOON + DAY)


async def test_an_outsiders_erasure_has_the_same_receipt_each_time(world) -> None:
    erased = fact(UserErased(user_id="ann", at=NOON), is_internal=False)
    for _ in range(2):
        await world.forget(erased)
    first, second = world.said.events
    assert isinstance(first, UserDataErased)
    assert first == second
