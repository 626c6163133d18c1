"""Hashtags and mentions follow the live index, and show a viewer only what they may see."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_feed.domain.edges import EdgeKey, Kind
from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.recency import RecencyLists, mentioned_users, public_hashtags
from stories_feed.routes.hashtags import folded_prefix
from stories_feed.testing.builders import NOON, posted
from stories_feed.usecases.newest import ReadNewest

from .use_cases import UseCases

TAGS = st.lists(st.sampled_from(["sea", "see", "sun", "rain"]), unique=True, max_size=3).map(tuple)
STEPS = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3), TAGS, st.booleans(), st.booleans()), max_size=40)


@given(STEPS)
def test_lists_hold_exactly_the_public_live_stories(steps) -> None:
    index, lists = LiveIndex(), RecencyLists(public_hashtags)
    index.subscribe(lists.on_change)
    for number, revision, tags, public, ends in steps:
        if ends:
            index.end(f"s{number}", NOON + timedelta(days=1))
        else:
            at = NOON + timedelta(seconds=number)
            audience = "everyone" if public else "friends"
            story = LiveStory(f"s{number}", "ann", at, at + timedelta(hours=1), audience, hashtags=tags)
            story.revision = revision
            index.put(story, NOON)
    found = (index.get(f"s{number}", NOON) for number in range(9))
    live = sorted((s for s in found if s is not None), key=lambda s: s.recency_key, reverse=True)
    expected = {
        tag: [s.story_id for s in live if s.audience == "everyone" and tag in s.hashtags]
        for tag in ("rain", "sea", "see", "sun")
    }
    assert {tag: list(lists.newest(tag, None)) for tag in expected} == expected
    counted = [(tag, len(found)) for tag, found in expected.items() if found]
    assert lists.with_prefix("", 20) == sorted(counted, key=lambda each: (-each[1], each[0]))
    assert {tag for tag, _ in lists.with_prefix("se", 20)} == {tag for tag in ("sea", "see") if expected[tag]}


def reader(use_cases: UseCases, keys_of) -> ReadNewest:
    lists = RecencyLists(keys_of)
    use_cases.index.subscribe(lists.on_change)
    build = use_cases.reel.build_items
    return ReadNewest(lists, build.visible_stories, build, use_cases.seen)


async def ids(read: ReadNewest, key: str, viewer: str = "bob", limit: int = 20) -> list[str]:
    """All pages."""
    found, at, more = [], None, True
    while more:
        entries, at = await read(viewer, key, at, limit)
        found += [entry.story.story_id for entry in entries]
        more = at is not None
    return found


async def test_a_hashtag_lists_public_stories_newest_first_over_pages(use_cases) -> None:
    read = reader(use_cases, public_hashtags)
    stories = [posted("ann", NOON - timedelta(minutes=n), hashtags=("sea",)) for n in range(7)]
    private = posted("ann", audience="followers", hashtags=("sea",))
    await use_cases.live(private, *stories)
    assert await ids(read, "sea", limit=2) == [story.story_id for story in stories]
    assert await ids(read, "sun") == []


async def test_a_hashtag_hides_stories_across_a_block(use_cases) -> None:
    read = reader(use_cases, public_hashtags)
    shown, hidden = posted("ann", hashtags=("sea",)), posted("cho", hashtags=("sea",))
    await use_cases.live(shown, hidden)
    await use_cases.change_edge(EdgeKey(Kind.BLOCK, "cho", "bob"), on=True)
    assert await ids(read, "sea") == [shown.story_id]


async def test_an_ended_story_leaves_its_lists(use_cases) -> None:
    read = reader(use_cases, public_hashtags)
    story = posted("ann", hashtags=("sea",))
    await use_cases.live(story)
    use_cases.apply_to_index.end(story.story_id, NOON)
    assert await ids(read, "sea") == []
    assert read.lists.with_prefix("", 20) == []


async def test_mentions_list_what_the_mentioned_may_see(use_cases) -> None:
    read = reader(use_cases, mentioned_users)
    shown, private = posted("ann", mentions=("bob",)), posted("ann", audience="friends", mentions=("bob",))
    await use_cases.live(shown, private)
    assert await ids(read, "bob") == [shown.story_id]
    assert await ids(read, "cho", viewer="cho") == []


@pytest.mark.parametrize(
    ("prefix", "folded"), [("", ""), ("SeA", "sea"), ("20", "20"), ("ﬁ", "fi"), ("#sea", None), ("a b", None)]
)
def test_a_prefix_is_folded_as_hashtags_are(prefix, folded) -> None:
    assert folded_prefix(prefix) == folded
