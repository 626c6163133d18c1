"""From asking for a story to its being said, on real servers."""

import pytest

pytestmark = pytest.mark.servers


async def test_a_photo_goes_from_draft_to_live_and_is_said(ingest):
    ann = ingest.author()
    story = await ann.post(caption="first light", audience="followers")
    assert (story["state"], story["kind"], story["part_ids"]) == ("live", "photo", [story["id"]])
    (said,) = await ingest.of("story-posted", story["id"])
    assert (said["caption"], said["audience"], said["revision"]) == ("first light", "followers", 1)
    assert sorted(await ingest.keys()) == sorted([said["media"]["key"], said["media"]["poster_key"]])
