"""The order of For You: scores, snapshots that stay while scores move, and two of one author at most."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories_feed.domain.edges import EdgeKey, Kind
from stories_feed.domain.live import LiveIndex, LiveStory
from stories_feed.domain.ranking import (
    MAX_DEFERRED,
    PER_AUTHOR,
    EditorialBoost,
    FreshnessAndEngagement,
    RankedStories,
)
from stories_feed.testing.builders import NOON, posted, received
from stories_shared.events import StoryEngaged

from .use_cases import UseCases

HOUR = timedelta(hours=1)
RANKING = FreshnessAndEngagement(4 * 3600, {"reaction": 1.0, "share": 3.0})


def story(number: int, author: str = "ann", hours: float = 0, **fields) -> LiveStory:
    at = NOON - hours * HOUR
    return LiveStory(f"s{number:02}", author, at, at + timedelta(days=1), **fields)


def test_a_story_that_is_tau_older_needs_twice_the_engagement() -> None:
    new, old = story(1), story(2, hours=4)
    assert RANKING.score(new, {"reaction": 3}) == pytest.approx(RANKING.score(old, {"reaction": 7}))
    assert RANKING.score(new, {"share": 1}) == RANKING.score(new, {"reaction": 3})
    assert RANKING.score(new, {"unknown": 9}) == RANKING.score(new, {})


def test_an_editorial_boost_raises_an_author() -> None:
    boosted = EditorialBoost(RANKING, {"ann": 2.0})
    assert boosted.score(story(1), {}) == RANKING.score(story(1), {}) + 2
    assert boosted.score(story(1, "bob"), {}) == RANKING.score(story(1, "bob"), {})


class Ranked:
    """An index and its ranking."""

    def __init__(self) -> None:
        self.index, self.ranked = LiveIndex(), RankedStories(RANKING)
        self.index.subscribe(self.ranked.on_change)

    def order(self, now: int = 0, since: int | None = None) -> list[str]:
        return [key[-1] for key in self.ranked.snapshot(now, since).after(None)]


def test_the_newest_total_of_each_kind_counts_in_any_order() -> None:
    ranked = Ranked()
    ranked.ranked.engage("s01", "reaction", 5, 2)  # before its story
    for number in (1, 2):
        ranked.index.put(story(number, hours=number), NOON)
    assert ranked.order() == ["s01", "s02"]
    ranked.ranked.engage("s02", "reaction", 40, 3)
    ranked.ranked.engage("s02", "reaction", 0, 2)
    assert ranked.order() == ["s02", "s01"]
    ranked.ranked.engage("s02", "reaction", 0, 4)
    assert ranked.order() == ["s01", "s02"]


def test_totals_of_the_snapshot_are_replaced_by_newer_ones() -> None:
    ranked = Ranked()
    ranked.index.put(story(1, hours=4, engaged={"reaction": (7, 100)}), NOON)
    ranked.index.put(story(2), NOON)
    ranked.ranked.engage("s01", "reaction", 0, 6)
    assert ranked.order() == ["s01", "s02"]
    ranked.ranked.engage("s01", "reaction", 0, 8)
    assert ranked.order() == ["s02", "s01"]


def test_a_story_that_is_no_longer_public_leaves_and_comes_back() -> None:
    ranked = Ranked()
    ranked.index.put(story(1), NOON)
    ranked.index.put(story(1, revision=2, audience="friends"), NOON)
    assert ranked.order() == []
    ranked.ranked.engage("s01", "reaction", 3, 1)
    ranked.index.put(story(1, revision=3), NOON)
    assert ranked.order() == ["s01"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "engage", "end", "page", "hide"]), st.integers(0, 9), st.integers(0, 50)),
    max_size=60,
)


@given(STEPS, STEPS)
def test_an_earlier_order_stays_while_scores_move(before, after) -> None:
    ranked, seq = Ranked(), 0

    def apply(steps) -> None:
        nonlocal seq
        for what, number, amount in steps:
            seq += 1
            if what in {"put", "hide"}:
                audience = "everyone" if what == "put" else "friends"
                ranked.index.put(story(number, hours=number, revision=seq, audience=audience), NOON)
            elif what == "engage":
                ranked.ranked.engage(f"s{number:02}", "reaction", amount, seq)
            elif what == "end":
                ranked.index.end(f"s{number:02}", NOON + timedelta(days=9))
            else:
                ranked.ranked.snapshot(amount)

    apply(before)
    snapshot = ranked.ranked.snapshot(20)
    expected = [key[-1] for key in snapshot.after(None)]
    apply(after)
    live = {key[-1] for key in ranked.ranked.snapshot(0).after(None)}
    assert ranked.order(since=snapshot.time) == [each for each in expected if each in live]


async def pages(use_cases: UseCases, limit: int = 20, between=lambda: None) -> list[list[str]]:
    """All pages of bob's."""
    found, place, more = [], None, True
    while more:
        entries, place = await use_cases.for_you("bob", place, limit)
        found.append([entry.story.story_id for entry in entries])
        more = place is not None
        between()
    return found


async def test_engagement_brings_a_story_up(use_cases) -> None:
    old, new = posted("ann", NOON - HOUR), posted("cho")
    await use_cases.live(old, new)
    assert await pages(use_cases) == [[new.story_id, old.story_id]]
    engaged = StoryEngaged(story_id=old.story_id, author_id="ann", kind="reaction", total=3, seq=1, at=NOON)
    use_cases.apply_to_index(received(engaged))
    assert await pages(use_cases) == [[old.story_id, new.story_id]]


@pytest.mark.parametrize("limit", [3, 20, 50])
async def test_pages_neither_repeat_nor_skip_while_scores_move(use_cases, limit) -> None:
    stories = [posted(f"u{number % 7}", NOON - number * timedelta(minutes=1)) for number in range(60)]
    await use_cases.live(*stories)
    moved = iter(range(10_000))

    def engage() -> None:
        for _ in range(9):
            number = next(moved)
            use_cases.ranked.engage(stories[number * 13 % 60].story_id, "reaction", number % 90, number)

    found = await pages(use_cases, limit, engage)
    assert Counter(each for page in found for each in page) == Counter(story.story_id for story in stories)
    authors = {story.story_id: story.author_id for story in stories}
    for page in found:
        for begun in range(0, len(page), 14):  # seven authors, two of each
            most = Counter(authors[each] for each in page[begun : begun + 14]).most_common(1)
            assert most[0][1] <= PER_AUTHOR


@settings(max_examples=30)
@given(st.lists(st.integers(0, 14), max_size=50), st.integers(4, 45))
def test_every_story_comes_once_for_any_distribution_of_authors(authors, limit) -> None:
    async def check() -> None:
        use_cases = UseCases()
        stories = [posted(f"u{author}", NOON - n * timedelta(seconds=1)) for n, author in enumerate(authors)]
        await use_cases.live(*stories)
        place, found, more = None, [], True
        while more:
            entries, place = await use_cases.for_you("bob", place, limit)
            found += [entry.story.story_id for entry in entries]
            assert place is None or len(place.deferred) <= MAX_DEFERRED
            if limit <= 20:
                assert max(Counter(entry.story.author_id for entry in entries).values(), default=0) <= PER_AUTHOR
            more = place is not None
        assert Counter(found) == Counter(story.story_id for story in stories)

    asyncio.run(check())


async def test_blocked_muted_hiding_and_seen_are_left_out_also_of_those_that_wait(use_cases) -> None:
    names = ["shown", "blocked", "muted", "hiding"]
    stories = {name: [posted(name, NOON - n * HOUR) for n in range(4)] for name in names}
    await use_cases.live(*(story for each in stories.values() for story in each))
    entries, place = await use_cases.for_you("bob", None, 20)
    assert {entry.story.author_id for entry in entries} == set(names)
    await use_cases.change_edge(EdgeKey(Kind.BLOCK, "blocked", "bob"), on=True)
    await use_cases.change_edge(EdgeKey(Kind.MUTE, "bob", "muted"), on=True)
    await use_cases.change_edge(EdgeKey(Kind.HIDE, "hiding", "bob"), on=True)
    entries, place = await use_cases.for_you("bob", place, 20)
    assert [entry.story.story_id for entry in entries] == [story.story_id for story in stories["shown"][2:]]
    assert place is None


def test_ranked_stories_do_not_grow_with_ended_ones() -> None:
    ranked = Ranked()
    for number in range(5):
        ranked.index.put(replace(story(number), engaged={"reaction": (1, 1)}), NOON)
        ranked.index.end(f"s{number:02}", NOON + HOUR)
    assert (ranked.order(), ranked.ranked._totals, ranked.ranked._keys, ranked.ranked._stories) == ([], {}, {}, {})
