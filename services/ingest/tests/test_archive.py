"""Archived stories: the move at expiry, and the erasure of what was kept, with in-memory fakes."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.keys import ARCHIVE, archive_key, archive_prefix
from stories_ingest.domain.media import Rendition
from stories_ingest.domain.story import RepostedFrom, Requester
from stories_ingest.testing.builders import NOW, live
from stories_ingest.testing.in_memory import (
    MemoryBucket,
    MemoryHolds,
    MemoryPosition,
    MemoryRelay,
    MemoryStories,
    RecordingPublisher,
)
from stories_ingest.usecases import archive
from stories_ingest.usecases.accounts import EraseAccount
from stories_ingest.usecases.archive import (
    DeleteArchived,
    EmptyArchive,
    EraseArchived,
    ExpireStory,
    RepeatErasure,
)
from stories_ingest.usecases.deletions import DeleteStory
from stories_ingest.usecases.endings import EndDeleted, EndExpired, EraseMedia
from stories_ingest.usecases.holds import EraseUnlessHeld, HoldMedia, ReleaseHolds
from stories_ingest.usecases.sweeps import EraseMissedExpiries, SweepObjects
from stories_shared.errors import Unavailable
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryHeld
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock

ANN, ADMIN = Requester("ann"), Requester("root", is_admin=True)


@dataclass
class Env:
    is_on: bool = True
    stories: MemoryStories = field(default_factory=MemoryStories)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    now: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def __post_init__(self):
        self.archive = self.stories.archive
        stores = (self.stories, self.bucket, MemoryRelay(self.stories))
        end = ExpireStory(self.stories, self.archive, self.bucket, self.now, self.is_on)
        holds = MemoryHolds()
        unless_held = EraseUnlessHeld(self.bucket, holds, self.now)
        release_holds = ReleaseHolds(self.bucket, holds, self.publisher, self.now)
        self.hold_media = HoldMedia(holds, release_holds, self.now)
        self.repeat = RepeatErasure(
            self.stories, EraseArchived(self.archive, self.bucket, self.publisher, self.now), self.now
        )
        erase = EraseMedia(unless_held, self.stories, self.archive, self.publisher, self.publisher, self.now)
        self.erase_archived = EraseArchived(self.archive, self.bucket, self.publisher, self.now)
        self.end_expired = EndExpired(end, erase, self.now, self.now.sleep)
        self.missed_expiries = EraseMissedExpiries(self.stories, end, erase, self.now)
        self.end_deleted = EndDeleted(*stores, erase, self.now, self.erase_archived)
        self.delete_story = DeleteStory(*stores, self.now, self.archive, self.erase_archived)
        self.delete = DeleteArchived(self.archive, self.erase_archived)
        self.erase_account = EraseAccount(self.stories, *stores, release_holds, self.now, self.erase_archived)

    async def add(self, author_id="ann", **fields):
        """A live story of an author who keeps stories."""
        story = live(author_id, **fields)
        self.stories.add(story)
        self.bucket.objects |= dict.fromkeys(story.posted.media.keys, b"m")
        await self.archive.set_enabled(author_id, NOW, enabled=True)
        return story

    async def expire(self, story):
        at = story.posted.expires_at
        self.now.at = max(self.now.at, at + timedelta(seconds=1))
        event = StoryExpired(story_id=story.id, author_id=story.author_id, expires_at=at, expired_at=at)
        return await self.end_expired([event])

    async def deleted(self, event):
        await self.end_deleted([ReceivedEvent(event, b"", event.topic, 0, 0, "/stories/ingest", new_id(), NOW, NOW)])

    async def archived(self, author_id="ann", **fields):
        story = await self.add(author_id, **fields)
        await self.expire(story)
        return story

    async def reported(self):
        """A reported story that expired into its author's archive, and the keys of what moderators may see."""
        story = await self.add()
        await self.hold(story, NOW + timedelta(days=7))
        await self.expire(story)
        return story, {key.replace("stories/", "held/", 1) for key in story.posted.media.keys}

    async def hold(self, story, until):
        await self.hold_media(StoryHeld(story_id=story.id, author_id=story.author_id, until=until, at=self.now()))

    async def sweep(self):
        await SweepObjects(self.bucket, ARCHIVE, self.archive.referenced_archived, self.now, 10)(MemoryPosition())

    def erasures(self):
        return [(event.story_id, event.store, event.archived) for event in self.publisher.published]


@pytest.fixture
def env():
    return Env()


def kept_keys(story):
    return {archive_key(key, story.author_id, story.id) for key in story.posted.media.keys}


async def test_expired_story_moves_to_its_authors_archive(env):
    story = await env.archived()
    assert set(env.bucket.objects) == kept_keys(story)
    assert all(key.startswith(f"archive/ann/{story.id}/") for key in env.bucket.objects)
    assert await env.stories.find(story.id) is None
    assert env.erasures() == [(story.id, "media", True)]
    [found] = await env.archive.archive_page("ann", None, 10)
    assert set(found.story.posted.media.keys) == kept_keys(story)
    assert (found.story.overlay, found.story.settings) == (story.overlay, story.settings)
    assert await env.archive.archive_page("bob", None, 10) == []


async def test_nothing_is_kept_for_an_author_who_did_not_ask(env):
    story = await env.add()
    await env.archive.set_enabled("ann", NOW, enabled=False)
    await env.expire(story)
    assert (env.bucket.objects, env.erasures()) == ({}, [(story.id, "media", False)])
    assert not await env.archive.kept([story.id])


async def test_nothing_is_kept_while_the_archive_is_off():
    env = Env(is_on=False)
    story = await env.archived()
    assert (env.bucket.objects, env.erasures()) == ({}, [(story.id, "media", False)])


async def test_deleted_story_is_never_kept(env):
    for by in ("author", "admin", "erasure"):
        story = await env.add()
        await env.deleted(StoryDeleted(story_id=story.id, deleted_at=NOW, by=by))
        await env.expire(story)
    assert env.bucket.objects == {}
    assert env.archive.stories == {}


async def test_redelivered_expiry_changes_nothing(env):
    story = await env.archived()
    await env.expire(story)
    assert set(env.bucket.objects) == kept_keys(story)
    assert env.erasures() == [(story.id, "media", True)] * 2


async def test_expiry_after_the_archived_story_was_deleted_restores_nothing(env):
    story = await env.archived()
    await env.delete("ann", story.id)
    await env.expire(story)
    assert env.bucket.objects == {}
    assert env.erasures()[1:] == [(story.id, "archive", False), (story.id, "media", False)]


async def test_crash_after_the_copy_is_repaired_by_the_next_delivery(env):
    story = await env.add()
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    await env.bucket.copy_to_archive(story.posted.media, "ann", story.id)
    await env.sweep()
    assert kept_keys(story) <= set(env.bucket.objects)
    await env.expire(story)
    assert set(env.bucket.objects) == kept_keys(story)


async def test_crash_before_the_public_objects_are_erased_is_repaired(env):
    story = await env.add()
    env.bucket.undeletable = story.posted.media.key
    with pytest.raises(Unavailable):
        await env.expire(story)
    env.bucket.undeletable = None
    await env.expire(story)
    assert set(env.bucket.objects) == kept_keys(story)
    assert env.erasures() == [(story.id, "media", True)]


async def test_copy_of_a_late_replica_is_swept(env):
    story = await env.archived()
    await env.delete("ann", story.id)
    env.bucket.objects |= dict.fromkeys(kept_keys(story), b"late")
    await env.sweep()
    assert env.bucket.objects == {}


async def test_sweep_keeps_the_archive_and_removes_what_belongs_to_nobody(env):
    story = await env.archived()
    env.bucket.objects |= {f"{archive_prefix('ann', story.id)}old.mp4": b"", f"{archive_prefix('bob', new_id())}a": b""}
    await env.sweep()
    assert set(env.bucket.objects) == kept_keys(story)


async def test_story_whose_media_is_gone_ends_without_an_archive(env):
    story = await env.add()
    del env.bucket.objects[story.posted.media.poster_key]
    await env.expire(story)
    assert env.erasures() == [(story.id, "media", False)]
    await env.sweep()
    assert env.bucket.objects == {}


async def test_rendition_added_during_the_copy_is_kept_too(env):
    story = await env.add()
    smaller = Rendition(key=f"stories/{story.id}/small.mp4", content_type="video/mp4", size=1, width=1, height=1)
    media = replace(story.posted.media, renditions=(smaller,))
    copy = env.bucket.copy_to_archive

    async def add_meanwhile(*copied):
        done = await copy(*copied)
        env.bucket.objects[smaller.key] = b"s"
        env.stories.add(replace(story, posted=replace(story.posted, media=media)))
        return done

    end = ExpireStory(env.stories, env.archive, Copies(add_meanwhile, env.bucket.erase_archived), env.now, is_on=True)
    env.now.at = story.posted.expires_at
    await end(story.id)
    assert archive_key(smaller.key, "ann", story.id) in env.bucket.objects
    assert smaller.key not in env.archive.stories[story.id].story.posted.media.keys
    assert len(env.archive.stories[story.id].story.posted.media.renditions) == 1


@dataclass
class Copies:
    copy_to_archive: object
    erase_archived: object


async def test_story_deleted_during_the_copy_leaves_no_copy(env):
    story = await env.add()
    copy = env.bucket.copy_to_archive

    async def delete_meanwhile(*copied):
        done = await copy(*copied)
        await env.delete_story(ANN, story.id, series=False)
        return done

    env.now.at = story.posted.expires_at
    objects = Copies(delete_meanwhile, env.bucket.erase_archived)
    with pytest.raises(NoSuchStory):
        await ExpireStory(env.stories, env.archive, objects, env.now, is_on=True)(story.id)
    assert env.bucket.objects == {}


async def test_expiry_that_was_never_received_archives_too(env):
    story = await env.add()
    env.now.at = story.posted.expires_at + timedelta(hours=2)
    await env.missed_expiries()
    assert set(env.bucket.objects) == kept_keys(story)


async def test_archived_story_is_deleted_by_its_author_alone(env):
    story = await env.archived()
    for user_id in ("bob", "root"):
        with pytest.raises(NoSuchStory):
            await env.delete(user_id, story.id)
    await env.delete("ann", story.id)
    await env.delete("ann", story.id)
    assert (env.bucket.objects, env.archive.stories) == ({}, {})
    assert env.erasures()[1:] == [(story.id, "archive", False)]


async def test_deletion_that_could_not_erase_is_finished_by_the_sweep(env):
    story = await env.archived()
    env.bucket.down = True
    with pytest.raises(Unavailable):
        await env.delete("ann", story.id)
    env.bucket.down = False
    assert await env.archive.archive_page("ann", None, 10) == []
    await env.erase_archived.sweep()
    assert set(env.bucket.objects) == kept_keys(story)
    env.now.forward(seconds=10)
    await env.erase_archived.sweep()
    assert (env.bucket.objects, env.erasures()[1:]) == ({}, [(story.id, "archive", False)])


async def test_deleted_archive_is_erased_a_second_time(env):
    story = await env.archived()
    await env.delete("ann", story.id)
    env.bucket.objects |= dict.fromkeys(kept_keys(story), b"late")
    env.now.at += archive.RECHECK_AFTER
    await env.erase_archived.sweep()
    assert (env.bucket.objects, env.archive.removed) == ({}, {})
    assert env.erasures()[1:] == [(story.id, "archive", False)]


@pytest.mark.parametrize("first", ["erased", "expired"])
async def test_restored_archive_is_erased_again_in_any_order(env, first):
    story = await env.add()  # live again in the restored database, although its archived copy was deleted since
    env.now.at = story.posted.expires_at + timedelta(seconds=1)
    erased = StoryErased(story_id=story.id, store="archive", erased_at=env.now())
    if first == "expired":
        await env.expire(story)
        assert await env.archive.kept([story.id])
    for _ in range(2):
        await env.repeat(erased)
    await env.expire(story)
    assert (env.bucket.objects, env.archive.stories) == ({}, {})
    assert await env.stories.find(story.id) is None


async def test_confirmations_of_other_stores_and_of_live_stories_end_nothing(env):
    archived = await env.archived()
    await env.repeat(StoryErased(story_id=archived.id, store="media", erased_at=env.now()))
    assert await env.archive.kept([archived.id])
    story = live("bob", env.now())
    env.stories.add(story)
    await env.repeat(StoryErased(story_id=story.id, store="archive", erased_at=env.now()))
    assert await env.stories.find(story.id) == story


async def test_erased_account_leaves_no_archive(env):
    story = await env.archived()
    other = await env.archived("bob")
    await env.erase_account("ann", env.now())
    assert set(env.bucket.objects) == kept_keys(other)
    assert not await env.archive.enabled("ann")
    assert (story.id, "archive", False) in env.erasures()


async def test_story_removed_by_moderation_leaves_its_authors_archive(env):
    story = await env.archived()
    await env.deleted(StoryDeleted(story_id=story.id, deleted_at=env.now(), by="admin"))
    assert env.bucket.objects == {}
    assert (story.id, "archive", False) in env.erasures()


async def test_admin_deletes_an_archived_story_by_its_id(env):
    story = await env.archived()
    env.stories.endings.clear()
    with pytest.raises(NoSuchStory):
        await env.delete_story(Requester("bob"), story.id, series=False)
    await env.delete_story(ADMIN, story.id, series=False)
    assert env.bucket.objects == {}


async def test_archived_repost_leaves_with_the_deleted_original(env):
    original = await env.add()
    repost = await env.archived("bob", reposted_from=RepostedFrom(story_id=original.id, author_id="ann"))
    await env.deleted(StoryDeleted(story_id=original.id, deleted_at=env.now(), by="author"))
    assert env.bucket.objects == {}
    assert (repost.id, "archive", False) in env.erasures()


async def test_archived_repost_stays_when_the_original_expires(env):
    original = await env.add()
    repost = await env.archived("bob", reposted_from=RepostedFrom(story_id=original.id, author_id="ann"))
    await env.archive.set_enabled("ann", NOW, enabled=False)
    await env.expire(original)
    assert set(env.bucket.objects) == kept_keys(repost)


async def test_reported_story_is_archived_and_held_and_kept_once_cleared(env):
    story, held = await env.reported()
    assert set(env.bucket.objects) == kept_keys(story) | held
    assert (env.publisher.published[-1].archived, env.publisher.published[-1].held_until) == (
        True,
        NOW + timedelta(days=7),
    )
    await env.hold(story, env.now())
    assert set(env.bucket.objects) == kept_keys(story)
    assert env.erasures() == [(story.id, "media", True), (story.id, "moderation", False)]


async def test_author_who_empties_the_archive_takes_nothing_from_moderators(env):
    story, held = await env.reported()
    await env.delete("ann", story.id)
    assert set(env.bucket.objects) == held
    await env.hold(story, env.now())
    assert env.bucket.objects == {}
    assert [store for _, store, _ in env.erasures()] == ["media", "archive", "moderation"]


async def test_reported_story_that_is_removed_leaves_archive_and_hold(env):
    story, held = await env.reported()
    await env.deleted(StoryDeleted(story_id=story.id, deleted_at=env.now(), by="admin"))
    assert set(env.bucket.objects) == held
    await env.hold(story, env.now())
    assert env.bucket.objects == {}
    assert {store for _, store, _ in env.erasures()} == {"media", "archive", "moderation"}


async def test_erased_account_leaves_neither_archive_nor_hold(env):
    await env.reported()
    await env.erase_account("ann", env.now())
    assert env.bucket.objects == {}


async def test_archive_that_is_off_for_a_day_is_emptied(env):
    story = await env.archived()
    on, off = [EmptyArchive(env.archive, env.erase_archived, env.now, is_on) for is_on in (True, False)]
    await off()
    env.now.forward(hours=23)
    await off()
    await on()
    env.now.forward(hours=2)
    await off()
    assert (set(env.bucket.objects), await env.archive.enabled("ann")) == (kept_keys(story), True)
    env.now.forward(hours=25)
    await off()
    assert (env.bucket.objects, await env.archive.enabled("ann")) == ({}, False)
    assert env.erasures()[1:] == [(story.id, "archive", False)]


async def test_archive_is_paged_newest_first(env):
    stories = [await env.archived() for _ in range(3)]
    first = await env.archive.archive_page("ann", None, 2)
    assert [each.story.id for each in first] == [stories[2].id, stories[1].id]
    rest = await env.archive.archive_page("ann", stories[1].id, 2)
    assert [each.story.id for each in rest] == [stories[0].id]
