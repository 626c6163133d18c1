"""Reposts: a draft that copies another's story, and that no deletion of the original leaves behind."""

from dataclasses import replace
from datetime import timedelta

import pytest
from stories_ingest.domain.access_edges import Edge, EdgeState, RecentEdges
from stories_ingest.domain.errors import MediaRefused, NoSuchStory, SharingOff
from stories_ingest.domain.story import Background, Overlay, StorySettings
from stories_ingest.domain.uploads import UploadPolicy
from stories_ingest.testing.builders import BOUNDS, NOW, live
from stories_ingest.testing.harness import photo
from stories_ingest.testing.in_memory import MemoryAccessEdges, MemoryBucket, MemoryStories
from stories_ingest.usecases.access_edges import FindHidden
from stories_ingest.usecases.drafts import CreateStory, RepostStory
from stories_shared.auth.tickets import Ticket, Tickets
from stories_shared.clock import rfc3339, system_now
from stories_shared.errors import Unavailable
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock, eventually

DAY = timedelta(days=1)
MENTION = {"kind": "mention", "user_id": "bob", "x": 0, "y": 0, "w": 1, "h": 1}


def reposting(**settings):
    """The use case beside one live story of ann's."""
    original = live("ann", settings=StorySettings(**settings))
    stories, bucket = MemoryStories(), MemoryBucket()
    stories.add(original)
    bucket.objects[original.posted.media.key] = b"clip"
    policy = UploadPolicy(max_bytes=10**9, form_ttl=DAY, draft_ttl=DAY, still_images=True)
    edges = MemoryAccessEdges()
    hidden = FindHidden(RecentEdges(), edges, edges)
    create = CreateStory(stories, policy, BOUNDS, FakeClock(NOW))
    repost = RepostStory(stories, bucket, hidden, create, DAY, FakeClock(NOW))
    return repost, original, stories, bucket


async def test_repost_is_a_draft_with_a_copy_of_the_media():
    repost, original, stories, bucket = reposting()
    await repost("copy", "bob", original.id, 1)
    draft = stories.stories["copy"]
    assert (draft.author_id, draft.takes_upload, draft.reposted_from.story_id) == ("bob", False, original.id)
    assert bucket.objects["staging/copy"] == b"clip"


@pytest.mark.parametrize(
    ("settings", "revision", "refusal"),
    [
        ({"sharing": False}, 1, SharingOff),
        ({"audience": "followers"}, 1, NoSuchStory),
        ({}, 2, NoSuchStory),
        ({"hide_from": ("bob",)}, 1, NoSuchStory),
    ],
)
async def test_what_may_not_be_shared_is_not_reposted(settings, revision, refusal):
    repost, original, stories, _ = reposting(**settings)
    with pytest.raises(refusal):
        await repost("copy", "bob", original.id, revision)
    assert "copy" not in stories.stories


@pytest.mark.parametrize("edge", [Edge("block", "ann", "bob"), Edge("block", "bob", "ann"), Edge("hide", "ann", "bob")])
async def test_ticket_from_before_a_block_reposts_nothing(edge):
    repost, original, stories, _ = reposting()
    stories.add(replace(original, overlay=Overlay(layers=(MENTION,))))
    await repost.find_hidden.stored.put(edge, EdgeState(NOW, on=True))
    with pytest.raises(NoSuchStory):
        await repost("copy", "bob", original.id, 1)
    assert "copy" not in stories.stories
    await repost("own", "ann", original.id, None)


async def test_repost_waits_while_blocks_may_be_unread():
    repost, original, stories, _ = reposting()
    repost.find_hidden.stored.stale = True
    with pytest.raises(Unavailable):
        await repost("copy", "bob", original.id, 1)
    assert "copy" not in stories.stories


async def test_text_story_is_reposted_without_photos_and_a_photo_is_not():
    repost, original, stories, bucket = reposting()
    without_photos = replace(repost.create.policy, still_images=False)
    repost = replace(repost, create=replace(repost.create, policy=without_photos))
    media = replace(original.posted.media, content_type="image/jpeg")
    photo_story = replace(original, posted=replace(original.posted, media=media))
    stories.add(photo_story)
    with pytest.raises(MediaRefused):
        await repost("copy", "bob", original.id, 1)
    background = Background(colors=("#ff0000",), angle=None)
    stories.add(replace(photo_story, background=background))
    await repost("copy", "bob", original.id, 1)
    assert (stories.stories["copy"].background, stories.stories["copy"].takes_upload) == (background, False)
    assert "staging/copy" not in bucket.objects


async def test_who_is_mentioned_may_repost_a_restricted_story():
    repost, original, stories, _ = reposting(audience="close_friends", sharing=False)
    stories.add(replace(original, overlay=Overlay(layers=(MENTION,))))
    await repost("copy", "bob", original.id, 1)
    with pytest.raises(SharingOff):
        await repost("other", "cho", original.id, 1)


def ticket_of(ingest, story, viewer, **changes):
    now = system_now()
    fields = {
        "viewer_id": viewer,
        "author_id": story["author_id"],
        "story_id": story["id"],
        "access_revision": 1,
        "ends_at": now + timedelta(minutes=5),
        "expires_at": now + DAY,
        "comments": "everyone",
        "friend": False,
        "reactions": True,
        "sharing": True,
        "download": False,
        "view_list": True,
        "part": 1,
        "parts": 1,
        "series_id": None,
    }
    return {"Story-Ticket": Tickets(ingest.settings.ticket_secrets).sign(Ticket(**{**fields, **changes}))}


async def asked(author, path, headers=None):
    """The answer to a request for a repost, once this replica has read the log of blocks in time."""

    async def answer():
        found = await author.http.post(path, headers=headers)
        return found if found.status_code != 503 else None

    return await eventually(answer, within_s=60)


@pytest.mark.servers
async def test_reposts_in_every_state_leave_with_a_deletion_of_the_original(ingest, ann):
    bob = ingest.author(f"bob-{new_id()}")
    story = await ann.post(photo())
    path = f"/v1/stories/{story['id']}/repost"
    missing = await asked(bob, path)
    assert (missing.status_code, missing.json()["type"]) == (422, "urn:stories:ticket-missing")
    ended = ticket_of(ingest, story, bob.user_id, ends_at=system_now() - timedelta(seconds=1))
    assert (await asked(bob, path, ended)).json()["type"] == "urn:stories:ticket-expired"
    assert (await asked(bob, path, ticket_of(ingest, story, "eve"))).status_code == 404
    headers = ticket_of(ingest, story, bob.user_id)
    made = [await asked(bob, path, headers) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201], made[0].text
    posted, draft = (answer.json() for answer in made)
    assert posted["upload"] is None
    assert posted["reposted_from"] == {"story_id": story["id"], "author_id": ann.user_id}
    assert (await bob.publish(posted["id"])).status_code == 200
    [event] = await eventually(lambda: ingest.events_of("story-posted", posted["id"]))
    assert event["reposted_from"]["story_id"] == story["id"]
    assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204

    async def gone() -> bool:
        answers = [await bob.show(each["id"]) for each in (posted, draft)]
        keys = await ingest.keys()
        left = [key for key in keys if any(each["id"] in key for each in (posted, draft))]
        return [answer.status_code for answer in answers] == [404, 404] and not left

    await eventually(gone)
    assert (await asked(bob, path, ended)).status_code == 404
    other = await ann.post(photo())
    blocked = {"user_id": ann.user_id, "target_id": bob.user_id, "at": rfc3339(system_now())}
    await ingest.produce("user-blocked", ann.user_id, blocked)

    async def refused() -> bool:
        answer = await asked(bob, f"/v1/stories/{other['id']}/repost", ticket_of(ingest, other, bob.user_id))
        return answer.status_code == 404

    await eventually(refused)
    assert (await ann.http.patch(f"/v1/stories/{other['id']}", json={"comments": "nobody"})).status_code == 200
    revoked = ticket_of(ingest, other, bob.user_id, ends_at=system_now() - timedelta(seconds=1))
    assert (await asked(bob, f"/v1/stories/{other['id']}/repost", revoked)).status_code == 404
    assert await eventually(lambda: ingest.events_of("story-deleted", posted["id"]))
    assert (await asked(bob, path, headers)).status_code == 404
