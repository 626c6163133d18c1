"""Use cases over in-memory ports: the order of loading, what is unavailable, what is left out."""

from datetime import datetime, timedelta

import msgspec
import pytest
from stories_feed.domain.edges import EdgeChange, EdgeKey, Kind
from stories_feed.testing.builders import DAY, NOON, posted, received
from stories_feed.usecases.build_items import ItemWithAccess
from stories_feed.usecases.contents import StoredStory, StoryContent
from stories_feed.usecases.edges import shares_of
from stories_feed.usecases.endings import Ending
from stories_feed.usecases.items import ReelItem
from stories_feed.usecases.pages import MAX_BYTES, MAX_ROUNDS
from stories_feed.usecases.ports import Seen
from stories_feed.usecases.seen import StoreEngagement
from stories_feed.usecases.stories import LoadIndex
from stories_shared.clock import rfc3339
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import (
    Preview,
    Rendition,
    StoryDeleted,
    StoryEngaged,
    StoryErased,
    StoryExpired,
    StoryPosted,
    StoryViewed,
    UserDataErased,
    UserErased,
    UserFollowed,
    encode,
)
from stories_shared.events.cloudevents import Tombstone
from stories_shared.events.ids import new_id

from .stores import SECOND

MINUTE = timedelta(minutes=1)
FOLLOW = EdgeKey(Kind.FOLLOW, "bob", "ann")


def item_of(entry: ItemWithAccess) -> ReelItem:
    """The decoded item."""
    return msgspec.json.decode(entry.body, type=ReelItem)


async def test_loading_reads_offsets_before_the_snapshot(use_cases) -> None:
    order: list[str] = []
    story, ended = posted(), posted()
    await use_cases.stories.put([story])
    await use_cases.stories.end([Ending(ended.story_id, NOON, "deleted")])

    class Snapshot:
        async def live(self, now):
            order.append("live")
            return await use_cases.stories.live(now)

        async def deleted_since(self, since):
            order.append("deleted")
            return await use_cases.stories.deleted_since(since)

    async def committed():
        order.append("offsets")
        return {("story-posted", 0): 7}

    assert await LoadIndex(committed, Snapshot(), use_cases.apply_to_index)() == {("story-posted", 0): 7}
    assert order == ["offsets", "live", "deleted"]
    use_cases.apply_to_index(received(ended))
    assert use_cases.index.live_stories == 1


async def test_a_story_is_shown_when_index_and_document_have_it(use_cases) -> None:
    story = posted()
    use_cases.apply_to_index(received(story))
    assert await use_cases.reel_ids() == []
    await use_cases.store_stories([received(story)])
    assert await use_cases.reel_ids() == [story.story_id]


async def test_a_document_older_than_the_index_is_not_shown_yet(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    use_cases.apply_to_index(received(posted(story_id=story.story_id, revision=2)))
    assert await use_cases.reel_ids() == []
    assert await use_cases.rings("bob", ["ann"]) == {"ann": "none"}


async def test_a_newer_document_narrows_what_the_index_would_still_show(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    await use_cases.store_stories([received(posted(story_id=story.story_id, revision=2, hide_from=("bob",)))])
    assert await use_cases.reel_ids("bob") == []
    assert await use_cases.reel_ids("cho") == [story.story_id]


@pytest.mark.parametrize("left_s", [0.0, 0.9, 1.0])
async def test_a_story_that_ends_while_its_document_is_read_is_left_out(use_cases, left_s: float) -> None:
    story = posted()
    await use_cases.live(story)
    await use_cases.change_edge(FOLLOW, on=True)
    posters, contents = use_cases.stories.posters, use_cases.stories.contents
    before = use_cases.now()

    def slow(read):
        async def read_slowly(*arguments):
            found = await read(*arguments)
            use_cases.now.at = story.expires_at - left_s * SECOND
            return found

        return read_slowly

    use_cases.stories.posters, use_cases.stories.contents = slow(posters), slow(contents)
    visible = left_s == 1.0
    assert len((await use_cases.tray("bob", None, 20)).entries) == visible
    use_cases.now.at = before
    assert await use_cases.rings("bob", ["ann"]) == {"ann": "unseen" if visible else "none"}
    use_cases.now.at = before
    assert await use_cases.reel_ids() == [story.story_id] * visible


async def test_reads_are_unavailable_while_the_index_loads(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    use_cases.log_status.ready = False
    for read in (
        use_cases.tray("bob", None, 20),
        use_cases.rings("bob", ["ann"]),
        use_cases.reel("bob", "ann", None, 20),
        use_cases.story("bob", story.story_id, admin=False),
        use_cases.for_you("bob", None, 20),
    ):
        with pytest.raises(Unavailable):
            await read
    use_cases.log_status.ready = True
    assert await use_cases.reel_ids() == [story.story_id]


async def test_stories_of_stale_partitions_are_unavailable(use_cases) -> None:
    story, other = posted("ann"), posted("cho")
    await use_cases.live(story, other)
    use_cases.log_status.stale_ids = {story.story_id}
    with pytest.raises(Unavailable):
        await use_cases.reel_ids()
    with pytest.raises(Unavailable):
        await use_cases.story("bob", story.story_id, admin=True)
    assert await use_cases.reel_ids("bob", "cho") == [other.story_id]
    assert [entry.story.story_id for entry in (await use_cases.for_you("bob", None, 20))[0]] == [other.story_id]


async def test_renditions_captions_and_preview_are_in_the_item(use_cases) -> None:
    story_id = new_id()
    key = f"stories/{story_id}/small.mp4"
    small = Rendition(key=key, content_type="video/mp4", size=9, width=720, height=1280, codecs="avc1.64001F")
    preview = Preview(blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj", color="#8a7f62")
    story = posted(story_id=story_id, renditions=(small,), preview=preview)
    story = msgspec.structs.replace(
        story, media=msgspec.structs.replace(story.media, captions_key=f"stories/{story_id}/captions.vtt")
    )
    await use_cases.live(story)
    item = item_of(await use_cases.story("bob", story_id, admin=False))
    [rendition] = item.renditions
    assert rendition.url.startswith(f"s3://{key}?seconds=")
    assert (rendition.width, rendition.height, rendition.size, rendition.codecs) == (720, 1280, 9, "avc1.64001F")
    assert item.captions_url.startswith(f"s3://stories/{story_id}/captions.vtt?seconds=")
    assert item.preview == preview


async def test_tickets_of_a_page_end_with_their_audience_or_their_story(use_cases) -> None:
    public, brief = posted("ann"), posted("ann", lifetime=2 * MINUTE)
    restricted = posted("ann", audience="followers")
    await use_cases.live(public, restricted, brief)
    await use_cases.change_edge(FOLLOW, on=True)
    entries, _ = await use_cases.reel("bob", "ann", None, 20)
    ends = {entry.story.story_id: item_of(entry).ticket_expires_at for entry in entries}
    assert ends == {
        public.story_id: rfc3339(NOON + timedelta(hours=1)),
        restricted.story_id: rfc3339(NOON + 5 * MINUTE),
        brief.story_id: rfc3339(NOON + 2 * MINUTE),
    }


async def test_the_ring_of_a_stale_story_has_no_poster(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    await use_cases.edges.change([FOLLOW], lambda graph: graph.apply(FOLLOW, EdgeChange(True, NOON)), publish=False)
    (entry,) = (await use_cases.tray("bob", None, 20)).entries
    assert entry.poster_url.startswith(f"s3://{story.media.poster_key}")
    use_cases.log_status.stale_ids = {story.story_id}
    (entry,) = (await use_cases.tray("bob", None, 20)).entries
    assert (entry.ring.state, entry.poster_url) == ("unseen", None)


async def test_ready_ring_of_one_follower_serves_the_next_until_it_changes(use_cases) -> None:
    story, second = posted(at=NOON - MINUTE), posted()
    for viewer in ("bob", "cat", "dan"):
        await use_cases.change_edge(EdgeKey(Kind.FOLLOW, viewer, "ann"), on=True)
    await use_cases.live(story)
    (first,) = (await use_cases.tray("bob", None, 20)).entries
    (again,) = (await use_cases.tray("cat", None, 20)).entries
    assert again is first
    await use_cases.seen.mark([Seen("dan", use_cases.stories.keys[story.story_id].key, story.expires_at)])
    (seen,) = (await use_cases.tray("dan", None, 20)).entries
    assert (seen.ring.state, first.ring.state) == ("seen", "unseen")
    await use_cases.live(second)
    (both,) = (await use_cases.tray("cat", None, 20)).entries
    assert (both.ring.stories, both.ring.unseen) == (2, 2)
    (half,) = (await use_cases.tray("dan", None, 20)).entries
    assert (half.ring.stories, half.ring.unseen) == (2, 1)
    use_cases.index.end(second.story_id, NOON + DAY)
    assert (await use_cases.tray("cat", None, 20)).entries[0].ring.stories == 1
    use_cases.now.at = story.expires_at - SECOND / 2
    assert (await use_cases.tray("cat", None, 20)).entries == []


async def test_ready_ring_disappears_with_the_document_of_its_story(use_cases) -> None:
    story = posted()
    await use_cases.change_edge(FOLLOW, on=True)
    await use_cases.live(story)
    assert len((await use_cases.tray("bob", None, 20)).entries) == 1
    await use_cases.stories.end([Ending(story.story_id, NOON, "deleted")])
    assert (await use_cases.tray("bob", None, 20)).entries == []


async def test_ring_of_a_story_hidden_from_a_follower_is_never_ready(use_cases) -> None:
    for viewer in ("bob", "cat"):
        await use_cases.change_edge(EdgeKey(Kind.FOLLOW, viewer, "ann"), on=True)
    await use_cases.live(posted(hide_from=("cat",)), posted(at=NOON - MINUTE))
    assert (await use_cases.tray("bob", None, 20)).entries[0].ring.stories == 2
    assert (await use_cases.tray("cat", None, 20)).entries[0].ring.stories == 1
    assert (await use_cases.tray("bob", None, 20)).entries[0].ring.stories == 2


async def test_a_story_is_not_shown_in_its_last_second(use_cases) -> None:
    await use_cases.live(posted(lifetime=10 * SECOND))
    use_cases.now.forward(seconds=9)
    assert len(await use_cases.reel_ids()) == 1
    use_cases.now.forward(milliseconds=1)
    assert await use_cases.reel_ids() == []


async def test_a_url_does_not_outlive_the_story(use_cases) -> None:
    await use_cases.live(posted(lifetime=10 * SECOND))
    use_cases.now.forward(seconds=3, milliseconds=500)
    ((entry,), _) = await use_cases.reel("bob", "ann", None, 20)
    assert item_of(entry).media_url.endswith("seconds=6")


async def test_an_expired_or_ended_story_is_not_stored(use_cases) -> None:
    over, ended = posted(at=NOON - 2 * DAY), posted()
    await use_cases.end.deleted([received(StoryDeleted(story_id=ended.story_id, deleted_at=NOON, by="author"))])
    await use_cases.live(over, ended)
    assert use_cases.stories.stories == {}


async def test_a_story_posted_before_its_authors_erasure_is_not_stored(use_cases) -> None:
    await use_cases.erase_user(received(UserErased(user_id="ann", at=NOON, receipt_id=new_id())))
    before, after = posted("ann", NOON), posted("ann", NOON + SECOND)
    use_cases.now.forward(seconds=2)
    await use_cases.store_stories([received(before), received(after)])
    assert list(use_cases.stories.stories) == [after.story_id]


async def test_an_erasure_is_published_on_every_delivery(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    deleted = received(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="author"))
    for _ in range(2):
        await use_cases.end.deleted([deleted])
    assert use_cases.publisher.events == [StoryErased(story_id=story.story_id, store="feed", erased_at=NOON)] * 2


async def test_a_story_is_not_erased_before_its_end(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    early = StoryExpired(story_id=story.story_id, author_id="ann", expires_at=story.expires_at, expired_at=NOON)
    with pytest.raises(InvalidMessage):
        await use_cases.end.expired([received(early)])
    assert story.story_id in use_cases.stories.stories


async def test_an_external_producer_cannot_delete_as_the_author(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    forged = received(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="author"), is_internal=False)
    use_cases.apply_to_index(forged)
    with pytest.raises(InvalidMessage):
        await use_cases.end.deleted([forged])
    assert await use_cases.reel_ids() == [story.story_id]


async def test_a_tombstone_ends_a_story(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    use_cases.apply_to_index(Tombstone("story-posted", story.story_id, 0, 1))
    use_cases.apply_to_index(received(story))
    assert await use_cases.reel_ids() == []
    assert use_cases.new_stories == [story.story_id]


async def test_a_view_consumed_before_its_story_counts_as_seen(use_cases) -> None:
    story = posted()
    await use_cases.mark_seen([received(StoryViewed(story_id=story.story_id, viewer_id="bob", viewed_at=NOON))])
    await use_cases.live(story)
    assert await use_cases.rings("bob", ["ann"]) == {"ann": "seen"}


async def test_a_view_of_an_ended_story_leaves_no_mark(use_cases) -> None:
    story = posted()
    await use_cases.end.deleted([received(StoryDeleted(story_id=story.story_id, deleted_at=NOON, by="admin"))])
    await use_cases.mark_seen([received(StoryViewed(story_id=story.story_id, viewer_id="bob", viewed_at=NOON))])
    assert use_cases.seen.marks == set()


async def test_the_newest_engagement_of_each_kind_is_kept(use_cases) -> None:
    story = posted()
    await use_cases.live(story)
    events = [
        StoryEngaged(story_id=story.story_id, author_id="ann", kind="reaction", total=seq * 2, seq=seq, at=NOON)
        for seq in (3, 1, 2)
    ]
    for _ in range(2):
        await StoreEngagement(use_cases.stories.save_engagement)([received(event) for event in events])
    assert use_cases.stories.engaged[story.story_id, "reaction"].total == 6


async def test_for_you_skips_the_viewers_own_stories(use_cases) -> None:
    expected = posted("ann", NOON - 50 * SECOND)
    await use_cases.live(expected, *(posted("bob", NOON - number * SECOND) for number in range(30)))
    entries, position = await use_cases.for_you("bob", None, 1)
    assert [entry.story.story_id for entry in entries] == [expected.story_id]
    assert position is None or await use_cases.for_you("bob", position, 1) == ([], None)


async def test_for_you_scans_a_bounded_number_of_stories(use_cases, monkeypatch) -> None:
    monkeypatch.setattr("stories_feed.usecases.for_you.MAX_SCANNED", 10)
    expected = posted("ann", NOON - 50 * SECOND)
    await use_cases.live(expected, *(posted("bob", NOON - number * SECOND) for number in range(25)))
    found, position, pages = [], None, 0
    while pages == 0 or position is not None:
        entries, position = await use_cases.for_you("bob", position, 1)
        found, pages = found + [entry.story.story_id for entry in entries], pages + 1
    assert found == [expected.story_id]
    assert pages >= 3


async def test_for_you_makes_a_bounded_number_of_store_queries(use_cases) -> None:
    for number in range(220):
        await use_cases.live(posted(f"x{number}", NOON - number * SECOND))
        block = EdgeKey(Kind.BLOCK, f"x{number}", "bob")
        await use_cases.edges.change(
            [block], lambda graph, block=block: graph.apply(block, EdgeChange(True, NOON)), publish=False
        )
    expected = posted("ann", NOON - 300 * SECOND)
    await use_cases.live(expected)
    batches, relations = [], use_cases.edges.relations

    async def counted(viewer, authors, follow_list):
        batches.append(len(authors))
        return await relations(viewer, authors, follow_list)

    use_cases.edges.relations = counted
    entries, position = await use_cases.for_you("bob", None, 1)
    assert (entries, len(batches) <= MAX_ROUNDS) == ([], True)
    found = []
    while position is not None:
        entries, position = await use_cases.for_you("bob", position, 1)
        found += [entry.story.story_id for entry in entries]
    assert found == [expected.story_id]


def heavy(author: str, at: datetime = NOON) -> StoryPosted:
    """A story of some 250 KB, as many layers make it."""
    return posted(author, at, layers=tuple({"kind": "text", "text": "x" * 16_000} for _ in range(16)))


async def test_a_page_of_for_you_or_a_reel_is_bounded_in_bytes(use_cases) -> None:
    stories = [heavy("ann", NOON - number * SECOND) for number in range(10)]
    await use_cases.live(*stories)
    for read, ids in [
        (lambda position: use_cases.for_you("bob", position, 100), [story.story_id for story in stories]),
        (lambda position: use_cases.reel("bob", "ann", position, 100), [story.story_id for story in reversed(stories)]),
    ]:
        found, position, pages = [], None, 0
        while pages == 0 or position is not None:
            entries, position = await read(position)
            assert 0 < sum(len(entry.body) for entry in entries) < 1.1 * MAX_BYTES
            found, pages = found + [entry.story.story_id for entry in entries], pages + 1
        assert (found, pages) == (ids, 3)


async def test_many_reels_are_bounded_in_bytes_and_each_author_has_a_story(use_cases) -> None:
    stories = [heavy(f"u{author}", NOON - number * SECOND) for author in range(10) for number in range(5)]
    await use_cases.live(*stories)
    reels = await use_cases.reels("bob", [f"u{author}" for author in range(10)])
    assert [len(reel) for reel in reels.values()] == [1] * 10
    light = await use_cases.reels("bob", ["u0"])
    assert [each.story.posted_at for each in light["u0"]] == sorted(each.story.posted_at for each in light["u0"])
    assert len(light["u0"]) == 4


async def test_a_seen_story_is_not_in_for_you_before_its_key_is_loaded(use_cases) -> None:
    seen, fresh = posted("ann"), posted("cho")
    await use_cases.live(seen, fresh)
    await use_cases.mark_seen([received(StoryViewed(story_id=seen.story_id, viewer_id="bob", viewed_at=NOON))])
    assert use_cases.index.get(seen.story_id, NOON).seen_key is None
    assert [entry.story.story_id for entry in (await use_cases.for_you("bob", None, 20))[0]] == [fresh.story_id]


async def test_an_expired_storys_mark_goes_within_a_minute(use_cases) -> None:
    stories = [posted(at=NOON - number * SECOND) for number in range(20)]
    await use_cases.live(*stories)
    use_cases.now.forward(hours=24)
    use_cases.index.sweep(use_cases.now())
    for story in stories:
        use_cases.apply_to_index(Tombstone("story-posted", story.story_id, 0, 1))
    use_cases.now.forward(minutes=1)
    assert use_cases.index.sweep(use_cases.now()) == 20
    assert use_cases.index.sweep(use_cases.now() + 30 * DAY) == 0


async def test_a_block_waits_for_its_publication_and_a_mute_does_not(use_cases) -> None:
    block, mute = EdgeKey(Kind.BLOCK, "ann", "bob"), EdgeKey(Kind.MUTE, "ann", "bob")
    for key in (block, mute):
        await use_cases.change_edge(key, on=True)
    assert use_cases.relay.confirmed == [str(block)]


async def test_only_an_external_producers_future_time_is_clamped(use_cases) -> None:
    ahead = UserFollowed(user_id="bob", target_id="ann", at=NOON + DAY)
    await use_cases.apply_edge_events([received(ahead, is_internal=False, appended_at=NOON)])
    assert use_cases.edges.latest[FOLLOW] == EdgeChange(True, NOON)
    await use_cases.apply_edge_events([received(ahead)])
    assert use_cases.edges.latest[FOLLOW] == EdgeChange(True, NOON + DAY)


async def test_an_external_erasure_has_the_same_receipt_each_time(use_cases) -> None:
    erased = received(UserErased(user_id="ann", at=NOON), is_internal=False)
    for _ in range(2):
        await use_cases.erase_user(erased)
    first, second = use_cases.publisher.events
    assert isinstance(first, UserDataErased)
    assert first == second


def test_answer_of_a_quiz_is_in_no_item() -> None:
    quiz = {"kind": "quiz", "question": "1 + 1", "options": ["1", "2"], "correct": 1}
    text = {"kind": "text", "text": '"correct"', "correct": "of an earlier release"}
    body = encode(posted("ann", NOON, layers=(quiz, text)))
    stored = StoredStory.of(msgspec.json.decode(body, type=StoryContent), 1)
    shown = {"kind": "quiz", "question": "1 + 1", "options": ["1", "2"]}
    assert msgspec.json.decode(stored.content.layers) == [shown, text]


def test_large_batch_of_follows_is_shared_by_user_between_transactions() -> None:
    changes = [(EdgeKey(Kind.FOLLOW, f"u{n % 7}", f"t{n}"), EdgeChange(True, NOON)) for n in range(700)]
    first, second = shares_of(changes)
    assert not {key.user for key, _ in first} & {key.user for key, _ in second}
    assert sorted([*first, *second]) == sorted(changes)
    for whole in (changes[:20], [(key._replace(kind=Kind.BLOCK), change) for key, change in changes]):
        assert sorted(shares_of(whole)[0]) == sorted(whole)
    assert len(shares_of([(key._replace(user="ann"), change) for key, change in changes])) == 1
