"""One contract for every repository: in memory, and MongoDB with both drivers."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from pymongo import IndexModel
from stories_ingest import store as mongo_store
from stories_ingest.domain import transitions
from stories_ingest.domain.access_edges import Edge, EdgeState
from stories_ingest.domain.archive import RemovedStory
from stories_ingest.domain.errors import NoSuchStory, NotArchived, TooMany
from stories_ingest.domain.highlights import Highlight
from stories_ingest.domain.quota import Quota, QuotaLimits, Slot
from stories_ingest.domain.story import (
    Ended,
    EndReason,
    Overlay,
    RenditionJob,
    RepostedFrom,
    Sound,
    State,
    StorySettings,
)
from stories_ingest.store.access_edges import MongoAccessEdges
from stories_ingest.store.archive import MongoArchive, archive_document
from stories_ingest.store.cleanup import MongoCleanup
from stories_ingest.store.documents import (
    ACCESS_EDGES,
    ARCHIVE,
    CLAIMS,
    ENDED,
    HIGHLIGHTS,
    HOLDS,
    QUOTAS,
    STORIES,
    ended_document,
    highlight_document,
    story_document,
)
from stories_ingest.store.highlights import MongoHighlights
from stories_ingest.store.holds import MongoHolds
from stories_ingest.store.jobs import MongoJobs, MongoRenditionJobs
from stories_ingest.store.stories import MongoStories
from stories_ingest.testing.builders import BOUNDS, NOW, draft, live, media, part, processing
from stories_ingest.testing.in_memory import MemoryAccessEdges, MemoryHighlights, MemoryRenditionJobs, MemoryStories
from stories_shared.events import StoryHeld
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import Claimed, IdempotencyRequest, IdempotencyStore
from stories_shared.mongo.outbox import NOT_RETRIED, Outbox, pending_mark
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

LATER = NOW + timedelta(seconds=15)


class InMemory:
    def __init__(self):
        self.stories = self.jobs = self.cleanup = MemoryStories()
        self.rendition_jobs = MemoryRenditionJobs(self.stories)
        self.archive = self.stories.archive
        self.edges = MemoryAccessEdges()
        self.highlights = MemoryHighlights(self.archive, self.edges)

    async def add(self, *stories):
        self.stories.add(*stories)

    async def pending(self):
        return self.stories.pending


class InMongo:
    def __init__(self, mongo):
        self.mongo = mongo
        self.stories = MongoStories(mongo, lambda: NOW)
        self.jobs, self.cleanup = MongoJobs(mongo), MongoCleanup(mongo)
        self.rendition_jobs = MongoRenditionJobs(mongo)
        self.archive = MongoArchive(mongo)
        self.highlights, self.edges = MongoHighlights(mongo), MongoAccessEdges(mongo)

    async def add(self, *stories):
        await self.mongo[STORIES].insert_many([{"_id": story.id, **story_document(story)} for story in stories])

    async def pending(self):
        found = [await self.mongo[name].find(NOT_RETRIED).to_list(None) for name in ("stories", "ended")]
        return {document["_id"] for documents in found for document in documents}


SERVERS = pytest.mark.servers


@pytest.fixture(params=["memory", pytest.param("pymongo", marks=SERVERS), pytest.param("motor", marks=SERVERS)])
def backend(request):
    """The driver, and the MongoDB namespace for it."""
    return request.param, request.getfixturevalue("namespace") if request.param != "memory" else None


@pytest.fixture
async def store(backend):
    driver, namespace = backend
    if namespace is None:
        yield InMemory()
        return
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], driver)
    await mongo_store.ensure(mongo)
    yield InMongo(mongo)
    await mongo.close()


async def created(store, *stories, bounds=BOUNDS):
    for story in stories:
        await store.stories.create(story, partial(admitted, story, bounds))


def admitted(story, bounds, quota):
    return quota.draft(story.id, story.vanishes_at, NOW, bounds)


async def test_story_round_trips(store):
    overlay = Overlay(
        caption="até já",
        captions_track="WEBVTT\n",
        sound=Sound(id="1", title="t", artist="a", start_ms=0, length_ms=1),
        layers=({"kind": "text", "$own": {"a.b": [1, 2.5, None]}},),
    )
    story = draft(overlay=overlay, settings=StorySettings(audience="friends", hide_from=("bob", "cat")))
    await created(store, story)
    assert await store.stories.find(story.id) == story


async def test_creating_an_existing_draft_changes_nothing(store):
    story = draft()
    await created(store, story, replace(story, size=7))
    assert (await store.stories.find(story.id)).size == story.size
    assert len((await store.stories.quota("ann")).drafts) == 1


async def test_refused_draft_is_not_stored(store):
    few = QuotaLimits(drafts=1, live=1, posted_24h=1)
    await created(store, draft(), bounds=few)
    second = draft()
    with pytest.raises(TooMany):
        await created(store, second, bounds=few)
    assert await store.stories.find(second.id) is None


async def test_concurrent_drafts_never_exceed_the_limit(store):
    few = QuotaLimits(drafts=3, live=10, posted_24h=10)
    outcomes = await asyncio.gather(*(created(store, draft(), bounds=few) for _ in range(8)), return_exceptions=True)
    assert [type(each) for each in outcomes if each is not None] == [TooMany] * 5
    assert len((await store.stories.quota("ann")).drafts) == 3


async def test_all_parts_go_live_or_none(store):
    story = processing(worker="w")
    await store.add(story)
    parts = [part(story.id), part(new_id()), part(new_id())]
    await store.stories.transact(story.id, lambda snapshot: transitions.go_live(snapshot, "w", parts, NOW))
    assert await store.stories.part_ids([story.id, new_id()]) == {story.id: [each.id for each in parts]}
    assert await store.pending() == {each.id for each in parts}
    assert (await store.stories.quota("ann")).live == (Slot(story.id, NOW + story.lifetime),)


async def test_transition_that_raises_writes_nothing(store):
    story = live()
    await store.add(story)

    def refuse(_snapshot):
        raise NoSuchStory(story.id)

    with pytest.raises(NoSuchStory):
        await store.stories.transact(story.id, refuse)
    assert await store.stories.find(story.id) == story


async def test_transition_of_an_unknown_story_is_refused(store):
    with pytest.raises(NoSuchStory):
        await store.stories.transact(new_id(), transitions.no_change)


async def test_deleted_story_leaves_a_record_and_a_pending_event(store):
    story = live()
    await store.add(story)
    await delete(store, story.id)
    ended = await store.stories.ended(story.id)
    assert (ended.author_id, ended.by, ended.at) == ("ann", "author", NOW)
    assert await store.stories.find(story.id) is None
    assert await store.pending() == {story.id}


async def delete(store, story_id, *, series=False, by="author"):
    transition = lambda snapshot: transitions.delete(snapshot, by=by, series=series, now=NOW, new_id=new_id)  # noqa: E731
    return await store.stories.transact(story_id, transition)


async def test_an_expired_story_can_be_deleted_once(store):
    story, other = live(), live()
    await store.add(story, other)
    for each in (story, other):
        await store.stories.transact(each.id, transitions.expire)
    await store.cleanup.record_erasure([story.id], NOW, NOW)
    first, later = new_id(), NOW + timedelta(minutes=1)
    for event_id in (first, new_id()):
        found = replace(await store.stories.ended(story.id), how=EndReason.DELETED, by="author", event_id=event_id)
        await store.stories.delete_expired(replace(found, at=later))
    ended = await store.stories.ended(story.id)
    assert (ended.how, ended.by, ended.event_id, ended.at) == (EndReason.DELETED, "author", first, later)
    assert (ended.erased_at, await store.pending()) == (NOW, {story.id})


async def test_state_and_revision_can_be_read_alone(store):
    waiting, shown = processing(), live()
    await store.add(waiting, shown)
    ids = (waiting.id, shown.id, new_id())
    assert [await store.stories.state(each) for each in ids] == [State.PROCESSING, State.LIVE, None]
    assert [await store.stories.revision(each) for each in ids] == [None, 1, None]


async def test_an_ended_story_cannot_be_created_again(store):
    story = draft()
    await store.add(story)
    await delete(store, story.id)
    with pytest.raises(NoSuchStory):
        await created(store, story)


async def test_concurrent_part_deletions_release_the_series_slot(store):
    first, second = live(part=1, parts=2), live(part=2, parts=2)
    both = [replace(each, posted=replace(each.posted, series_id=first.id)) for each in (first, second)]
    await store.add(*both)
    await store.stories.transact(
        first.id,
        lambda snapshot: transitions.StoryChange(Quota(live=(Slot(first.id, LATER),)), upserts=(snapshot.story,)),
    )
    await asyncio.gather(*(delete(store, each.id) for each in both))
    assert (await store.stories.quota("ann")).live == ()
    assert {ended.id for ended in await store.stories.ended_parts(first.id)} == {first.id, second.id}


async def test_stories_are_paged_newest_first(store):
    stories = [draft(), processing(), live()]
    await store.add(*stories, draft("bob"))
    assert [each.id for each in await store.stories.page("ann", None, None, NOW, 2)] == [stories[2].id, stories[1].id]
    assert [each.id for each in await store.stories.page("ann", None, stories[1].id, NOW, 2)] == [stories[0].id]
    assert [each.id for each in await store.stories.page("ann", State.LIVE, None, NOW, 2)] == [stories[2].id]


async def test_expired_stories_are_not_listed(store):
    await store.add(draft(vanishes_at=NOW), live(now=NOW - timedelta(hours=25)))
    assert await store.stories.page("ann", None, None, NOW, 10) == []


async def test_job_is_claimed_once_until_its_lease_expires(store):
    story = processing()
    await store.add(story)
    claims = await asyncio.gather(*(store.jobs.claim(f"w{n}", NOW, LATER) for n in range(4)))
    (winner,) = [each for each in claims if each]
    assert (winner.id, winner.job.attempts) == (story.id, 1)
    again = await store.jobs.claim("w9", LATER, LATER + timedelta(seconds=15))
    assert (again.job.worker, again.job.attempts) == ("w9", 2)


async def test_oldest_job_is_claimed_first(store):
    late, early = processing(now=NOW - timedelta(seconds=1)), processing(now=NOW - timedelta(seconds=9))
    await store.add(late, early)
    assert (await store.jobs.claim("w", NOW, LATER)).id == early.id


async def test_only_the_holder_renews_a_lease(store):
    story = processing(worker="w")
    await store.add(story)
    assert await store.jobs.renew(story.id, "w", LATER, 0.5, [story.id, "x"])
    assert not await store.jobs.renew(story.id, "other", LATER, 0.9, [])
    job = (await store.stories.find(story.id)).job
    assert (job.progress, job.parts) == (0.5, (story.id, "x"))


async def test_released_job_can_be_claimed_again(store):
    story = processing()
    await store.add(story)
    await store.jobs.claim("w", NOW, LATER)
    await store.jobs.release(story.id, "w", NOW, counted=False)
    assert await store.jobs.waiting(NOW) == 1
    assert (await store.jobs.claim("v", NOW, LATER)).job.attempts == 1


async def test_overdue_drafts_and_refused_stories_are_discardable(store):
    over, young, refused = draft(vanishes_at=NOW), draft(), draft(state=State.REFUSED, vanishes_at=NOW)
    await store.add(over, young, refused, live())
    assert set(await store.cleanup.discardable(NOW, 10)) == {over.id, refused.id}


async def test_scheduled_stories_are_found_when_due_and_listed_as_such(store):
    due, later, working = (draft(state=State.SCHEDULED, publish_at=at) for at in (NOW, LATER, LATER))
    working = replace(working, state=State.PROCESSING)
    await store.add(due, later, working, draft(), live())
    assert await store.cleanup.due_scheduled(NOW, 10) == [due.id]
    found = await store.stories.page("ann", State.SCHEDULED, None, NOW, 10)
    assert {story.id for story in found} == {due.id, later.id, working.id}
    assert await store.stories.page("ann", State.PROCESSING, None, NOW, 10) == []


async def test_reposts_are_found_in_any_state_and_need_a_live_original(store):
    original, other = live(), live()
    await store.add(original, other)
    reposts = [draft("bob", reposted_from=RepostedFrom(story_id=original.id, author_id="ann")) for _ in range(2)]
    await created(store, *reposts)
    assert set(await store.stories.reposts([original.id], 10)) == {repost.id for repost in reposts}
    assert await store.stories.reposts([other.id], 10) == []
    with pytest.raises(NoSuchStory):
        await created(store, draft("bob", reposted_from=RepostedFrom(story_id=reposts[0].id + "x", author_id="ann")))


async def test_missed_expiries_are_found(store):
    over, young = live(now=NOW - timedelta(hours=25)), live()
    await store.add(over, young, draft())
    assert await store.cleanup.missed_expiries(NOW - timedelta(hours=1), 10) == [over.id]


async def test_erasure_is_rechecked_once(store):
    story = live()
    await store.add(story)
    await delete(store, story.id)
    await store.cleanup.record_erasure([story.id], NOW, LATER)
    assert (await store.cleanup.due_rechecks(NOW, 10), await store.cleanup.due_rechecks(LATER, 10)) == (
        [],
        [story.id],
    )
    await store.cleanup.clear_recheck(story.id)
    assert await store.cleanup.due_rechecks(LATER, 10) == []
    assert (await store.stories.ended(story.id)).erased_at == NOW


async def test_erasure_of_an_unknown_story_is_not_recorded(store):
    await store.cleanup.record_erasure([new_id()], NOW, LATER)
    assert await store.cleanup.due_rechecks(LATER, 10) == []


async def test_ended_stories_of_an_account_are_unerased_until_recorded(store):
    deleted, cancelled, expired, strangers = live(), draft(), live(), live("bob")
    await store.add(deleted, cancelled, expired, strangers)
    for story in (deleted, cancelled, strangers):
        await delete(store, story.id, by="erasure")
    await store.stories.transact(expired.id, transitions.expire)
    before_all = NOW - timedelta(days=1)
    assert set(await store.cleanup.unerased("ann", before_all, 10)) == {deleted.id, cancelled.id}
    assert len(await store.cleanup.unerased("ann", expired.posted.expires_at, 10)) == 3
    await store.cleanup.record_erasure([deleted.id], NOW, LATER)
    assert await store.cleanup.unerased("ann", before_all, 10) == [cancelled.id]


async def test_only_stories_created_until_the_erasure_are_found(store):
    old, young = live(now=NOW), draft(now=LATER)
    await store.add(old, young)
    assert await store.cleanup.created_until("ann", NOW, 10) == [old.id]


async def test_erased_user_has_no_quota(store):
    story = live()
    await store.add(story)
    await store.stories.transact(
        story.id,
        lambda snapshot: transitions.StoryChange(Quota().commit(story.id, NOW, LATER), upserts=(snapshot.story,)),
    )
    await delete(store, story.id, by="erasure")
    await store.cleanup.delete_user_records("ann", NOW)
    assert await store.stories.quota("ann") == Quota()


async def test_uploads_are_referenced_by_drafts_and_jobs(store):
    one, two, done = draft(), processing(), live()
    await store.add(one, two, done)
    keys = [f"staging/{story_id}" for story_id in (one.id, two.id, done.id, new_id())]
    assert await store.cleanup.referenced_uploads(keys) == set(keys[:2])


async def test_keys_are_referenced_by_live_stories_and_running_jobs(store):
    shown, working, stranger = live(), processing(), new_id()
    partner = new_id()
    working = replace(working, job=replace(working.job, parts=(working.id, partner)))
    await store.add(shown, working)
    referenced_keys = [
        media(shown.id).key,
        media(shown.id).poster_key,
        f"stories/{working.id}/any.mp4",
        f"stories/{partner}/any.mp4",
    ]
    others = [f"stories/{shown.id}/older.mp4", f"stories/{stranger}/any.mp4"]
    assert await store.cleanup.referenced_keys([*referenced_keys, *others]) == set(referenced_keys)


async def test_rendition_job_is_leased_renewed_and_released(store):
    first, second, without = (live(now=NOW + timedelta(seconds=number)) for number in range(3))
    for story in (first, second):
        posted = replace(story.posted, renditions_job=RenditionJob(since=story.created_at, lease_until=NOW))
        await store.add(replace(story, posted=posted))
    await store.add(without)
    jobs, now = store.rendition_jobs, NOW + timedelta(seconds=5)
    claimed = await jobs.claim("w", now, LATER)
    assert (claimed.id, claimed.posted.renditions_job.attempts) == (first.id, 1)
    assert (await jobs.claim("v", now, LATER)).id == second.id
    assert await jobs.claim("u", now, LATER) is None
    assert [await jobs.renew(first.id, worker, LATER) for worker in ("w", "v")] == [True, False]
    await jobs.release(first.id, "w", now)
    again = await jobs.claim("u", now, LATER)
    assert (again.id, again.posted.renditions_job.attempts) == (first.id, 1)
    written = [f"stories/{story.id}/new.mp4" for story in (first, without)]
    assert await store.cleanup.referenced_keys(written) == {written[0]}


async def archived(store, **fields):
    story = live(**fields)
    await store.add(story)
    await store.stories.transact(story.id, lambda snapshot: transitions.archive(snapshot, story.posted.media))
    return story


async def test_archived_story_round_trips_and_is_no_longer_live(store):
    overlay = Overlay(caption="até já", layers=({"kind": "text", "$own": {"a.b": [1, 2.5, None]}},))
    story = await archived(store, overlay=overlay, settings=StorySettings(hide_from=("bob",)))
    [found] = await store.archive.archive_page("ann", None, 10)
    assert (found.story.overlay, found.story.settings) == (story.overlay, story.settings)
    assert found.story.posted.media.key == f"archive/ann/{story.id}/one.mp4"
    assert (await store.stories.ended(story.id)).how is EndReason.EXPIRED
    assert await store.stories.find(story.id) is None
    assert (await store.archive.kept([story.id]), await store.archive.owner(story.id)) == ({story.id}, "ann")


async def test_archive_is_paged_by_author_newest_first(store):
    stories = [await archived(store) for _ in range(3)]
    await archived(store, author_id="bob")
    page = await store.archive.archive_page("ann", stories[2].id, 1)
    assert [each.story.id for each in page] == [stories[1].id]


async def test_authors_switch_their_archive_on_and_off(store):
    assert not await store.archive.enabled("ann")
    for at, enabled in ((NOW, True), (LATER, True), (LATER, False), (NOW, True)):
        await store.archive.set_enabled("ann", at, enabled=enabled)
        assert await store.archive.enabled("ann") == enabled
    await store.cleanup.delete_user_records("ann", NOW - timedelta(seconds=1))
    assert await store.archive.enabled("ann")
    await store.cleanup.delete_user_records("ann", NOW)
    assert not await store.archive.enabled("ann")


async def test_removed_story_is_erased_twice_and_forgotten(store):
    story = await archived(store)
    removed = RemovedStory(story_id=story.id, author_id="ann")
    for _ in range(2):
        assert await store.archive.remove([story.id, new_id()], NOW, LATER) == [removed]
    assert await store.archive.archive_page("ann", None, 10) == []
    assert (await store.archive.kept([story.id]), await store.archive.owner(story.id)) == (set(), "ann")
    assert await store.archive.due_erasures(NOW, 10) == []
    assert await store.archive.due_erasures(LATER, 10) == [removed]
    assert [await store.archive.count_due(at) for at in (NOW, LATER)] == [0, 1]
    again = LATER + timedelta(minutes=1)
    await store.archive.record_archive_erasure(story.id, LATER, again)
    assert await store.archive.remove([story.id], LATER, again) == []
    assert await store.archive.due_erasures(again, 10) == [replace(removed, erased_at=LATER)]
    await store.archive.forget_archived(story.id)
    assert await store.archive.owner(story.id) is None
    await store.archive.record_archive_erasure(story.id, LATER, again)
    await store.archive.forget_archived(story.id)


async def test_archived_stories_of_an_account_are_found_until_erased(store):
    story, removed, later = [await archived(store, now=at) for at in (NOW, NOW, LATER)]
    await store.archive.remove([removed.id], LATER, LATER)
    assert set(await store.archive.of_author("ann", NOW, 10)) == {story.id, removed.id}
    await store.archive.record_archive_erasure(removed.id, LATER, LATER)
    assert await store.archive.of_author("ann", NOW, 10) == [story.id]
    assert set(await store.archive.of_author("ann", LATER, 10)) == {story.id, later.id}


async def test_archived_story_and_its_reposts_are_found(store):
    original = await archived(store)
    repost = await archived(store, reposted_from=RepostedFrom(story_id=original.id, author_id="ann"))
    await archived(store)
    assert set(await store.archive.copies_of([original.id], 10)) == {original.id, repost.id}
    await store.archive.remove([original.id], NOW, NOW)
    assert await store.archive.copies_of([original.id], 10) == [repost.id]


async def test_archived_keys_are_referenced_until_removed(store):
    kept, gone, moving = await archived(store), await archived(store), live()
    await store.add(moving)
    await store.archive.remove([gone.id], NOW, NOW)
    names = [f"archive/ann/{story.id}/one.mp4" for story in (kept, gone, moving)]
    others = [f"archive/ann/{kept.id}/other.mp4", f"archive/ann/{new_id()}/one.mp4"]
    assert await store.archive.referenced_archived([*names, *others]) == {names[0], names[2]}


def highlight(*stories, author_id="ann", at=NOW):
    ids = tuple(story.id for story in stories)
    return Highlight(id=new_id(), author_id=author_id, title="Sea", story_ids=ids, cover_story_id=ids[0], created_at=at)


async def test_highlights_round_trip_and_are_paged(store):
    story = await archived(store)
    made = [highlight(story) for _ in range(3)]
    for each in made:
        await store.highlights.put(each)
    assert await store.highlights.find(made[0].id) == made[0]
    assert await store.highlights.page("ann", made[2].id, 1) == [made[1]]
    await store.highlights.put(replace(made[0], title="Lake"))
    assert (await store.highlights.find(made[0].id)).title == "Lake"
    assert [await store.highlights.delete(user, made[0].id) for user in ("bob", "ann", "ann")] == [False, True, False]


async def test_highlight_needs_archived_stories_of_its_author(store):
    own, strange, removed = [await archived(store, author_id=user) for user in ("ann", "bob", "ann")]
    await store.archive.remove([removed.id], NOW, NOW)
    for other in (strange, removed, live()):
        with pytest.raises(NotArchived) as refused:
            await store.highlights.put(highlight(own, other))
        assert refused.value.index == 1


async def test_removed_story_leaves_highlights_and_covers(store):
    one, two, three = [await archived(store) for _ in range(3)]
    mixed, alone = highlight(one, two, three), highlight(one)
    await store.highlights.put(mixed)
    await store.highlights.put(alone)
    await store.archive.remove([one.id], NOW, NOW)
    assert await store.highlights.find(alone.id) is None
    left = await store.highlights.find(mixed.id)
    assert (left.story_ids, left.cover_story_id) == ((two.id, three.id), two.id)
    await store.archive.remove([three.id], NOW, NOW)
    assert await store.highlights.find(mixed.id) == replace(left, story_ids=(two.id,))


async def test_viewer_gets_only_what_was_for_everyone(store):
    settings = StorySettings(audience="followers"), StorySettings(hide_from=("bob",)), StorySettings()
    followers, hidden, public = [await archived(store, settings=each) for each in settings]
    ids = [followers.id, hidden.id, public.id, new_id()]
    seen = {viewer: set(await store.highlights.posters(ids, viewer)) for viewer in ("ann", "bob", "cat", None)}
    assert seen == {"ann": {*ids[:3]}, "bob": {public.id}, "cat": {hidden.id, public.id}, None: {*ids[:3]}}
    assert (await store.highlights.posters([public.id], "bob"))[public.id].startswith(f"archive/ann/{public.id}/")
    assert (await store.highlights.archived([public.id]))[public.id].story.id == public.id


def block(user_id, target_id):
    return Edge("block", user_id, target_id)


async def test_newest_edge_counts_and_a_block_wins_a_tie(store):
    edge = block("ann", "bob")
    for state, expected in (
        (EdgeState(LATER, on=False), EdgeState(LATER, on=False)),
        (EdgeState(NOW, on=True), EdgeState(LATER, on=False)),
        (EdgeState(LATER, on=True), EdgeState(LATER, on=True)),
        (EdgeState(LATER, on=False), EdgeState(LATER, on=True)),
    ):
        await store.edges.put(edge, state)
        assert await store.edges.states([edge, block("bob", "ann")]) == {edge: expected}


async def test_states_that_are_stored_or_superseded_are_told(store):
    stored, older, newer, unknown = (block("ann", name) for name in ("bob", "cat", "dan", "eve"))
    for edge in (stored, older, newer):
        await store.edges.put(edge, EdgeState(NOW + timedelta(seconds=1), on=True))
    states = {
        stored: EdgeState(NOW + timedelta(seconds=1), on=True),
        older: EdgeState(NOW, on=False),
        newer: EdgeState(NOW + timedelta(seconds=2), on=False),
        unknown: EdgeState(NOW, on=True),
    }
    assert await store.edges.outdated(states) == {stored, older}


async def test_erased_user_leaves_no_highlight_and_no_edge(store):
    story = await archived(store)
    old, young = highlight(story), highlight(story, at=LATER)
    for each in (old, young):
        await store.highlights.put(each)
    edges = block("ann", "bob"), Edge("hide", "cat", "ann"), Edge("hide", "cat", "bob")
    for edge in edges:
        await store.edges.put(edge, EdgeState(NOW, on=True))
    await store.cleanup.delete_user_records("ann", NOW)
    assert [await store.highlights.find(each.id) for each in (old, young)] == [None, young]
    assert set(await store.edges.states(edges)) == {edges[2]}


async def test_time_since_which_the_archive_is_off_is_kept(store):
    assert [await store.archive.off_since(at) for at in (NOW, LATER)] == [NOW, NOW]
    await store.archive.record_on()
    assert await store.archive.off_since(LATER) == LATER
    await store.archive.record_on()


CONTRACT = [test for name, test in list(globals().items()) if name.startswith("test_")]
"""All contract tests, which cover every query of the repositories."""
MANY = 1_000


@SERVERS
async def test_every_query_of_the_stores_has_an_index(namespace):
    recorder = CommandRecorder()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[recorder])
    await mongo_store.ensure(mongo)
    for test in CONTRACT:
        await test(InMongo(mongo))
        for name in await mongo.database.list_collection_names():
            await mongo[name].delete_many({"_id": {"$exists": True}})
    await run_shared_queries(mongo)
    await fill(mongo)
    assert await slow_plans(mongo, recorder.commands) == []
    assert await searching_indexes(mongo) <= await used_indexes(mongo, recorder.commands)
    await mongo.close()


async def run_shared_queries(mongo):
    """Run the queries of holds, and of shared code: erased users, outbox relays and idempotency."""
    holds, held = MongoHolds(mongo), new_id()
    await mongo[HOLDS].insert_many(
        [{"_id": new_id(), "author_id": f"user{n}", "at": NOW, "until": LATER} for n in range(MANY)]
    )
    await holds.put(StoryHeld(story_id=held, author_id="ann", until=LATER, at=NOW))
    assert await holds.keep(held, NOW)
    assert [hold.story_id for hold in await holds.find(held)] == [held]
    await holds.end_all_of("ann", NOW, NOW)
    for hold in await holds.due(NOW, 10):
        await holds.release(hold, NOW)
    await holds.kept()
    marks = MongoErasedUsers(mongo, lambda: NOW)
    await marks.finish(await marks.mark("ann", NOW, "receipt", NOW), LATER)
    assert await marks.claim(LATER, LATER) is not None
    for name in (STORIES, ENDED):
        outbox = Outbox(name, mongo[name], lambda _: (), None, lambda: NOW)
        await mongo[name].insert_one({"_id": "marked", "pending": pending_mark(1, NOW)})
        await outbox.publish_now("marked")
        await mongo[name].update_one({"_id": "marked"}, {"$set": {"pending": pending_mark(1, NOW)}})
        await outbox.pending()
        assert await outbox.run_once() == 1
    claims, once = IdempotencyStore(mongo[CLAIMS], lambda: NOW), IdempotencyRequest("POST", "/v1/stories", "k", "hash")
    for done in (claims.release, claims.complete):
        claim = await claims.claim_once("ann", once, new_id())
        assert isinstance(claim, Claimed)
        await done(claim)
    await claims.claim_once("ann", once, new_id())


async def fill(mongo):
    """Insert some thousand documents in every state and of many authors."""
    made = [(draft, processing, live)[number % 3](f"user{number % 50}") for number in range(3 * MANY)]
    parts = [
        live(f"user{number % 50}", series_id=f"series{number // 3}", part=number % 3, parts=3) for number in range(MANY)
    ]
    await mongo[STORIES].insert_many([{"_id": story.id, **story_document(story)} for story in made + parts])
    ended = [
        Ended(
            id=new_id(), author_id=f"user{number % 50}", how=EndReason.DELETED, at=NOW, series_id=f"series{number // 3}"
        )
        for number in range(MANY)
    ]
    again = [{"erase_at": LATER}, {}]
    await mongo[ENDED].insert_many([ended_document(each) | again[n % 2] for n, each in enumerate(ended)])
    await mongo[QUOTAS].insert_many([{"_id": f"user{n}", "lapses_at": LATER} for n in range(MANY)])
    kept = [live(f"user{number % 50}") for number in range(MANY)]
    kept += [live(reposted_from=RepostedFrom(story_id=new_id(), author_id="bob")) for _ in range(10)]
    await mongo[ARCHIVE].insert_many([{"_id": story.id, **archive_document(story, NOW)} for story in kept])
    shown = [highlight(story, author_id=story.author_id) for story in kept]
    await mongo[HIGHLIGHTS].insert_many([{"_id": each.id, **highlight_document(each)} for each in shown])
    pairs = [{"user_id": f"user{n % 50}", "target_id": f"user{n % 49}", "at": NOW, "on": True} for n in range(MANY)]
    await mongo[ACCESS_EDGES].insert_many([{"_id": f"block {n}", **each} for n, each in enumerate(pairs)])
    removed = [{"author_id": f"user{n % 50}", "removed_at": NOW, "erase_at": LATER} for n in range(10)]
    await mongo[ARCHIVE].insert_many([{"_id": new_id(), **each} for each in removed])
    await mongo[CLAIMS].insert_many([{"user_id": f"user{n % 50}", "at": NOW} for n in range(MANY)])


async def searching_indexes(mongo):
    """The names of all indexes except TTL indexes."""
    return {
        f"{name}.{index}"
        for name in await mongo.database.list_collection_names()
        for index, about in (await mongo[name].index_information()).items()
        if "expireAfterSeconds" not in about and index != "_id_"
    }


async def used_indexes(mongo, commands):
    """The names of the indexes in the winning query plans."""
    found = set()
    for command in commands:
        plan = await mongo.database.command({"explain": command, "verbosity": "queryPlanner"})
        found |= {f"{next(iter(command.values()))}.{index}" for index in index_names(plan)}
    return found


def index_names(plan):
    if isinstance(plan, list):
        return {name for each in plan for name in index_names(each)}
    if not isinstance(plan, dict):
        return set()
    own = {plan["indexName"]} if "indexName" in plan else set()
    return own.union(*(index_names(value) for key, value in plan.items() if key != "rejectedPlans"))


@SERVERS
async def test_superseded_indexes_are_replaced_by_a_rollout(namespace):
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    a_date = {"$exists": True, "$type": "date"}
    earlier = [
        IndexModel([("vanishes_at", 1)], name="vanishes_at", partialFilterExpression={"vanishes_at": a_date}),
        IndexModel([("job.since", 1)], name="jobs", partialFilterExpression={"job.since": a_date}),
    ]
    await mongo[STORIES].create_indexes(earlier)
    await mongo_store.ensure(mongo)
    assert {"vanishes_at", "vanishes_at.2", "jobs", "jobs.2"} <= (await mongo[STORIES].index_information()).keys()
    mongo.drop_superseded = True
    await mongo_store.ensure(mongo)
    assert not {"vanishes_at", "jobs"} & (await mongo[STORIES].index_information()).keys()
    await mongo.close()
