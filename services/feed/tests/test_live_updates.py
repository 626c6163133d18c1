"""Live updates over in-memory ports: who is told what, resuming, and clients that do not read."""

import json
from datetime import timedelta

import msgspec
import pytest
from stories_feed.domain.edges import EdgeKey, Kind
from stories_feed.domain.live import LiveIndex
from stories_feed.routes.browser_tokens import BrowserTokens
from stories_feed.testing.builders import DAY, NOON, posted, received
from stories_feed.testing.in_memory import (
    FakeLogStatus,
    MemoryRelay,
)
from stories_feed.usecases.edges import ChangeEdge
from stories_feed.usecases.live_connections import MAX_UNREAD, Connection
from stories_feed.usecases.live_updates import LiveUpdates
from stories_feed.usecases.ports import Seen
from stories_feed.usecases.stories import ApplyToIndex
from stories_feed.usecases.visible_stories import VisibleStories
from stories_shared.auth.tokens import Caller, Unauthenticated
from stories_shared.errors import Unavailable
from stories_shared.testing import FakeClock

from .stores import memory_stores


class Live:
    """Live updates and what they read."""

    def __init__(self, max_connections: int = 10) -> None:
        self.now = FakeClock(NOON)
        self.index = LiveIndex()
        stores = memory_stores(self.now)
        self.stories, self.edges, self.seen = stores.stories, stores.edges, stores.seen
        self.erased_users = stores.erased_users
        visible = VisibleStories(self.index, self.edges, self.stories, FakeLogStatus(), self.now)
        self.outside: set[str] = set()
        self.updates = LiveUpdates(
            *(visible, self.edges, self.seen, self.stories, stores.user_data.erased, self.now, max_connections),
            lambda user, _country: "denied" if user in self.outside else None,
        )
        self.index.subscribe(self.updates.on_change)
        self.apply = ApplyToIndex(self.index, DAY, self.now, lambda _: None)
        self.change_edge = ChangeEdge(self.edges, MemoryRelay(), self.now)

    async def edge(self, kind: Kind, user: str, target: str, *, on: bool = True) -> None:
        self.now.forward(seconds=1)
        await self.change_edge(EdgeKey(kind, user, target), on=on)

    async def post(self, author: str = "ann", **fields):
        story = posted(author, self.now(), **fields)
        self.apply(received(story))
        await self.stories.put([story])
        await self.updates.announce()
        return story

    async def end(self, story) -> None:
        self.apply.end(story.story_id, self.now())
        await self.updates.announce()

    async def see(self, viewer: str, story) -> None:
        key = self.stories.keys[story.story_id]
        await self.seen.mark([Seen(viewer, key.key, key.until)])
        await self.updates.poll()


def events(connection: Connection) -> list[tuple[str, dict]]:
    """What waits for the client, without the beginning and heartbeats."""
    found = []
    for block in b"".join(connection._messages).decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    connection._messages.clear()
    return found


def last_id(connection: Connection) -> str:
    """The id of the last message that waits for the client."""
    lines = b"".join(connection._messages).decode().splitlines()
    return next(line.removeprefix("id: ") for line in reversed(lines) if line.startswith("id: "))


def ring(author: str, state: str) -> tuple[str, dict]:
    return "ring", {"author_id": author, "ring": state}


@pytest.fixture
async def live() -> Live:
    made = Live()
    await made.edge(Kind.FOLLOW, "bob", "ann")
    return made


async def test_a_follower_is_told_of_each_story_and_its_end(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    first = await live.post()
    assert events(bob) == [ring("ann", "unseen")]
    second = await live.post()
    assert events(bob) == [ring("ann", "unseen")]
    await live.end(first)
    assert events(bob) == [ring("ann", "unseen")]
    await live.end(second)
    assert events(bob) == [ring("ann", "none")]


async def test_a_story_that_expires_ends_for_follower_and_author(live) -> None:
    bob, ann = await live.updates.connect("bob", None, None, None), await live.updates.connect("ann", None, None, None)
    story = await live.post(lifetime=timedelta(seconds=5))
    live.index.sweep(live.now.forward(seconds=6))
    await live.updates.announce()
    assert events(bob) == [ring("ann", "unseen"), ring("ann", "none")]
    assert events(ann) == [("story", {"id": story.story_id, "state": state}) for state in ("live", "ended")]


async def test_only_followers_are_told(live) -> None:
    dee = await live.updates.connect("dee", None, None, None)
    await live.end(await live.post())
    assert events(dee) == []


@pytest.mark.parametrize(
    "fields", [{"hide_from": ("bob",)}, {"audience": "friends"}, {"audience": "close_friends"}], ids=str
)
async def test_nothing_is_told_of_a_story_that_the_viewer_may_not_see(live, fields) -> None:
    await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    await live.end(await live.post(**fields))
    assert events(bob) == []


@pytest.mark.parametrize("kind", [Kind.MUTE, Kind.BLOCK])
async def test_nothing_is_told_of_a_muted_or_blocked_author(live, kind) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    await live.edge(kind, "bob", "ann")
    await live.end(await live.post())
    await live.updates.poll()
    await live.end(await live.post())
    assert events(bob) == []


async def test_a_block_takes_the_ring_away(live) -> None:
    await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    await live.edge(Kind.BLOCK, "ann", "bob")
    await live.updates.poll()
    assert events(bob) == [ring("ann", "none")]


async def test_a_narrowed_audience_takes_the_ring_away(live) -> None:
    story = await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    live.apply(received(posted(story_id=story.story_id, at=NOON, revision=2, audience="close_friends")))
    await live.updates.announce()
    assert events(bob) == [ring("ann", "none")]


async def test_viewers_outside_of_the_rollout_are_told_nothing(live) -> None:
    story = await live.post()
    bob, ann = await live.updates.connect("bob", None, None, None), await live.updates.connect("ann", None, None, None)
    live.outside = {"bob", "ann"}
    await live.updates.poll()
    assert (events(bob), events(ann)) == ([ring("ann", "none")], [])
    await live.end(story)
    await live.post()
    assert (events(bob), events(ann)) == ([], [])
    live.outside = set()
    await live.updates.poll()
    assert events(bob) == [ring("ann", "unseen")]


async def test_a_story_seen_on_another_device_changes_the_ring(live) -> None:
    story = await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    await live.see("bob", story)
    assert events(bob) == [ring("ann", "seen")]


async def test_a_new_follow_counts_at_the_next_look(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    await live.post("cho")
    await live.edge(Kind.FOLLOW, "bob", "cho")
    await live.updates.poll()
    assert events(bob) == [ring("cho", "unseen")]


async def test_a_story_is_told_when_its_document_is_there(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    story = posted(at=live.now())
    live.apply(received(story))
    await live.updates.announce()
    assert events(bob) == []
    assert live.updates.waiting
    await live.stories.put([story])
    await live.updates.announce()
    assert events(bob) == [ring("ann", "unseen")]
    assert not live.updates.waiting
    live.apply(received(posted(at=live.now())))
    live.now.forward(minutes=11)
    await live.updates.announce()
    assert (events(bob), live.updates.waiting) == ([], False)


async def test_who_connects_before_the_document_is_told_of_the_story(live) -> None:
    """Nobody was connected when the story appeared, and the tray that is loaded on connecting lacks it still."""
    story = posted(at=live.now())
    live.apply(received(story))
    await live.updates.announce()
    first = await live.updates.connect("bob", None, None, None)
    reset = await live.updates.connect("bob", None, None, "another-1-0-0")
    assert (events(first), events(reset)) == ([], [("reset", {})])
    await live.stories.put([story])
    await live.updates.announce()
    assert events(first) == events(reset) == [ring("ann", "unseen")]


async def test_a_client_that_comes_back_gets_what_it_missed(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    await live.post()
    known = last_id(bob)
    bob.close()
    missed = await live.post("ann")
    await live.post("dee")
    again = await live.updates.connect("bob", None, None, known)
    assert events(again) == [ring("ann", "unseen")]
    ann = await live.updates.connect("ann", None, None, known)
    assert ("story", {"id": missed.story_id, "state": "live"}) in events(ann) or events(ann) == []


@pytest.mark.parametrize("narrowed", [False, True], ids=["ended", "narrowed"])
async def test_a_client_that_comes_back_before_a_change_is_announced_is_told_of_it(live, narrowed) -> None:
    story = await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    known = last_id(bob)
    bob.close()
    if narrowed:
        live.apply(received(msgspec.structs.replace(story, audience="close_friends", revision=2, access_revision=2)))
    else:
        live.apply.end(story.story_id, live.now())
    back = await live.updates.connect("bob", None, None, known)
    await live.updates.announce()
    assert events(back) == [ring("ann", "none")]


def prefixes(connection: Connection) -> list[tuple[list[tuple[str, dict]], str]]:
    """What a client knows if the connection breaks after each message: the events, and its last id."""
    found: list[tuple[list[tuple[str, dict]], str]] = []
    blocks = b"".join(connection._messages).split(b"\n\n")[:-1]
    for number in range(1, len(blocks) + 1):
        connection._messages[:] = [block + b"\n\n" for block in blocks[:number]]
        known = last_id(connection)
        found.append((events(connection), known))
    return found


async def test_a_connection_that_breaks_within_what_was_missed_loses_nothing(live) -> None:
    await live.edge(Kind.FOLLOW, "bob", "cy")
    bob = await live.updates.connect("bob", None, None, None)
    known = last_id(bob)
    bob.close()
    for author in ("ann", "cy", "bob"):
        await live.post(author)
    back = await live.updates.connect("bob", None, None, known)
    told = prefixes(back)
    back.close()
    assert len(told[-1][0]) == 3
    for got, at in told:
        again = await live.updates.connect("bob", None, None, at)
        assert {str(each) for each in [*got, *events(again)]} == {str(each) for each in told[-1][0]}, at
        again.close()


async def test_a_connection_that_breaks_within_new_follows_loses_nothing(live) -> None:
    for author in ("ann", "cy", "dee"):
        await live.post(author)
    bob = await live.updates.connect("bob", None, None, None)
    await live.edge(Kind.FOLLOW, "bob", "cy")
    await live.edge(Kind.FOLLOW, "bob", "dee")
    events(bob)
    await live.updates.poll()
    [(first, at), (both, _)] = prefixes(bob)
    again = await live.updates.connect("bob", None, None, at)
    assert (len(first), len(both), events(again)) == (1, 2, [("reset", {})])


async def test_reset_is_the_first_message(live) -> None:
    bob = await live.updates.connect("bob", None, None, "unknown")
    assert prefixes(bob)[0][0] == [("reset", {})]


async def test_an_author_that_comes_back_gets_the_missed_states(live) -> None:
    ann = await live.updates.connect("ann", None, None, None)
    known = last_id(ann)
    ann.close()
    story = await live.post()
    again = await live.updates.connect("ann", None, None, known)
    assert events(again) == [("story", {"id": story.story_id, "state": "live"})]


async def test_nothing_missed_says_nothing(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    await live.post()
    known = last_id(bob)
    bob.close()
    assert events(await live.updates.connect("bob", None, None, known)) == []


@pytest.mark.parametrize("known", ["", "x", "0000-1-0-0", "0000-1", "²-²-²-²"])
async def test_an_unknown_id_says_reset(live, known) -> None:
    assert events(await live.updates.connect("bob", None, None, known)) == [("reset", {})]


async def test_stories_seen_meanwhile_say_reset(live) -> None:
    story = await live.post()
    bob = await live.updates.connect("bob", None, None, None)
    known = last_id(bob)
    bob.close()
    await live.see("bob", story)
    assert events(await live.updates.connect("bob", None, None, known)) == [("reset", {})]


async def test_a_client_with_too_many_unread_messages_is_dropped(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    dropped = []
    bob.on_abort(lambda: dropped.append(True))
    for _ in range(MAX_UNREAD):
        await live.post()
    assert dropped == [True]
    assert await bob.next() is None


async def test_a_connection_ends_with_its_token(live) -> None:
    bob = await live.updates.connect("bob", None, NOON + timedelta(minutes=1), None)
    await live.updates.poll()
    assert not bob.ended
    live.now.forward(minutes=1)
    await live.updates.poll()
    assert bob.ended


async def test_a_connection_ends_when_its_user_is_erased(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    await live.erased_users.mark("bob", live.now(), "receipt", live.now())
    await live.updates.poll()
    assert bob.ended


async def test_a_stop_ends_every_connection_and_refuses_new_ones(live) -> None:
    bob = await live.updates.connect("bob", None, None, None)
    live.updates.close()
    assert bob.ended
    with pytest.raises(Unavailable):
        await live.updates.connect("bob", None, None, None)


async def test_connections_are_limited_and_counted() -> None:
    live = Live(max_connections=1)
    bob = await live.updates.connect("bob", None, None, None)
    with pytest.raises(Unavailable):
        await live.updates.connect("bob", None, None, None)
    bob.close()
    bob.close()
    assert live.updates.connections == 0
    await live.updates.connect("bob", None, None, None)


def test_a_browser_token_names_its_user_for_ten_minutes() -> None:
    now = FakeClock(NOON)
    tokens = BrowserTokens([("k1", b"0123456789abcdef")], now)
    token, ends_at = tokens.sign(Caller("bob", "NL", frozenset({"admin"})))
    assert ends_at == NOON + timedelta(minutes=10)
    assert tokens.caller(token) == Caller("bob", "NL")
    now.at = ends_at
    for bad in (token, token[:-1], "x", ""):
        with pytest.raises(Unauthenticated):
            tokens.caller(bad)


def test_a_browser_token_ends_with_the_token_of_its_caller() -> None:
    tokens = BrowserTokens([("k1", b"0123456789abcdef")], FakeClock(NOON))
    ends_at = NOON + timedelta(minutes=1)
    assert tokens.sign(Caller("bob", expires_at=ends_at))[1] == ends_at
