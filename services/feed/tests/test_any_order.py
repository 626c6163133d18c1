"""Whatever happens in whatever order, tray, rings, reel and single story show what a few plain rules say.

One author, three viewers, one store on a real MongoDB, one live index, and time by hand. What is said of stories
reaches the index and the store each in an order of its own, some of it twice; edges are wished for here or told by
facts that come late. The model below keeps what was heard and knows nothing of how the feed does it.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from stories_embedded.testing import Servers
from stories_feed import store
from stories_feed.domain.edges import EdgeKey, Kind
from stories_feed.domain.live import LiveIndex
from stories_feed.domain.ttl import TtlPolicy
from stories_feed.store.edges import MongoEdges
from stories_feed.store.erasure import MongoUserData
from stories_feed.store.seen import MongoSeenMarks
from stories_feed.store.stories import MongoStories
from stories_feed.testing.builders import NOON, fact, posted
from stories_feed.testing.in_memory import FakeLogStatus, FakeSigner, NoopRelay, RecordingPublisher
from stories_feed.usecases.edges import EDGE_EVENTS, ApplyEdgeEvents, ChangeEdge
from stories_feed.usecases.endings import EndStories
from stories_feed.usecases.items import BuildItems
from stories_feed.usecases.reels import ReadReel, ReadStory
from stories_feed.usecases.seen import MarkSeen, MarkSeenUpTo
from stories_feed.usecases.stories import ApplyToIndex, StoreStories
from stories_feed.usecases.trays import ReadRings, ReadTray
from stories_feed.usecases.visible_stories import VisibleStories
from stories_shared.auth.tickets import Tickets
from stories_shared.events import StoryDeleted, StoryPosted, StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.testing import HandClock

LONGEST = timedelta(hours=24)
SECOND = timedelta(seconds=1)
AUDIENCES = ("everyone", "followers", "friends", "close_friends")
SIDES = ("index", "store")
VIEWERS = ("bob", "cho", "dee")

viewers = st.sampled_from(VIEWERS)
audiences = st.sampled_from(AUDIENCES)
hidden = st.sets(viewers, max_size=2)
lifetimes = st.sampled_from([LONGEST, timedelta(hours=1), LONGEST, 3 * SECOND])
spans = st.sampled_from([SECOND, 50 * SECOND, timedelta(hours=1), 3 * SECOND, timedelta(hours=23)])
at_once = st.sampled_from([True, True, False])


@dataclass
class Told:
    """What one side, index or store, has heard of a story."""

    revision: int = 0
    audience: str = ""
    hide_from: frozenset[str] = frozenset()
    deleted: bool = False


@dataclass
class Story:
    """What the author did with a story, and what each side knows of it."""

    id: str
    posted_at: datetime
    expires_at: datetime
    said: list[StoryPosted]
    sides: dict[str, Told] = field(default_factory=lambda: {side: Told() for side in SIDES})
    seen_by: set[str] = field(default_factory=set)


@dataclass
class Graph:
    """Who decided what about whom: every word that was ever heard, and what follows from the last ones."""

    words: dict[tuple[Kind, str, str], dict[datetime, bool]] = field(default_factory=lambda: defaultdict(dict))

    def hear(self, kind: Kind, user: str, target: str, at: datetime, *, on: bool) -> None:
        """A word at a time; of two at the same time the one that shows less counts."""
        told, shows_less = self.words[kind, user, target], kind in {Kind.BLOCK, Kind.MUTE}
        told[at] = on if at not in told else (told[at] or on if shows_less else told[at] and on)

    def last(self, kind: Kind, user: str, target: str) -> tuple[datetime, bool] | None:
        told = self.words.get((kind, user, target))
        return max(told.items()) if told else None

    def stands(self, kind: Kind, user: str, target: str) -> bool:
        last = self.last(kind, user, target)
        if last is None or not last[1]:
            return False
        blocks = [each for each in (self.last(Kind.BLOCK, user, target), self.last(Kind.BLOCK, target, user)) if each]
        ends = kind in {Kind.FOLLOW, Kind.CLOSE_FRIEND}
        return not ends or all(not blocked and at < last[0] for at, blocked in blocks)

    def blocked(self, one: str, other: str) -> bool:
        return self.stands(Kind.BLOCK, one, other) or self.stands(Kind.BLOCK, other, one)


class Feed:
    """The feed's use cases over real stores, without Kafka: a test hands every fact over itself."""

    def __init__(self, mongo: Mongo) -> None:
        self.now = HandClock(NOON)
        documents, self.edges = MongoStories(mongo, self.now), MongoEdges(mongo, self.now)
        self.index = LiveIndex(documents.forget)
        seen, lives = MongoSeenMarks(mongo, LONGEST), TtlPolicy(timedelta(hours=1), timedelta(minutes=5))
        people, media = MongoUserData(mongo, documents, self.now), FakeSigner()
        sight = VisibleStories(self.index, self.edges, documents, FakeLogStatus(), self.now)
        show = BuildItems(sight, documents, media, Tickets([("k", b"0" * 32)]), lives)
        self.log = ApplyToIndex(self.index, LONGEST, self.now, lambda _: None)
        self.post = StoreStories(documents, people, self.now)
        self.end = EndStories(documents, RecordingPublisher(), self.now)
        self.viewed = MarkSeen(seen, documents, people, LONGEST, self.now)
        self.see = MarkSeenUpTo(self.index, sight, documents, seen, self.now)
        self.reel, self.story = ReadReel(sight, show, seen), ReadStory(sight, show, seen)
        self.tray = ReadTray(sight, self.edges, seen, documents, media, lives)
        self.rings = ReadRings(sight, seen, documents)
        self.decide, self.hear = ChangeEdge(self.edges, NoopRelay(), self.now), ApplyEdgeEvents(self.edges)


class OneReel(RuleBasedStateMachine):
    """One author's stories, and those who look at them."""

    stories, heard = Bundle("stories"), Bundle("heard")
    mongo: Mongo
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        mark = uuid.uuid4().hex[:8]
        self.names = {name: f"{name}-{mark}" for name in ("ann", *VIEWERS)}
        self.ann = self.names["ann"]
        self.feed = Feed(self.mongo)
        self.graph = Graph()
        self.told: dict[str, Story] = {}
        self.waiting: dict[str, list[ReceivedEvent[Any]]] = {side: [] for side in SIDES}

    def do(self, verb: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(verb)

    @property
    def now(self) -> datetime:
        return self.feed.now()

    # What the author does

    @initialize(target=stories, hide_from=hidden)
    def begin(self, hide_from: set[str]) -> str:
        """A live story for everyone, and somebody who follows."""
        self.wish(Kind.FOLLOW, "bob", by_ann=False, on=True)
        return self.post("everyone", hide_from, LONGEST, at_once=True)

    @rule(target=stories, audience=audiences, hide_from=hidden, lifetime=lifetimes, at_once=at_once)
    def post(self, audience: str, hide_from: set[str], lifetime: timedelta, at_once: bool) -> str:
        said = self.posted(new_id(), self.now, lifetime, 1, audience, hide_from)
        self.told[said.story_id] = Story(said.story_id, said.posted_at, said.expires_at, [said])
        self.publish(fact(said), at_once)
        return said.story_id

    @rule(story_id=stories, audience=audiences, hide_from=hidden, at_once=at_once)
    def change(self, story_id: str, audience: str, hide_from: set[str], at_once: bool) -> None:
        story = self.told[story_id]
        last = story.said[-1]
        lifetime = story.expires_at - story.posted_at
        said = self.posted(story_id, story.posted_at, lifetime, last.revision + 1, audience, hide_from)
        story.said.append(said)
        self.publish(fact(said), at_once)

    @rule(story_id=stories, at_once=at_once)
    def delete(self, story_id: str, at_once: bool) -> None:
        said = StoryDeleted(story_id=story_id, author_id=self.ann, deleted_at=self.now, by="author")
        self.publish(fact(said), at_once)

    def posted(
        self, story_id: str, at: datetime, lifetime: timedelta, revision: int, audience: str, hide_from: set[str]
    ) -> StoryPosted:
        hiding = tuple(sorted(self.names[name] for name in hide_from))
        return posted(self.ann, at, lifetime, story_id=story_id, revision=revision, audience=audience, hide_from=hiding)

    def publish(self, said: ReceivedEvent[Any], at_once: bool) -> None:
        for side in SIDES:
            if at_once:
                self.deliver(side, said)
            else:
                self.waiting[side].append(said)

    # What index and store hear of it: late, in any order, and again

    @rule(side=st.sampled_from(SIDES), pick=st.integers(0, 9))
    def hear(self, side: str, pick: int) -> None:
        waiting = self.waiting[side]
        if waiting:
            self.deliver(side, waiting.pop(pick % len(waiting)))

    @rule(side=st.sampled_from(SIDES), story_id=stories, pick=st.integers(0, 9))
    def hear_again(self, side: str, story_id: str, pick: int) -> None:
        said = self.told[story_id].said
        self.deliver(side, fact(said[pick % len(said)]))

    @rule()
    def hear_all(self) -> None:
        for side in SIDES:
            while self.waiting[side]:
                self.deliver(side, self.waiting[side].pop(0))

    def deliver(self, side: str, said: ReceivedEvent[Any]) -> None:
        event = said.event
        story = self.told[event.story_id]
        side_told = story.sides[side]
        if side == "index":
            self.feed.log(said)
        elif isinstance(event, StoryDeleted):
            self.do(self.feed.end.deleted([said]))
        else:
            self.do(self.feed.post([said]))
        if isinstance(event, StoryDeleted):
            side_told.deleted = True
        elif event.revision > side_told.revision and story.expires_at > self.now:
            side_told.revision, side_told.audience = event.revision, event.audience
            side_told.hide_from = frozenset(event.hide_from)

    # What people decide about each other

    @rule(kind=st.sampled_from(list(Kind)), viewer=viewers, by_ann=st.booleans(), on=st.booleans())
    def wish(self, kind: Kind, viewer: str, by_ann: bool, on: bool) -> None:
        """Over HTTP: later than everything known, and not kept where it is so already or a block stands."""
        user, target = self.pair(viewer, by_ann)
        self.do(self.feed.decide(EdgeKey(kind, user, target), on=on))
        last = self.graph.last(kind, user, target)
        ended_by_block = kind in {Kind.FOLLOW, Kind.CLOSE_FRIEND}
        kept = (
            not (self.graph.stands(kind, user, target) or (ended_by_block and self.graph.blocked(user, target)))
            if on
            else last is not None and last[1]
        )
        if kept:
            earlier = [last[0] for each in self.needed(kind, user, target) if (last := self.graph.last(*each))]
            at = max([self.now, *(each + timedelta(milliseconds=1) for each in earlier)])
            self.graph.hear(kind, user, target, at, on=on)

    @staticmethod
    def needed(kind: Kind, user: str, target: str) -> list[tuple[Kind, str, str]]:
        """The words that a wish must be later than."""
        own, blocks = (kind, user, target), [(Kind.BLOCK, user, target), (Kind.BLOCK, target, user)]
        if kind is Kind.MUTE:
            return [own]
        if kind is not Kind.BLOCK:
            return [own, *blocks]
        ended = (Kind.FOLLOW, Kind.CLOSE_FRIEND)
        return blocks + [(each, *way) for each in ended for way in ((user, target), (target, user))]

    @rule(
        target=heard,
        kind=st.sampled_from(list(Kind)),
        viewer=viewers,
        by_ann=st.booleans(),
        on=st.booleans(),
        ago=st.integers(0, 5),
    )
    def decision_told(self, kind: Kind, viewer: str, by_ann: bool, on: bool, ago: int) -> Any:
        """By a fact, of now or of some seconds ago."""
        user, target = self.pair(viewer, by_ann)
        event = EDGE_EVENTS[kind, on](user_id=user, target_id=target, at=self.now - ago * SECOND)
        return self.hear_edge(kind, on, fact(event, appended_at=self.now))

    @rule(told=heard)
    def decision_told_again(self, told: Any) -> None:
        self.hear_edge(*told)

    def hear_edge(self, kind: Kind, on: bool, told: ReceivedEvent[Any]) -> Any:
        self.do(self.feed.hear([told]))
        self.graph.hear(kind, told.event.user_id, told.event.target_id, told.event.at, on=on)
        return kind, on, told

    def pair(self, viewer: str, by_ann: bool) -> tuple[str, str]:
        return (self.ann, self.names[viewer]) if by_ann else (self.names[viewer], self.ann)

    # What viewers see and time does

    @rule(viewer=viewers, story_id=stories)
    def view(self, viewer: str, story_id: str) -> None:
        """A view is heard; where the story is not known yet, it counts all the same."""
        name, story = self.names[viewer], self.told[story_id]
        event = StoryViewed(story_id=story_id, author_id=self.ann, viewer_id=name, viewed_at=self.now)
        self.do(self.feed.viewed([fact(event, appended_at=self.now)]))
        if not story.sides["store"].deleted:
            story.seen_by.add(name)

    @rule(viewer=viewers)
    def see_all(self, viewer: str) -> None:
        reel = self.ring_stories(self.names[viewer], by_document=False)
        if reel:
            assert self.do(self.feed.see(self.names[viewer], self.ann, reel[-1].id))
            for story in reel:
                story.seen_by.add(self.names[viewer])

    @rule(span=spans, short=st.booleans())
    def time_passes(self, span: timedelta, short: bool) -> None:
        self.feed.now.at += span - SECOND if short else span

    @rule()
    def sweep(self) -> None:
        self.feed.index.sweep(self.now)

    # What must be so, whatever happened

    def may_see(self, viewer: str, told: Told) -> bool:
        if viewer == self.ann:
            return True
        graph = self.graph
        follows, followed = graph.stands(Kind.FOLLOW, viewer, self.ann), graph.stands(Kind.FOLLOW, self.ann, viewer)
        allowed = {
            "everyone": True,
            "followers": follows,
            "friends": follows and followed,
            "close_friends": graph.stands(Kind.CLOSE_FRIEND, self.ann, viewer),
        }
        return allowed[told.audience] and not graph.blocked(viewer, self.ann) and viewer not in told.hide_from

    def ring_stories(self, viewer: str, *, by_document: bool = True) -> list[Story]:
        """What a ring is made of: live in the index, visible by it, and with a document no older."""
        found = []
        for story in sorted(self.told.values(), key=lambda each: (each.posted_at, each.id)):
            index, kept = story.sides["index"], story.sides["store"]
            there = index.revision and not index.deleted and story.expires_at - self.now >= SECOND
            documented = not by_document or (kept.revision >= index.revision and not kept.deleted)
            if there and documented and self.may_see(viewer, index):
                found.append(story)
        return found

    def reel_stories(self, viewer: str) -> list[Story]:
        """What a reel shows: what a ring is made of, where the document allows it too."""
        return [story for story in self.ring_stories(viewer) if self.may_see(viewer, story.sides["store"])]

    @invariant()
    def a_reel_shows_what_its_viewer_may_see(self) -> None:
        for viewer in self.names.values():
            shown, more = self.do(self.feed.reel(viewer, self.ann, None, 100))
            expected = self.reel_stories(viewer)
            assert more is None
            assert [each.item.id for each in shown] == [story.id for story in expected]
            assert [each.item.seen for each in shown] == [viewer in story.seen_by for story in expected]

    @invariant()
    def a_story_is_shown_by_its_id_where_the_reel_shows_it(self) -> None:
        for viewer in self.names.values():
            expected = {story.id for story in self.reel_stories(viewer)}
            found = {id_ for id_ in self.told if self.do(self.feed.story(viewer, id_, admin=False)) is not None}
            assert found == expected

    @invariant()
    def tray_and_rings_show_whom_one_follows(self) -> None:
        for viewer in self.names.values():
            made_of = self.ring_stories(viewer)
            unseen = sum(viewer not in story.seen_by for story in made_of)
            state = "none" if not made_of else "unseen" if unseen else "seen"
            assert self.do(self.feed.rings(viewer, [self.ann])) == {self.ann: state}
            tray = self.do(self.feed.tray(viewer, None, 10))
            own = viewer == self.ann
            listed = self.graph.stands(Kind.FOLLOW, viewer, self.ann) and not self.graph.stands(
                Kind.MUTE, viewer, self.ann
            )
            expected = [(self.ann, len(made_of), unseen)] if made_of and (own or listed) else []
            found = [tray.mine] if own and tray.mine else tray.entries
            assert [(entry.ring.author_id, entry.ring.stories, entry.ring.unseen) for entry in found] == expected
            assert own or tray.mine is None


def test_any_order_of_anything_shows_what_the_rules_say(servers: Servers) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    with asyncio.Runner() as runner:
        mongo = Mongo.connect(servers.mongo_url, name)
        runner.run(store.ensure(mongo))
        machine = type("OneReelHere", (OneReel,), {"mongo": mongo, "runner": runner})
        bounds = settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        )
        try:
            run_state_machine_as_test(machine, settings=bounds)
        finally:
            runner.run(mongo.client.drop_database(name))
            runner.run(mongo.close())
