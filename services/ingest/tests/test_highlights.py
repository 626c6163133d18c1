"""Highlights, with in-memory fakes: who may make them, and who may see what of them."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from stories_ingest.domain.access_edges import RecentEdges
from stories_ingest.domain.archive import ArchivedStory
from stories_ingest.domain.errors import NoSuchHighlight, NotArchived, NotInHighlight
from stories_ingest.domain.story import Requester, StorySettings
from stories_ingest.testing.builders import NOW, live
from stories_ingest.testing.in_memory import MemoryAccessEdges, MemoryArchive, MemoryHighlights
from stories_ingest.usecases.access_edges import DropStoredEdges, FindHidden, edge_of
from stories_ingest.usecases.highlights import ReadHighlights, WriteHighlights
from stories_shared.errors import Unavailable
from stories_shared.events import UserBlocked, UserHidden, UserUnblocked
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id

ANN, BOB, ADMIN = Requester("ann"), Requester("bob"), Requester("root", is_admin=True)


@dataclass
class Env:
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    edges: MemoryAccessEdges = field(default_factory=MemoryAccessEdges)
    recent: RecentEdges = field(default_factory=RecentEdges)

    def __post_init__(self):
        self.highlights = MemoryHighlights(self.archive)
        self.write = WriteHighlights(self.highlights, lambda: NOW)
        self.find_hidden = FindHidden(self.recent, self.edges, self.edges)
        self.read = ReadHighlights(self.highlights, self.find_hidden)

    def archived(self, author_id="ann", **settings):
        story = live(author_id, settings=StorySettings(**settings))
        self.archive.stories[story.id] = ArchivedStory(story=story, archived_at=NOW)
        return story.id

    async def made(self, *story_ids, author_id="ann", cover=None):
        highlight_id = new_id()
        await self.write.create(highlight_id, author_id, "Sea", story_ids, cover)
        return highlight_id

    async def seen(self, requester, highlight_id):
        shown = await self.read.one(requester, highlight_id)
        return shown.highlight.story_ids, shown.highlight.cover_story_id

    async def is_gone(self, requester, highlight_id):
        with pytest.raises(NoSuchHighlight):
            await self.read.one(requester, highlight_id)
        return await self.read.page(requester, "ann", None, 10) == ([], None)

    async def happens(self, kind, user_id, target_id, at=NOW):
        await self.edges.put(*edge_of(record_of(kind, user_id, target_id, at)))

    def is_read(self, kind, user_id, target_id, at=NOW):
        self.recent.put(*edge_of(record_of(kind, user_id, target_id, at)), NOW)


def record_of(kind, user_id, target_id, at):
    return ReceivedEvent(
        event=kind(user_id=user_id, target_id=target_id, at=at),
        key=user_id.encode(),
        topic=kind.topic,
        partition=0,
        offset=0,
        source="/stories/feed",
        id=new_id(),
        produced_at=at,
        appended_at=at,
    )


@pytest.fixture
def env():
    return Env()


async def test_highlight_shows_its_stories_in_the_authors_order(env):
    one, two = env.archived(), env.archived()
    highlight_id = await env.made(two, one)
    assert await env.seen(BOB, highlight_id) == ((two, one), two)
    items = await env.read.items((await env.read.one(BOB, highlight_id)).highlight, 1, 10)
    assert [each.story.id for each in items] == [one]


async def test_only_archived_stories_of_the_author_can_be_shown(env):
    own, strange = env.archived(), env.archived("bob")
    for story_id in (strange, new_id()):
        with pytest.raises(NotArchived) as refused:
            await env.made(own, story_id)
        assert refused.value.index == 1


async def test_cover_is_one_of_the_stories(env):
    one, two = env.archived(), env.archived()
    with pytest.raises(NotInHighlight):
        await env.made(one, cover=two)
    highlight_id = await env.made(one, two, cover=two)
    assert await env.seen(BOB, highlight_id) == ((one, two), two)
    await env.write.change("ann", highlight_id, {"story_ids": (one,)})
    assert await env.seen(BOB, highlight_id) == ((one,), one)
    with pytest.raises(NotInHighlight):
        await env.write.change("ann", highlight_id, {"cover_story_id": two})


async def test_only_the_author_changes_and_deletes_a_highlight(env):
    highlight_id = await env.made(env.archived())
    for user_id in ("bob", "root"):
        with pytest.raises(NoSuchHighlight):
            await env.write.change(user_id, highlight_id, {"title": "mine"})
        with pytest.raises(NoSuchHighlight):
            await env.write.delete(user_id, highlight_id)
    await env.write.change("ann", highlight_id, {"title": "Lake"})
    assert (await env.read.one(BOB, highlight_id)).highlight.title == "Lake"
    await env.write.delete("ann", highlight_id)
    assert await env.is_gone(ANN, highlight_id)


@pytest.mark.parametrize("audience", ["followers", "friends", "close_friends"])
async def test_what_was_not_for_everyone_is_shown_to_nobody_else(env, audience):
    private, public = env.archived(audience=audience), env.archived()
    mixed, hidden = await env.made(private, public), await env.made(private)
    assert await env.seen(BOB, mixed) == ((public,), public)
    assert await env.seen(ANN, mixed) == ((private, public), private)
    with pytest.raises(NoSuchHighlight):
        await env.read.one(BOB, hidden)
    shown, _ = await env.read.page(BOB, "ann", None, 10)
    assert [each.highlight.id for each in shown] == [mixed]
    assert await env.seen(ADMIN, hidden) == ((private,), private)


async def test_story_stays_hidden_from_whom_it_was_hidden(env):
    highlight_id = await env.made(env.archived(hide_from=("bob",)))
    assert await env.is_gone(BOB, highlight_id)
    assert len((await env.seen(Requester("cat"), highlight_id))[0]) == 1


@pytest.mark.parametrize(("kind", "user_id"), [(UserBlocked, "ann"), (UserBlocked, "bob"), (UserHidden, "ann")])
async def test_blocks_and_hiding_hide_highlights(env, kind, user_id):
    highlight_id = await env.made(env.archived())
    await env.happens(kind, user_id, "bob" if user_id == "ann" else "ann")
    assert await env.is_gone(BOB, highlight_id)
    assert await env.seen(ANN, highlight_id)
    assert await env.seen(ADMIN, highlight_id)


async def test_hiding_works_in_one_direction_only(env):
    highlight_id = await env.made(env.archived())
    await env.happens(UserHidden, "bob", "ann")
    assert await env.seen(BOB, highlight_id)


async def test_latest_block_counts_in_any_order(env):
    highlight_id = await env.made(env.archived())
    later = NOW + timedelta(seconds=1)
    await env.happens(UserUnblocked, "ann", "bob", later)
    await env.happens(UserBlocked, "ann", "bob")
    assert await env.seen(BOB, highlight_id)
    await env.happens(UserBlocked, "ann", "bob", later)
    assert await env.is_gone(BOB, highlight_id)


async def test_block_that_is_read_but_not_stored_hides_already(env):
    highlight_id = await env.made(env.archived())
    await env.happens(UserUnblocked, "ann", "bob")
    env.is_read(UserBlocked, "ann", "bob")
    assert await env.is_gone(BOB, highlight_id)
    env.is_read(UserUnblocked, "ann", "bob", NOW + timedelta(seconds=1))
    assert await env.seen(BOB, highlight_id)
    await env.happens(UserHidden, "ann", "bob")
    assert await env.is_gone(BOB, highlight_id)


async def test_others_wait_while_the_log_is_not_read(env):
    highlight_id = await env.made(env.archived())
    env.edges.stale = True
    with pytest.raises(Unavailable):
        await env.read.one(BOB, highlight_id)
    with pytest.raises(Unavailable):
        await env.read.page(BOB, "ann", None, 10)
    assert await env.seen(ANN, highlight_id)
    assert await env.seen(ADMIN, highlight_id)


async def test_edge_stays_in_memory_until_it_is_stored(env):
    highlight_id = await env.made(env.archived())
    env.is_read(UserBlocked, "ann", "bob")
    later = NOW + timedelta(minutes=1)
    drop = DropStoredEdges(env.recent, env.edges, lambda: later)
    for _ in range(2):
        await drop()
        assert await env.is_gone(BOB, highlight_id)
    await env.happens(UserBlocked, "ann", "bob")
    later += timedelta(minutes=1)
    await drop()
    assert env.recent.oldest(later + timedelta(minutes=1), 10) == {}
    assert await env.is_gone(BOB, highlight_id)


async def test_removed_story_leaves_highlights_and_covers(env):
    one, two = env.archived(), env.archived()
    highlight_id, alone = await env.made(one, two), await env.made(one)
    await env.archive.remove([one], NOW, NOW)
    assert await env.seen(BOB, highlight_id) == ((two,), two)
    with pytest.raises(NoSuchHighlight):
        await env.read.one(ANN, alone)


async def test_highlights_are_paged_newest_first(env):
    ids = [await env.made(env.archived()) for _ in range(3)]
    await env.made(env.archived("bob"), author_id="bob")
    shown, last = await env.read.page(BOB, "ann", None, 2)
    assert ([each.highlight.id for each in shown], last) == ([ids[2], ids[1]], ids[1])
    shown, last = await env.read.page(BOB, "ann", last, 2)
    assert ([each.highlight.id for each in shown], last) == ([ids[0]], None)
