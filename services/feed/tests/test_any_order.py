"""Any order of events: tray, rings, reel and single story show what a simple model shows.

One author, three viewers, one store on a real MongoDB, one live index, and a clock set by hand. Story events reach the
index and the store each in its own order, some of them twice. Edges are changed over HTTP or by late events. The model
below records what was delivered and knows nothing of the implementation.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
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
from stories_feed.testing.builders import DAY, posted, received
from stories_feed.usecases.edges import EDGE_EVENTS
from stories_shared.events import StoryDeleted, StoryPosted, StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

from .stores import SECOND, mongo_stores
from .use_cases import UseCases

AUDIENCES = ("everyone", "followers", "friends", "close_friends")
SIDES = ("index", "store")
VIEWERS = ("bob", "cho", "dee")

viewers = st.sampled_from(VIEWERS)
audiences = st.sampled_from(AUDIENCES)
hidden = st.sets(viewers, max_size=2)
lifetimes = st.sampled_from([DAY, timedelta(hours=1), DAY, 3 * SECOND])
spans = st.sampled_from([SECOND, 50 * SECOND, timedelta(hours=1), 3 * SECOND, timedelta(hours=23)])
at_once = st.sampled_from([True, True, False])


@dataclass
class Delivered:
    """The state of a story that was delivered to one side, index or store."""

    revision: int = 0
    audience: str = ""
    hide_from: frozenset[str] = frozenset()
    deleted: bool = False


@dataclass
class Story:
    """A story of the author, and its state on each side."""

    id: str
    posted_at: datetime
    expires_at: datetime
    revisions: list[StoryPosted]
    sides: dict[str, Delivered] = field(default_factory=lambda: {side: Delivered() for side in SIDES})
    seen_by: set[str] = field(default_factory=set)


@dataclass
class Graph:
    """All changes of each edge, and which edges are in force by the latest ones."""

    changes: dict[tuple[Kind, str, str], dict[datetime, bool]] = field(default_factory=lambda: defaultdict(dict))

    def apply(self, kind: Kind, user: str, target: str, at: datetime, *, on: bool) -> None:
        """Apply a change; of two at the same time the one that shows less counts."""
        changes, on_wins = self.changes[kind, user, target], kind in {Kind.BLOCK, Kind.MUTE}
        changes[at] = on if at not in changes else (changes[at] or on if on_wins else changes[at] and on)

    def latest(self, kind: Kind, user: str, target: str) -> tuple[datetime, bool] | None:
        changes = self.changes.get((kind, user, target))
        return max(changes.items()) if changes else None

    def in_force(self, kind: Kind, user: str, target: str) -> bool:
        latest = self.latest(kind, user, target)
        if latest is None or not latest[1]:
            return False
        blocks = [
            each for each in (self.latest(Kind.BLOCK, user, target), self.latest(Kind.BLOCK, target, user)) if each
        ]
        removable = kind in {Kind.FOLLOW, Kind.CLOSE_FRIEND}
        return not removable or all(not blocked and at < latest[0] for at, blocked in blocks)

    def blocked(self, one: str, other: str) -> bool:
        return self.in_force(Kind.BLOCK, one, other) or self.in_force(Kind.BLOCK, other, one)


class OneReel(RuleBasedStateMachine):
    """One author's stories and their viewers."""

    stories, edge_events = Bundle("stories"), Bundle("edge_events")
    mongo: Mongo
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        suffix = uuid.uuid4().hex[:8]
        self.names = {name: f"{name}-{suffix}" for name in ("ann", *VIEWERS)}
        self.ann = self.names["ann"]
        self.feed = UseCases(partial(mongo_stores, self.mongo))
        self.graph = Graph()
        self.posted_stories: dict[str, Story] = {}
        self.undelivered: dict[str, list[ReceivedEvent[Any]]] = {side: [] for side in SIDES}

    def run(self, use_case: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(use_case)

    @property
    def now(self) -> datetime:
        return self.feed.now()

    # The author's actions

    @initialize(target=stories, hide_from=hidden)
    def begin(self, hide_from: set[str]) -> str:
        """A live story for everyone, and one follower."""
        self.request_edge(Kind.FOLLOW, "bob", by_ann=False, on=True)
        return self.post("everyone", hide_from, DAY, at_once=True)

    @rule(target=stories, audience=audiences, hide_from=hidden, lifetime=lifetimes, at_once=at_once)
    def post(self, audience: str, hide_from: set[str], lifetime: timedelta, at_once: bool) -> str:
        event = self.posted(new_id(), self.now, lifetime, 1, audience, hide_from)
        self.posted_stories[event.story_id] = Story(event.story_id, event.posted_at, event.expires_at, [event])
        self.publish(received(event), at_once)
        return event.story_id

    @rule(story_id=stories, audience=audiences, hide_from=hidden, at_once=at_once)
    def change(self, story_id: str, audience: str, hide_from: set[str], at_once: bool) -> None:
        story = self.posted_stories[story_id]
        previous = story.revisions[-1]
        lifetime = story.expires_at - story.posted_at
        event = self.posted(story_id, story.posted_at, lifetime, previous.revision + 1, audience, hide_from)
        story.revisions.append(event)
        self.publish(received(event), at_once)

    @rule(story_id=stories, at_once=at_once)
    def delete(self, story_id: str, at_once: bool) -> None:
        event = StoryDeleted(story_id=story_id, author_id=self.ann, deleted_at=self.now, by="author")
        self.publish(received(event), at_once)

    def posted(
        self, story_id: str, at: datetime, lifetime: timedelta, revision: int, audience: str, hide_from: set[str]
    ) -> StoryPosted:
        hidden_ids = tuple(sorted(self.names[name] for name in hide_from))
        return posted(
            self.ann, at, lifetime, story_id=story_id, revision=revision, audience=audience, hide_from=hidden_ids
        )

    def publish(self, record: ReceivedEvent[Any], at_once: bool) -> None:
        for side in SIDES:
            if at_once:
                self.deliver(side, record)
            else:
                self.undelivered[side].append(record)

    # Deliveries to index and store: late, in any order, and repeated

    @rule(side=st.sampled_from(SIDES), pick=st.integers(0, 9))
    def deliver_one(self, side: str, pick: int) -> None:
        queue = self.undelivered[side]
        if queue:
            self.deliver(side, queue.pop(pick % len(queue)))

    @rule(side=st.sampled_from(SIDES), story_id=stories, pick=st.integers(0, 9))
    def redeliver(self, side: str, story_id: str, pick: int) -> None:
        revisions = self.posted_stories[story_id].revisions
        self.deliver(side, received(revisions[pick % len(revisions)]))

    @rule()
    def deliver_all(self) -> None:
        for side in SIDES:
            while self.undelivered[side]:
                self.deliver(side, self.undelivered[side].pop(0))

    def deliver(self, side: str, record: ReceivedEvent[Any]) -> None:
        event = record.event
        story = self.posted_stories[event.story_id]
        state = story.sides[side]
        if side == "index":
            self.feed.apply_to_index(record)
        elif isinstance(event, StoryDeleted):
            self.run(self.feed.end.deleted([record]))
        else:
            self.run(self.feed.store_stories([record]))
        if isinstance(event, StoryDeleted):
            state.deleted = True
        elif event.revision > state.revision and story.expires_at > self.now:
            state.revision, state.audience = event.revision, event.audience
            state.hide_from = frozenset(event.hide_from)

    # Changes of edges

    @rule(kind=st.sampled_from(list(Kind)), viewer=viewers, by_ann=st.booleans(), on=st.booleans())
    def request_edge(self, kind: Kind, viewer: str, by_ann: bool, on: bool) -> None:
        """Over HTTP: later than every known change; not stored if it is the current state or a block forbids it."""
        user, target = self.users(viewer, by_ann)
        self.run(self.feed.change_edge(EdgeKey(kind, user, target), on=on))
        latest = self.graph.latest(kind, user, target)
        ended_by_block = kind in {Kind.FOLLOW, Kind.CLOSE_FRIEND}
        stored = (
            not (self.graph.in_force(kind, user, target) or (ended_by_block and self.graph.blocked(user, target)))
            if on
            else latest is not None and latest[1]
        )
        if stored:
            earlier = [
                known[0] for each in self.dependencies(kind, user, target) if (known := self.graph.latest(*each))
            ]
            at = max([self.now, *(each + timedelta(milliseconds=1) for each in earlier)])
            self.graph.apply(kind, user, target, at, on=on)

    @staticmethod
    def dependencies(kind: Kind, user: str, target: str) -> list[tuple[Kind, str, str]]:
        """The edges whose changes a request must be later than."""
        own, blocks = (kind, user, target), [(Kind.BLOCK, user, target), (Kind.BLOCK, target, user)]
        if kind is Kind.MUTE:
            return [own]
        if kind is not Kind.BLOCK:
            return [own, *blocks]
        ended = (Kind.FOLLOW, Kind.CLOSE_FRIEND)
        return blocks + [(each, *way) for each in ended for way in ((user, target), (target, user))]

    @rule(
        target=edge_events,
        kind=st.sampled_from(list(Kind)),
        viewer=viewers,
        by_ann=st.booleans(),
        on=st.booleans(),
        ago=st.integers(0, 5),
    )
    def edge_event(self, kind: Kind, viewer: str, by_ann: bool, on: bool, ago: int) -> Any:
        """By an event of now or of some seconds ago."""
        user, target = self.users(viewer, by_ann)
        event = EDGE_EVENTS[kind, on](user_id=user, target_id=target, at=self.now - ago * SECOND)
        return self.deliver_edge_event(kind, on, received(event, appended_at=self.now))

    @rule(delivery=edge_events)
    def redeliver_edge_event(self, delivery: Any) -> None:
        self.deliver_edge_event(*delivery)

    def deliver_edge_event(self, kind: Kind, on: bool, record: ReceivedEvent[Any]) -> Any:
        self.run(self.feed.apply_edge_events([record]))
        self.graph.apply(kind, record.event.user_id, record.event.target_id, record.event.at, on=on)
        return kind, on, record

    def users(self, viewer: str, by_ann: bool) -> tuple[str, str]:
        return (self.ann, self.names[viewer]) if by_ann else (self.names[viewer], self.ann)

    # Views and time

    @rule(viewer=viewers, story_id=stories)
    def view(self, viewer: str, story_id: str) -> None:
        """A view event counts even if its story is not known yet."""
        name, story = self.names[viewer], self.posted_stories[story_id]
        event = StoryViewed(story_id=story_id, author_id=self.ann, viewer_id=name, viewed_at=self.now)
        self.run(self.feed.mark_seen([received(event, appended_at=self.now)]))
        if not story.sides["store"].deleted:
            story.seen_by.add(name)

    @rule(viewer=viewers)
    def see_all(self, viewer: str) -> None:
        reel = self.ring_stories(self.names[viewer], by_document=False)
        if reel:
            assert self.run(self.feed.mark_seen_up_to(self.names[viewer], self.ann, reel[-1].id))
            for story in reel:
                story.seen_by.add(self.names[viewer])

    @rule(span=spans, short=st.booleans())
    def time_passes(self, span: timedelta, short: bool) -> None:
        self.feed.now.at += span - SECOND if short else span

    @rule()
    def sweep(self) -> None:
        self.feed.index.sweep(self.now)

    # Invariants

    def may_see(self, viewer: str, state: Delivered) -> bool:
        if viewer == self.ann:
            return True
        graph = self.graph
        follows, followed = graph.in_force(Kind.FOLLOW, viewer, self.ann), graph.in_force(Kind.FOLLOW, self.ann, viewer)
        allowed = {
            "everyone": True,
            "followers": follows,
            "friends": follows and followed,
            "close_friends": graph.in_force(Kind.CLOSE_FRIEND, self.ann, viewer),
        }
        hidden = viewer in state.hide_from or graph.in_force(Kind.HIDE, self.ann, viewer)
        return allowed[state.audience] and not graph.blocked(viewer, self.ann) and not hidden

    def ring_stories(self, viewer: str, *, by_document: bool = True) -> list[Story]:
        """The stories of a ring: live and visible in the index, with a document at least as new."""
        found = []
        for story in sorted(self.posted_stories.values(), key=lambda each: (each.posted_at, each.id)):
            index, stored = story.sides["index"], story.sides["store"]
            live = index.revision and not index.deleted and story.expires_at - self.now >= SECOND
            documented = not by_document or (stored.revision >= index.revision and not stored.deleted)
            if live and documented and self.may_see(viewer, index):
                found.append(story)
        return found

    def reel_stories(self, viewer: str) -> list[Story]:
        """The stories of a reel: those of the ring that the document lets the viewer see too."""
        return [story for story in self.ring_stories(viewer) if self.may_see(viewer, story.sides["store"])]

    @invariant()
    def a_reel_shows_what_its_viewer_may_see(self) -> None:
        for viewer in self.names.values():
            entries, more = self.run(self.feed.reel(viewer, self.ann, None, 100))
            expected = self.reel_stories(viewer)
            assert more is None
            assert [entry.story.story_id for entry in entries] == [story.id for story in expected]
            assert [entry.seen for entry in entries] == [viewer in story.seen_by for story in expected]

    @invariant()
    def a_story_is_readable_by_id_if_the_reel_shows_it(self) -> None:
        for viewer in self.names.values():
            expected = {story.id for story in self.reel_stories(viewer)}
            found = {id_ for id_ in self.posted_stories if self.run(self.feed.story(viewer, id_, admin=False))}
            assert found == expected

    @invariant()
    def tray_and_rings_show_followed_authors(self) -> None:
        for viewer in self.names.values():
            ring_stories = self.ring_stories(viewer)
            unseen = sum(viewer not in story.seen_by for story in ring_stories)
            state = "none" if not ring_stories else "unseen" if unseen else "seen"
            assert self.run(self.feed.rings(viewer, [self.ann])) == {self.ann: state}
            tray = self.run(self.feed.tray(viewer, None, 10))
            own = viewer == self.ann
            listed = self.graph.in_force(Kind.FOLLOW, viewer, self.ann) and not self.graph.in_force(
                Kind.MUTE, viewer, self.ann
            )
            expected = [(self.ann, len(ring_stories), unseen)] if ring_stories and (own or listed) else []
            found = [tray.mine] if own and tray.mine else tray.entries
            assert [(entry.ring.author_id, entry.ring.stories, entry.ring.unseen) for entry in found] == expected
            assert own or tray.mine is None


def test_any_order_of_events_shows_what_the_model_shows(servers: Servers) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    with asyncio.Runner() as runner:
        mongo = Mongo.connect(servers.mongo_url, name)
        runner.run(store.ensure(mongo))
        machine = type("OneReelHere", (OneReel,), {"mongo": mongo, "runner": runner})
        bounds = settings(max_examples=20, stateful_step_count=20, suppress_health_check=list(HealthCheck))
        try:
            run_state_machine_as_test(machine, settings=bounds)
        finally:
            runner.run(mongo.client.drop_database(name))
            runner.run(mongo.close())
