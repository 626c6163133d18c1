"""The live index compared with a simple model."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from stories_feed.domain.live import EXPIRED_KEPT, LiveIndex, LiveStory
from stories_feed.testing.builders import NOON

AUTHORS = ["ann", "bob", "cho"]
SECOND = timedelta(seconds=1)
LATER = NOON + timedelta(days=30)


def story(number: int, revision: int = 1, **fields) -> LiveStory:
    """A story by number: the same number is the same story."""
    posted_at = NOON + timedelta(seconds=number % 5)
    base = LiveStory(
        story_id=f"s{number:02}",
        author_id=AUTHORS[number % 3],
        posted_at=posted_at,
        expires_at=posted_at + timedelta(seconds=5 + number),
        revision=revision,
    )
    return replace(base, **fields)


class IndexAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index, self.now = LiveIndex(), NOON
        self.stored: dict[str, LiveStory] = {}
        self.ended: set[str] = set()

    @rule(number=st.integers(0, 11), revision=st.integers(1, 4), audience=st.sampled_from(["everyone", "friends"]))
    def post(self, number: int, revision: int, audience: str) -> None:
        event = story(number, revision, audience=audience)
        before = self.stored.get(event.story_id)
        is_new = self.index.put(event, self.now)
        stored = event.story_id not in self.ended and event.expires_at > self.now
        stored = stored and (before is None or before.revision < revision)
        assert is_new == (stored and before is None)
        if stored:
            self.stored[event.story_id] = event

    @rule(number=st.integers(0, 11))
    def end(self, number: int) -> None:
        self.index.end(f"s{number:02}", LATER)
        self.ended.add(f"s{number:02}")
        self.stored.pop(f"s{number:02}", None)

    @rule(seconds=st.integers(1, 4))
    def advance_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        self.index.sweep(self.now)
        self.stored = {key: each for key, each in self.stored.items() if each.expires_at > self.now}
        assert self.index.live_stories == len(self.stored)
        assert self.index.live_authors == len({each.author_id for each in self.stored.values()})

    @invariant()
    def shows_what_the_model_shows(self) -> None:
        live = {key: each for key, each in self.stored.items() if each.expires_at > self.now}
        assert {key: self.index.get(key, self.now) for key in live} == live
        for author in AUTHORS:
            reel = sorted(
                (each for each in live.values() if each.author_id == author), key=lambda each: each.reel_position
            )
            assert list(self.index.reel(author, self.now)) == reel


IndexAgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestTheIndexAgainstAModel = IndexAgainstModel.TestCase


def test_an_ended_story_does_not_come_back() -> None:
    index = LiveIndex()
    index.end("s01", LATER)
    assert not index.put(story(1), NOON)
    assert index.reel("bob", NOON) == ()


def test_a_deleted_storys_mark_lasts_until_the_story_has_expired() -> None:
    index = LiveIndex()
    index.put(story(1), NOON)
    index.end("s01", LATER)
    assert not index.put(story(1, revision=2), NOON)
    end = story(1).expires_at + EXPIRED_KEPT
    assert (index.sweep(end), index.sweep(LATER)) == (2, 0), "the expiry and the mark"
    assert not index.put(story(1, revision=2), end)


def test_tombstones_of_expired_stories_leave_no_lasting_marks() -> None:
    index = LiveIndex()
    for number in range(12):
        index.put(story(number), NOON)
    end = NOON + 30 * SECOND
    index.sweep(end)
    for number in range(12):
        index.end(f"s{number:02}", LATER)
        index.end(f"s{number:02}", LATER + SECOND)
    assert (index.sweep(end + EXPIRED_KEPT), index.sweep(LATER + SECOND)) == (12, 0)


def test_a_repeated_end_of_an_unknown_story_keeps_one_mark() -> None:
    index = LiveIndex()
    for seconds in range(10):
        index.end("s01", NOON + seconds * SECOND)
    assert index.sweep(NOON + 10 * SECOND) == 1


def test_a_newer_revision_keeps_the_seen_key() -> None:
    index = LiveIndex()
    index.put(story(1), NOON)
    index.get("s01", NOON).seen_key = 7
    index.put(story(1, revision=2), NOON)
    assert index.get("s01", NOON).seen_key == 7


def test_a_mark_of_an_unknown_story_is_removed_at_its_given_time() -> None:
    index = LiveIndex()
    index.end("s01", NOON + SECOND)
    index.sweep(NOON + SECOND)
    assert index.put(story(1), NOON + SECOND)


def test_the_parts_of_a_series_are_in_order() -> None:
    index = LiveIndex()
    for part in (3, 1, 2):
        index.put(story(0, story_id=f"p{part}", series_id="p1", part=part), NOON)
    assert [each.part for each in index.reel("ann", NOON)] == [1, 2, 3]
    by_time = sorted(index.reel("ann", NOON), key=lambda each: each.recency_key, reverse=True)
    assert [each.part for each in by_time] == [1, 2, 3]
