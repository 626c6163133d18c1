"""Long clips that become a series, end to end."""

from datetime import timedelta

import pytest
from stories_ingest.testing.samples import sample_clip
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers

SMALL = {"width": 180, "height": 320, "fps": 15}
CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:02.000\nfirst\n\n00:20.000 --> 00:21.000\nsecond\n"
LAYER = {"kind": "text", "x": 0, "y": 0, "w": 1, "h": 1, "text": "on each"}


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory):
    return sample_clip(tmp_path_factory.mktemp("clips") / "long.mp4", 31, **SMALL).read_bytes()


async def posted(author, clip, **body):
    return await author.post(clip, content_type="video/mp4", **body)


async def test_parts_of_a_long_clip_are_posted_at_the_same_time(ingest, ann, long_clip):
    story = await posted(ann, long_clip, captions_track=CAPTIONS, layers=[LAYER])
    assert (story["series_id"], story["part"], story["parts"]) == (story["id"], 1, 3)
    assert story["part_ids"][0] == story["id"]
    parts = [(await ann.show(part_id)).json() for part_id in story["part_ids"]]
    assert [part["part"] for part in parts] == [1, 2, 3]
    assert len({(part["posted_at"], part["expires_at"], part["series_id"]) for part in parts}) == 1
    assert all(part["layers"] == story["layers"] and part["part_ids"] == story["part_ids"] for part in parts)
    captions = [part["captions_track"] or "" for part in parts]
    assert ["first" in text for text in captions] == [True, False, False]
    assert ["second" in text for text in captions] == [False, True, False]
    assert sum(part["duration_ms"] for part in parts) == pytest.approx(31_000, abs=100)


async def test_series_counts_once_until_its_last_part_is_deleted(ann, long_clip):
    story = await posted(ann, long_clip)
    for part_id, live in zip(story["part_ids"], (1, 1, 0), strict=True):
        assert (await ann.http.delete(f"/v1/stories/{part_id}")).status_code == 204
        assert ((await ann.quota())["live"], (await ann.quota())["posted_24h"]) == (live, 1)


async def test_deleting_with_series_true_deletes_every_part(ingest, ann, long_clip):
    story = await posted(ann, long_clip)
    last = story["part_ids"][-1]
    assert (await ann.http.delete(f"/v1/stories/{last}", params={"series": "true"})).status_code == 204
    for part_id in story["part_ids"]:
        assert (await ann.show(part_id)).status_code == 404
        assert (await ingest.events_of("story-deleted", part_id))[0]["by"] == "author"
    assert not [key for key in await ingest.keys() if any(part_id in key for part_id in story["part_ids"])]


async def test_changing_one_part_changes_every_part(ingest, ann, long_clip):
    story = await posted(ann, long_clip)
    await ann.http.patch(f"/v1/stories/{story['part_ids'][1]}", json={"audience": "close_friends"})
    for part_id in story["part_ids"]:
        event = (await ingest.events_of("story-posted", part_id))[-1]
        assert (event["audience"], event["access_revision"]) == ("close_friends", 2)


async def test_long_clip_without_split_is_too_long(ann, long_clip):
    draft = await ann.drafted(long_clip, "video/mp4", split=False)
    answer = await ann.publish(draft["id"])
    assert (answer.status_code, answer.json()["reason"]) == (422, "too_long")


async def test_clip_declared_as_a_photo_is_a_type_mismatch(ann, long_clip):
    draft = await ann.drafted(long_clip, "image/jpeg")
    assert (await ann.publish(draft["id"])).json()["reason"] == "type_mismatch"


async def test_sweeps_keep_the_parts_of_a_running_job(start, long_clip):
    async with start(sweep_every=timedelta(milliseconds=50)) as ingest:
        story = await posted(ingest.author(), long_clip)

        async def swept():
            return len(await ingest.keys()) == 6

        assert len(story["part_ids"]) == 3
        await eventually(swept)
