"""Responses have exactly the documented fields."""

import re

from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.waiting import SOON

ITEM = {
    *("id", "author_id", "kind", "label", "audience", "posted_at", "expires_at", "duration_ms", "width", "height"),
    *("content_type", "size", "has_audio", "codecs", "media_url", "poster_url", "download_url", "renditions"),
    *(
        "urls_expire_at",
        "caption",
        "layers",
        "sound",
        "captions_track",
        "alt_text",
        "seen",
        "series_id",
        "part",
        "parts",
    ),
    *("viewers_listed", "can", "ticket", "ticket_expires_at", "captions_url", "preview", "reposted_from"),
}
RING = {"author_id", "ring", "stories", "unseen", "latest_at", "expires_at", "poster_url"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").fullmatch
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch


async def test_item_has_everything_that_a_player_needs(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    layer = {"kind": "text", "x": 0.1, "y": 0.2, "w": 0.5, "h": 0.1, "rotation": 15.0, "z": 3, "text": "hi"}
    sound = {"id": "s1", "title": "A song", "artist": "Somebody", "start_ms": 0, "length_ms": 15000}
    fields = {
        "caption": "e\u0301tude",
        "alt_text": "a test card",
        "layers": [layer],
        "sound": sound,
        "download": True,
    }
    story = await ann.post(installation.samples.clip(), **fields)
    item = await eventually(lambda: bob.item(story), SOON)
    assert set(item) == ITEM
    assert (item["caption"], item["alt_text"], item["sound"]) == ("\u00e9tude", "a test card", sound)  # NFC
    [laid] = item["layers"]
    assert laid.pop("id")
    assert laid == layer
    assert item["can"] == {"comment": True, "react": True, "share": True, "download": True}
    assert "response-content-disposition=attachment" in item["download_url"]
    assert all(TIME(item[name]) for name in ("posted_at", "expires_at", "urls_expire_at"))
    assert UUID7(item["id"])


async def test_ring_has_exactly_the_documented_fields(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    await bob.follow(ann)
    story = await ann.post()
    page = await eventually(lambda: bob.get("/v1/tray"), SOON, accept=lambda page: page["items"])
    assert set(page) == {"items", "next_cursor", "mine"}
    [ring] = page["items"]
    assert set(ring) == RING
    assert (ring["latest_at"], ring["expires_at"]) == (story["posted_at"], story["expires_at"])
    assert page["mine"] is None
    rings = await bob.get("/v1/rings", user_ids=f"{ann.id},{bob.id}")
    assert rings == {"rings": {ann.id: "unseen", bob.id: "none"}}


async def test_draft_has_an_upload_form_and_live_story_has_media(installation: Installation) -> None:
    ann = installation.person("ann")
    answer = await ann.create()
    draft = answer.json()
    assert (draft["state"], draft["upload"]["method"]) == ("draft", "POST")
    assert set(draft["upload"]) == {"method", "url", "fields", "expires_at"}
    assert answer.headers["location"] == f"/v1/me/stories/{draft['id']}"
    assert answer.headers["cache-control"] == "private, no-store"
    assert '"create";r=' in answer.headers["ratelimit"]
    renewed = (await ann.done("POST", f"/v1/stories/{draft['id']}/upload")).json()
    assert (await ann.upload(renewed, ann.usual)).is_success
    working = await ann.publish(draft["id"], wait=0)
    assert working.status_code in {200, 202}
    if working.status_code == 202:
        assert set(working.json()) == {"id", "state", "progress"}
        assert 0 <= working.json()["progress"] <= 1
    assert (await ann.publish(draft["id"])).json()["state"] == "live"
    assert [each["id"] for each in (await ann.get("/v1/me/stories", state="live"))["items"]] == [draft["id"]]


async def test_quota_counts_live_stories(installation: Installation) -> None:
    ann = installation.person("ann")
    await ann.draft()
    quota = await ann.get("/v1/me/quota")
    assert quota == {"live": 0, "max_live": 100, "posted_24h": 0, "max_posted_24h": 200, "retry_after_s": 0}
    story = await ann.post()
    await ann.delete(story)
    quota = await ann.get("/v1/me/quota")
    assert (quota["live"], quota["posted_24h"]) == (0, 1)


async def test_the_configuration_is_public(installation: Installation) -> None:
    config = (await installation.http.get("/v1/config")).json()
    assert config["lifetimes"] == ["24h", installation.short]
    assert (config["max_clip_ms"], config["max_parts"], config["max_upload_bytes"]) == (15_000, 10, 536_870_912)
    assert config["audiences"] == ["everyone", "followers", "friends", "close_friends"]
    assert set(config) == {
        *("lifetimes", "max_clip_ms", "max_parts", "max_upload_bytes", "content_types"),
        *("audiences", "comments", "layer_kinds", "limits", "version", "codecs", "follows", "features", "batch"),
    }
