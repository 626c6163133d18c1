"""Announcing new stories: whom, in which order, how fast, and at most once."""

from datetime import timedelta

import pytest
from stories_feed.domain.edges import EdgeChange, EdgeKey, Kind
from stories_feed.testing.builders import NOON, posted, received
from stories_feed.usecases.notifications import MAX_USERS, AnnounceStories, NextBatch
from stories_shared.events import StoryNotified
from stories_shared.testing import eventually

from .use_cases import UseCases


class Announcing(UseCases):
    """The use cases, with the one that announces."""

    def __init__(self, per_second: int = 1_000) -> None:
        super().__init__()
        self.ready = True
        self.denied: set[str] = set()
        self.countries: frozenset[str] = frozenset()
        self.announce = AnnounceStories(
            self.stories,
            self.edges,
            self.index,
            self.publisher.publish_all,
            self.may_view,
            per_second,
            lambda: self.ready,
            self.now,
        )

    def may_view(self, user: str, country: str | None) -> str | None:
        if user in self.denied:
            return "denied"
        return "country" if self.countries and country not in self.countries else None

    def follow(self, *users: str, author: str = "ann", country: str | None = None) -> None:
        """Let users follow an author, one after the other, and be notified."""
        for number, user in enumerate(users):
            key = EdgeKey(Kind.FOLLOW, user, author)
            self.edges.latest[key] = EdgeChange(on=True, at=NOON + timedelta(seconds=number))
            self.edges.notified[key] = country

    def announced(self) -> list[tuple[str, tuple[str, ...]]]:
        """Story and users of each event."""
        events = [event for event in self.publisher.events if isinstance(event, StoryNotified)]
        return [(event.story_id, event.user_ids) for event in events]


@pytest.fixture
def use_cases() -> Announcing:
    return Announcing()


async def test_followers_who_want_it_are_notified_once_in_the_order_of_follows(use_cases) -> None:
    use_cases.follow("zoe", "bob", "cho")
    story = posted("ann")
    await use_cases.live(story)
    for _ in range(3):
        await use_cases.announce()
        await use_cases.store_stories([received(story)])
    assert use_cases.announced() == [(story.story_id, ("zoe", "bob", "cho"))]


async def test_a_new_revision_and_later_parts_are_not_announced(use_cases) -> None:
    use_cases.follow("bob")
    story = posted("ann")
    await use_cases.live(story)
    await use_cases.announce()
    await use_cases.live(posted("ann", story_id=story.story_id, revision=2))
    await use_cases.live(posted("ann", series_id=story.story_id, part=2, parts=2))
    await use_cases.announce()
    assert len(use_cases.announced()) == 1


async def test_those_who_may_not_see_the_story_are_not_notified(use_cases) -> None:
    use_cases.follow("bob", "muting", "hidden", "excluded", "denied", "friendless")
    await use_cases.change_edge(EdgeKey(Kind.MUTE, "muting", "ann"), on=True)
    await use_cases.change_edge(EdgeKey(Kind.HIDE, "ann", "hidden"), on=True)
    use_cases.denied = {"denied"}
    await use_cases.live(story := posted("ann", hide_from=("excluded",)))
    await use_cases.announce()
    assert use_cases.announced() == [(story.story_id, ("bob", "friendless"))]
    await use_cases.live(posted("ann", audience="friends"))
    await use_cases.announce()
    assert len(use_cases.announced()) == 1


async def test_only_followers_in_countries_of_the_rollout_are_notified(use_cases) -> None:
    use_cases.countries = frozenset({"NL"})
    use_cases.follow("nell", country="NL")
    use_cases.follow("bea", country="BE")
    use_cases.follow("unknown")
    await use_cases.live(story := posted("ann"))
    await use_cases.announce()
    assert use_cases.announced() == [(story.story_id, ("nell",))]


async def test_an_ended_story_is_not_announced_further(use_cases) -> None:
    use_cases = Announcing(per_second=2)
    use_cases.follow("a", "b", "c", "d")
    story = posted("ann")
    await use_cases.live(story)
    await use_cases.announce()
    use_cases.apply_to_index.end(story.story_id, NOON)
    await use_cases.announce()
    assert use_cases.announced() == [(story.story_id, ("a", "b"))]


async def test_announcing_is_paced_and_continues_where_it_was(use_cases) -> None:
    use_cases = Announcing(per_second=700)
    use_cases.follow(*(f"u{number:04}" for number in range(1_600)))
    await use_cases.live(posted("ann"))
    looked_at = [await use_cases.announce() for _ in range(4)]
    assert looked_at == [700, 700, 200, 0]
    batches = [users for _, users in use_cases.announced()]
    assert max(map(len, batches)) <= MAX_USERS
    assert [user for users in batches for user in users] == [f"u{number:04}" for number in range(1_600)]


async def test_many_followers_of_one_do_not_hold_up_another(use_cases) -> None:
    use_cases = Announcing(per_second=501)
    use_cases.follow(*(f"u{number:04}" for number in range(2_000)))
    use_cases.follow("bob", author="cho")
    await use_cases.live(posted("ann"), other := posted("cho"))
    await use_cases.announce()
    assert (other.story_id, ("bob",)) in use_cases.announced()


async def test_nothing_is_lost_while_kafka_is_down(use_cases) -> None:
    use_cases.follow("bob")
    await use_cases.live(posted("ann"))
    use_cases.ready = False
    assert await use_cases.announce() == 0
    use_cases.ready = True
    assert await use_cases.announce() == 1


@pytest.mark.parametrize("published", [False, True], ids=["before", "after"])
async def test_a_crash_loses_no_batch_and_repeats_no_event_id(use_cases, published) -> None:
    use_cases = Announcing(per_second=2)
    use_cases.follow("a", "b", "c")
    await use_cases.live(story := posted("ann"))
    publish_all, failing = use_cases.publisher.publish_all, [True]

    async def fail_once(events) -> None:
        fails = bool(failing) and failing.pop()
        if published or not fails:
            await publish_all(events)
        if fails:
            raise ConnectionError

    use_cases.announce.publish_all = fail_once
    with pytest.raises(ConnectionError):
        await use_cases.announce()
    for _ in range(3):
        await use_cases.announce()
    facts = dict(zip(use_cases.publisher.ids, use_cases.announced(), strict=True))
    assert list(facts.values()) == [(story.story_id, ("a", "b")), (story.story_id, ("c",))]
    assert len(use_cases.announced()) == 2 + published


async def test_a_batch_left_by_a_crash_leaves_out_who_may_no_longer_see(use_cases) -> None:
    use_cases.follow("a", "b")
    await use_cases.live(story := posted("ann"))
    [announcement] = await use_cases.stories.unannounced(1)
    await use_cases.stories.advance(announcement, None, NOON, NextBatch("id", ("a", "b"), NOON))
    await use_cases.change_edge(EdgeKey(Kind.BLOCK, "ann", "a"), on=True)
    await use_cases.announce()
    assert use_cases.announced() == [(story.story_id, ("b",))]
    assert await use_cases.stories.unannounced(1) == []


@pytest.mark.servers
async def test_a_follower_chooses_to_be_notified_and_is(feed, people) -> None:
    await feed.follow(people.cho, people.ann)
    for notify in (False, True):
        answer = await feed.call("PUT", f"/v1/following/{people.ann}", people.bob, json={"notify": notify})
        assert answer.status_code == 204
        await feed.follow(people.bob, people.ann)
        [followed] = (await feed.get("/v1/following", people.bob))["items"]
        assert (followed["user_id"], followed["notify"]) == (people.ann, notify)
    story = await feed.post(people.ann)
    [event] = await eventually(lambda: feed.events_of(StoryNotified, people.ann), 20)
    assert (event.event.story_id, event.event.user_ids) == (story.story_id, (people.bob,))
    await feed.edit("DELETE", f"/v1/following/{people.ann}", people.bob)
    await feed.follow(people.bob, people.ann)
    assert (await feed.get("/v1/following", people.bob))["items"][0]["notify"] is False
