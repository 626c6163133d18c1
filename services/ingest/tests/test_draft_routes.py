"""Create drafts over HTTP."""

import asyncio
import re

import pytest
from stories_ingest.testing.harness import photo, upload

pytestmark = pytest.mark.servers

MEDIA = {"content_type": "video/mp4", "size": 1000}
LAYER = {"kind": "text", "x": 0.1, "y": 0.2, "w": 0.5, "h": 0.1, "rotation": -12.5, "z": 3, "text": "hi"}


async def create(author, **body):
    return await author.http.post("/v1/stories", json={"media": MEDIA, **body})


async def test_only_media_is_required(ann):
    answer = await create(ann)
    draft = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/me/stories/{draft['id']}"
    expected = {
        "state": "draft",
        "author_id": ann.user_id,
        "media": MEDIA,
        "lifetime": "24h",
        "audience": "everyone",
        "hide_from": [],
        "comments": "everyone",
        "reactions": True,
        "sharing": True,
        "download": False,
        "view_list": True,
        "caption": None,
        "layers": [],
        "captions_track": None,
        "sound": None,
        "split": True,
        "alt_text": None,
        "series_id": None,
    }
    assert {name: draft[name] for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", draft["created_at"])
    assert set(draft["upload"]) == {"method", "url", "fields", "expires_at"}


async def test_created_draft_returns_its_fields(ann):
    body = {
        "audience": "close_friends",
        "hide_from": ["bob", "cat", "bob"],
        "comments": "nobody",
        "caption": "  cafe\u0301 ",
        "captions_track": "WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n",
        "sound": {"id": "s1", "title": "T", "artist": "A", "start_ms": 0, "length_ms": 1000},
        "layers": [LAYER],
    }
    draft = (await create(ann, **body)).json()
    assert (draft["hide_from"], draft["caption"], draft["sound"]) == (["bob", "cat"], "café", body["sound"])
    (layer,) = draft["layers"]
    assert {name: value for name, value in layer.items() if name != "id"} == LAYER
    assert layer["id"]


@pytest.mark.parametrize("sent", ["video/webm;codecs=vp8,opus", 'Video/WebM; codecs="vp9"', "video/webm"])
async def test_parameters_of_a_content_type_are_ignored(ann, sent):
    """Content types of browser recordings."""
    answer = await ann.create(b"x" * 10, sent)
    assert answer.status_code == 201
    assert answer.json()["media"]["content_type"] == "video/webm"
    assert answer.json()["upload"]["fields"]["Content-Type"] == "video/webm"


@pytest.mark.parametrize(
    "body",
    [
        {"media": {"content_type": "text/plain", "size": 1}},
        {"media": {"content_type": "video/mp4", "size": 0}},
        {"media": {"content_type": "video/mp4", "size": 1.5}},
        {"media": {"content_type": "video/mp4"}},
        {"lifetime": "25h"},
        {"lifetime": 24},
        {"lifetime": "a day"},
        {"lifetime": "9" * 400 + "d"},
        {"audience": "nobody"},
        {"hide_from": ["not ok"]},
        {"hide_from": [f"u{n}" for n in range(1001)]},
        {"comments": "followers"},
        {"reactions": 1},
        {"reactions": None},
        {"caption": "x" * 2201},
        {"caption": "a\x00b"},
        {"alt_text": "x" * 2201},
        {"captions_track": "1\n00:00 --> 00:01\nhi"},
        {"captions_track": "WEBVTT\n" + "é" * 33_000},
        {"sound": {"id": "1"}},
        {"layers": [LAYER] * 51},
        {"layers": [{**LAYER, "kind": "nothing"}]},
        {"layers": [{**LAYER, "x": 1.01}]},
        {"layers": [{**LAYER, "rotation": 181}]},
        {"layers": [{**LAYER, "z": 1.5}]},
        {"layers": [{**LAYER, "text": "x" * 501}]},
        {"layers": [{**LAYER, "kind": "caption", "text": "x" * 2_200}] * 15},
        {"layers": [{**LAYER, "own": 1}]},
        {"unknown": 1},
    ],
)
async def test_invalid_body_is_refused_with_its_location(ann, body):
    answer = await create(ann, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["type"] == "urn:stories:invalid"
    assert answer.json()["errors"][0]["loc"]


async def test_unacceptable_media_is_refused_with_its_reason(ann):
    answer = await create(ann, media={"content_type": "video/mp4", "size": 2**40})
    assert (answer.status_code, answer.json()["type"], answer.json()["reason"]) == (
        422,
        "urn:stories:media-refused",
        "too_large",
    )


async def test_creating_without_a_token_is_401(ingest):
    answer = await ingest.http.post("/v1/stories", json={"media": MEDIA})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:stories:unauthenticated")


async def test_same_idempotency_key_and_body_create_one_draft(ann):
    first, second = [await ann.create(key="k1", caption="a") for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()["id"]) == (201, 201, second.json()["id"])
    assert second.json()["upload"]["fields"]["key"] == first.json()["upload"]["fields"]["key"]
    other = await ann.create(key="k1", caption="b")
    assert (other.status_code, other.json()["type"]) == (422, "urn:stories:idempotency-reused")


async def test_concurrent_requests_with_one_key_create_one_draft(ann):
    answers = await asyncio.gather(*(ann.create(key="k2") for _ in range(6)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert (len(made), {answer.status_code for answer in answers} <= {201, 409}) == (1, True)


async def test_key_of_a_deleted_draft_is_not_found(ann):
    draft = (await ann.create(key="k3")).json()
    await ann.http.post(f"/v1/stories/{draft['id']}/cancel")
    assert (await ann.create(key="k3")).status_code == 404


async def test_refused_request_releases_its_key(ann):
    for _ in range(10):
        await ann.create()
    assert (await ann.create(key="k4")).status_code == 429
    await ann.http.post(f"/v1/stories/{(await ann.http.get('/v1/me/stories')).json()['items'][0]['id']}/cancel")
    assert (await ann.create(key="k4")).status_code == 201


async def test_draft_above_the_limit_is_refused_with_retry_after(ann):
    answers = await asyncio.gather(*(ann.create() for _ in range(12)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 2
    assert refused[0].json()["type"] == "urn:stories:too-many-drafts"
    assert 0 < int(refused[0].headers["retry-after"]) <= 3600


async def test_form_accepts_exactly_the_declared_upload(ann):
    media = photo()
    form = (await ann.create(media)).json()["upload"]
    assert (await upload(form, media + b"x")).status_code == 400
    assert (await upload({**form, "fields": {**form["fields"], "Content-Type": "text/html"}}, media)).status_code == 403
    assert (await upload({**form, "fields": {**form["fields"], "key": "stories/x"}}, media)).status_code == 403
    assert (await upload(form, media)).status_code in (200, 204)


async def test_form_is_renewed_only_for_a_draft(ann):
    media = photo()
    draft = (await ann.create(media)).json()
    renewed = await ann.http.post(f"/v1/stories/{draft['id']}/upload")
    assert renewed.status_code == 200
    assert (await upload(renewed.json(), media)).status_code in (200, 204)
    await ann.publish(draft["id"])
    late = await ann.http.post(f"/v1/stories/{draft['id']}/upload")
    assert (late.status_code, late.json()["type"]) == (409, "urn:stories:wrong-state")


async def test_another_users_story_is_not_found(ingest, ann):
    draft = (await ann.create()).json()
    bob = ingest.author("bob")
    for verb, path in (
        ("GET", "/v1/me/stories/{}"),
        ("POST", "/v1/stories/{}/upload"),
        ("POST", "/v1/stories/{}/publish"),
        ("POST", "/v1/stories/{}/cancel"),
        ("DELETE", "/v1/stories/{}"),
        ("PATCH", "/v1/stories/{}"),
    ):
        body = {"json": {"reactions": False}} if verb == "PATCH" else {}
        theirs = await bob.http.request(verb, path.format(draft["id"]), **body)
        nobodys = await bob.http.request(verb, path.format("01981d5a-7c00-7000-8000-000000000001"), **body)
        malformed = await bob.http.request(verb, path.format("nothing"), **body)
        assert [each.status_code for each in (theirs, nobodys, malformed)] == [404] * 3, path
        assert theirs.json() == nobodys.json() == malformed.json()


async def test_rate_limits_are_reported_and_enforced(start):
    async with start(limit_create=2) as ingest:
        author = ingest.author()
        answers = [await author.create() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[0].headers["ratelimit"].startswith('"create";r=1;')
        assert int(answers[2].headers["retry-after"]) > 0


@pytest.mark.parametrize("call", ["upload", "publish", "cancel", "change", "delete"])
async def test_writes_to_a_story_share_one_rate_limit(start, call):
    async with start(limit_writes=2) as ingest:
        author = ingest.author()
        path = f"/v1/stories/{(await author.create()).json()['id']}"
        calls = {
            "upload": lambda: author.http.post(f"{path}/upload"),
            "publish": lambda: author.http.post(f"{path}/publish"),
            "cancel": lambda: author.http.post(f"{path}/cancel"),
            "change": lambda: author.http.patch(path, json={"reactions": False}),
            "delete": lambda: author.http.delete(path),
        }
        for _ in range(2):
            assert (await calls["upload"]()).headers["ratelimit-policy"] == '"writes";q=2;w=60'
        refused = await calls[call]()
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:stories:rate-limited")
        assert (await author.show(path.rsplit("/", 1)[1])).json()["state"] == "draft"


@pytest.mark.parametrize("lifetime", ["60s", "1m", "60000ms", "60", "0.0166666666666666667h"])
async def test_lifetime_is_accepted_in_any_notation(start, lifetime):
    async with start(story_lifetimes="24h,60s") as ingest:
        draft = await ingest.author().create(lifetime=lifetime)
        assert (draft.status_code, draft.json()["lifetime"]) == (201, "1m")


async def test_config_needs_no_token(ingest):
    config = (await ingest.http.get("/v1/config")).json()
    assert (config["lifetimes"], config["max_clip_ms"], config["max_parts"]) == (["24h"], 15_000, 10)
    assert (config["limits"]["create"], config["limits"]["comments"]) == (10_000, 30)
    assert "image/heic" in config["content_types"]
    assert ("hevc" in config["codecs"]["video"], "pcm" in config["codecs"]["audio"]) == (True, True)
    assert config["audiences"] == ["everyone", "followers", "friends", "close_friends"]
    assert (config["follows"], config["batch"]) == ("open", {"rings": 100, "reels": 20, "views": 100})
    assert {"photos", "renditions", "comments"} <= set(config["features"])
    assert config["version"]


async def test_me_is_the_caller_with_quota_and_eligibility(ingest):
    ann = ingest.author("ann")
    me = (await ann.http.get("/v1/me")).json()
    assert (me["id"], me["country"], me["roles"]) == ("ann", None, [])
    assert me["quota"] == (await ann.http.get("/v1/me/quota")).json()
    assert me["eligibility"] == {"create": True, "view": True, "reason": None}
    assert (await ingest.http.get("/v1/me")).status_code == 401
