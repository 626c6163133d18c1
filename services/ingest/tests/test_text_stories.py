"""Text stories and the deletion of all stories, over HTTP."""

import httpx
import pytest
from PIL import Image
from stories_ingest.testing.harness import photo
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers

LAYER = {"kind": "text", "x": 0.1, "y": 0.4, "w": 0.8, "h": 0.2, "text": "hello"}
GRADIENT = {"background": ["#ff0000", "#0000ff"], "angle": 90}


async def create(author, media, **body) -> httpx.Response:
    return await author.http.post("/v1/stories", json={"media": media, **body})


async def test_text_story_needs_no_upload_and_is_a_photo(start, tmp_path):
    async with start(still_images="off") as ingest:
        ann = ingest.author("ann")
        answer = await create(ann, GRADIENT, layers=[LAYER])
        assert (answer.status_code, answer.json()["upload"], answer.json()["media"]) == (201, None, GRADIENT)
        story_id = answer.json()["id"]
        assert (await ann.http.post(f"/v1/stories/{story_id}/upload")).status_code == 409
        live = await ann.publish(story_id)
        assert live.status_code == 200, live.text
        assert [live.json()[name] for name in ("kind", "width", "height", "content_type")] == [
            *("photo", 1080, 1920, "image/jpeg"),
        ]
        [event] = await eventually(lambda: ingest.events_of("story-posted", story_id))
        assert await ingest.objects.get_file(event["media"]["key"], tmp_path / "picture.jpg", 2**20)
        picture = Image.open(tmp_path / "picture.jpg")
        left, right = picture.getpixel((5, 960)), picture.getpixel((1074, 960))
        assert left[0] > 240 > 20 > left[2], left
        assert right[2] > 240 > 20 > right[0], right
        assert (await ann.http.delete(f"/v1/stories/{story_id}")).status_code == 204
        assert not [key for key in await ingest.keys() if story_id in key]


@pytest.mark.parametrize(
    ("media", "loc"),
    [
        ({"background": "#ff0000"}, ["body", "layers"]),
        ({"background": "red"}, ["body", "media", "background", 0]),
        ({"background": ["#ff0000"]}, ["body", "media", "background"]),
        ({"background": "#ff0000", "angle": 361}, ["body", "media", "angle"]),
        ({"background": "#ff0000", "size": 1}, ["body", "media", "size"]),
        ({"size": 1}, ["body", "media", "content_type"]),
        (3, ["body", "media"]),
    ],
)
async def test_wrong_background_is_refused_with_its_location(ann, media, loc):
    answer = await create(ann, media, layers=[] if loc == ["body", "layers"] else [LAYER])
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, loc)


async def test_all_live_stories_are_deleted_at_once(ingest, ann):
    stories = [await ann.post(photo()) for _ in range(2)]
    draft = await ann.drafted(photo())
    answer = await ann.http.delete("/v1/me/stories")
    assert (answer.status_code, answer.json()) == (202, {"deleting": 2})
    for story in stories:
        assert (await ann.show(story["id"])).status_code == 404
        [event] = await eventually(lambda story=story: ingest.events_of("story-deleted", story["id"]))
        assert event["by"] == "author"
    assert (await ann.show(draft["id"])).status_code == 200
    assert (await ann.http.delete("/v1/me/stories")).json() == {"deleting": 0}

    async def gone() -> bool:
        return not [key for key in await ingest.keys("stories/") if any(story["id"] in key for story in stories)]

    await eventually(gone)


async def test_deletion_that_a_request_did_not_finish_is_continued(ingest, ann):
    story = await ann.post(photo())
    await ingest.mongo["deletions"].insert_one({"_id": ann.user_id, "until": ingest.mongo.now()})

    async def ended() -> bool:
        return (await ann.show(story["id"])).status_code == 404

    await eventually(ended, within_s=40)
    assert await eventually(lambda: ingest.events_of("story-deleted", story["id"]))
