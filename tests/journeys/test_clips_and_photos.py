"""Which media are accepted, and their renditions: split, rotated and without metadata."""

import io
from collections.abc import Callable

import av
import pytest
from PIL import Image
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .samples import Sample, Samples
from .waiting import SOON


async def downloaded(viewer: Person, story: Answer) -> tuple[Answer, bytes]:
    """The item and its media, as a viewer gets them."""
    item = await eventually(lambda: viewer.item(story), SOON)
    answer = await viewer.media(item["media_url"])
    assert answer.headers["content-type"] == item["content_type"]
    assert len(answer.content) == item["size"]
    return item, answer.content


async def test_a_clip_of_15_4_seconds_is_one_story(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    story = await ann.post(installation.samples.clip(15.4), split=False)
    assert (story["part"], story["parts"], story["series_id"], story["part_ids"]) == (1, 1, None, [story["id"]])
    item, _ = await downloaded(bob, story)
    assert item["duration_ms"] == pytest.approx(15_400, abs=100)
    assert item["codecs"] == story["codecs"]
    assert item["codecs"].startswith("avc1.")


async def test_clip_of_15_6_seconds_is_rejected_or_split_as_requested(installation: Installation) -> None:
    ann, sample = installation.person("ann"), installation.samples.clip(15.6)
    refused = await ann.publish((await ann.draft(sample, split=False))["id"])
    assert (refused.status_code, refused.json()["reason"]) == (422, "too_long")
    story = await ann.post(sample, split=True)
    assert story["parts"] == 2
    assert story["series_id"] == story["part_ids"][0] == story["id"]


async def test_a_clip_of_64_seconds_becomes_five_parts_that_are_one_series(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    story = await ann.post(installation.samples.clip(64.0))
    assert story["parts"] == len(set(story["part_ids"])) == 5
    reel = await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: len(items) == 5)
    assert [item["id"] for item in reel] == story["part_ids"]
    assert [item["part"] for item in reel] == [1, 2, 3, 4, 5]
    assert {item["series_id"] for item in reel} == {story["id"]}
    assert len({item["posted_at"] for item in reel}) == len({item["expires_at"] for item in reel}) == 1
    assert max(item["duration_ms"] for item in reel) <= 15_500
    assert sum(item["duration_ms"] for item in reel) == pytest.approx(64_000, abs=500)
    clips = [await bob.media(item["media_url"]) for item in reel]
    assert sum(seconds_of(clip.content) for clip in clips) == pytest.approx(64, abs=0.5)
    assert (await ann.get("/v1/me/quota"))["live"] == 1

    await ann.change(reel[2], reactions=False)  # on a part: for all of them
    await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: not any(item["can"]["react"] for item in items))
    await ann.delete(reel[2])  # that part alone
    await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: [item["part"] for item in items] == [1, 2, 4, 5])
    await ann.done("DELETE", f"/v1/stories/{reel[3]['id']}", params={"series": "true"})
    await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: not items)
    assert (await ann.get("/v1/me/quota"))["live"] == 0


REFUSED: dict[str, tuple[str, Callable[[Samples], Sample]]] = {
    "a text that calls itself a clip": ("not_media", Samples.text),
    "an HLS playlist that calls itself a clip": ("not_media", Samples.playlist),
    "half a clip": ("damaged", Samples.truncated),
    "a PNG bomb": ("too_large", Samples.bomb),
    "a PNG header of 20,000 by 20,000": ("too_large", Samples.huge),
    "a photo that calls itself a clip": ("type_mismatch", lambda samples: samples.photo().claimed("video/mp4")),
    "a clip that calls itself a photo": ("type_mismatch", lambda samples: samples.clip().claimed("image/jpeg")),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_rejected_media_has_a_reason_and_leaves_nothing(installation: Installation, what: str) -> None:
    ann, stores = installation.person("ann"), await installation.stores()
    reason, make = REFUSED[what]
    draft = await ann.draft(make(installation.samples))
    answer = await ann.publish(draft["id"])
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["reason"]) == ("urn:stories:media-refused", reason)
    assert (await ann.publish(draft["id"])).json()["reason"] == reason  # the same again
    own = await ann.own(draft)
    assert (own["state"], own["reason"]) == ("refused", reason)
    assert await ann.reel(ann) == []
    assert (await ann.get("/v1/me/quota"))["live"] == 0
    await eventually(lambda: stores.objects(draft["id"]), 5, accept=lambda keys: not keys)


async def test_oversized_media_is_rejected_before_upload(installation: Installation) -> None:
    ann = installation.person("ann")
    most = (await ann.get("/v1/config"))["max_upload_bytes"]
    answer = await ann.call("POST", "/v1/stories", json={"media": {"content_type": "video/mp4", "size": most + 1}})
    assert (answer.status_code, answer.json()["reason"]) == (422, "too_large")
    assert (await ann.get("/v1/me/stories"))["items"] == []


async def test_phone_hevc_clip_is_rotated_and_stripped_of_metadata(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    sample = installation.samples.clip(2.0, ".mov", codec="hevc", rotation=90, phone=True, width=320, height=180)
    assert b"iPhone" in sample.content
    assert b"+52.5200" in sample.content
    item, content = await downloaded(bob, await ann.post(sample))
    assert (item["content_type"], item["width"], item["height"]) == ("video/mp4", 180, 320)
    assert item["codecs"].startswith("avc1.6400")  # encoded, since not every browser plays HEVC
    [rendition] = item["renditions"]
    assert (rendition["url"], rendition["codecs"]) == (item["media_url"], item["codecs"])
    assert len(item["preview"]["blurhash"]) == 28
    for trace in (b"iPhone", b"Apple", b"+52.5200", b"holiday", b"a chapter"):
        assert trace not in content
    with av.open(io.BytesIO(content), "r") as clip:
        assert sorted(stream.type for stream in clip.streams) == ["audio", "video"]
        assert clip.chapters() == []
        frame = next(clip.decode(clip.streams.video[0]))
        assert (frame.rotation % 360 in {90, 270}) == (frame.width > frame.height)  # upright when displayed


@pytest.mark.parametrize("ending", [".heic", ".jpg", "several pictures"])
async def test_phone_photo_is_rotated_and_stripped_of_metadata(installation: Installation, ending: str) -> None:
    ann, bob = installation.people("ann", "bob")
    on_its_side = {"width": 320, "height": 180, "orientation": 6}
    sample = (
        installation.samples.several_pictures()
        if ending == "several pictures"
        else installation.samples.photo(ending, **on_its_side)
    )
    assert b"iPhone" in sample.content
    item, content = await downloaded(bob, await ann.post(sample))
    assert (item["kind"], item["content_type"], item["duration_ms"]) == ("photo", "image/jpeg", None)
    assert (item["width"], item["height"]) == (180, 320)
    assert b"iPhone" not in content
    with Image.open(io.BytesIO(content)) as photo:
        assert (photo.format, photo.size, dict(photo.getexif())) == ("JPEG", (180, 320), {})
        red, green, blue = photo.convert("RGB").crop((170, 5, 175, 10)).resize((1, 1)).tobytes()
        assert red > 150 > max(green, blue)  # the mark of the upper left corner is now at the upper right


@pytest.mark.parametrize("claimed", ["video/mp4", "video/quicktime", "video/webm"])
async def test_the_container_need_not_be_the_claimed_one(installation: Installation, claimed: str) -> None:
    ann = installation.person("ann")
    assert (await ann.post(installation.samples.clip().claimed(claimed)))["content_type"] == "video/mp4"


async def test_captions_are_cut_to_the_time_of_their_part(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    track = "WEBVTT\n\n00:01.000 --> 00:02.000\nfirst\n\n00:12.000 --> 00:13.000\nlast\n"
    story = await ann.post(installation.samples.clip(15.6), captions_track=track)
    first, last = await eventually(lambda: bob.reel(ann), SOON, accept=lambda items: len(items) == story["parts"] == 2)
    assert ("first" in first["captions_track"], "last" in first["captions_track"]) == (True, False)
    assert ("first" in last["captions_track"], "last" in last["captions_track"]) == (False, True)
    captions = await bob.media(last["captions_url"])
    assert (captions.headers["content-type"], captions.text) == ("text/vtt", last["captions_track"])


async def test_smaller_rendition_follows_and_leaves_with_the_story(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    stores = await installation.stores()
    story = await ann.post(installation.samples.clip(0.2, width=1080, height=1920, fps=10))
    item = await eventually(lambda: bob.item(story), 30, accept=lambda item: len(item["renditions"]) == 2)
    assert [(size["width"], size["height"]) for size in item["renditions"]] == [(1080, 1920), (720, 1280)]
    smaller = item["renditions"][1]
    answer = await bob.media(smaller["url"])
    assert (answer.headers["content-type"], len(answer.content)) == ("video/mp4", smaller["size"])
    assert (await ann.own(story))["state"] == "live"
    assert len(await stores.objects(story["id"])) == 3
    await ann.delete(story)
    assert await stores.objects(story["id"]) == []
    assert (await bob.media(smaller["url"])).status_code in {403, 404}


def seconds_of(clip: bytes) -> float:
    """The duration of a clip."""
    with av.open(io.BytesIO(clip)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)
