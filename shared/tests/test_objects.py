"""Objects on a real S3: SeaweedFS always, MinIO itself with ``make test/minio``."""

import asyncio
import re
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from stories_shared.errors import Unavailable
from stories_shared.s3.objects import Objects, TooLarge

pytestmark = [pytest.mark.servers, pytest.mark.objects]

KEY = "stories/01981d5a-7c00-7000-8000-000000000001/media.mp4"


def objects_of(namespace, **changed) -> Objects:
    given = {
        "endpoint": namespace["S3_ENDPOINT"],
        "public_endpoint": namespace["S3_PUBLIC_ENDPOINT"],
        "access_key": namespace["S3_ACCESS_KEY"],
        "secret_key": namespace["S3_SECRET_KEY"],
        "bucket": namespace["S3_BUCKET"],
    }
    return Objects(**(given | changed))


@pytest.fixture
async def objects(namespace):
    objects = objects_of(namespace)
    await objects.ensure_bucket()
    yield objects
    objects.close()


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip"
    path.write_bytes(b"\0clip" * 1000)
    return path


async def upload(objects: Objects, size: int, form_changes=None, body=b"x" * 10, until=timedelta(minutes=1)):
    url, fields = objects.presign_post(KEY, "video/mp4", size, datetime.now(UTC) + until)
    fields |= form_changes or {}
    async with httpx.AsyncClient() as client:
        return await client.post(url, data=fields, files={"file": ("f", body)})


async def fetch(url: str, **headers) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url, headers=headers)


async def test_uploaded_object_can_be_read(objects, clip, tmp_path):
    etag = await objects.put_file(KEY, clip, "video/mp4")
    found = await objects.stat(KEY)
    assert (found.size, found.content_type, found.etag) == (5000, "video/mp4", etag)
    got = await objects.get_file(KEY, tmp_path / "back", max_bytes=5000)
    assert (got.size, got.content_type, got.etag) == (5000, "video/mp4", etag)
    assert (tmp_path / "back").read_bytes() == clip.read_bytes()


async def test_object_above_the_limit_is_not_read(objects, clip, tmp_path):
    await objects.put_file(KEY, clip, "video/mp4")
    with pytest.raises(TooLarge):
        await objects.get_file(KEY, tmp_path / "back", max_bytes=4999)
    assert not (tmp_path / "back").exists()


async def test_missing_object_is_none(objects, tmp_path):
    assert await objects.stat(KEY) is None
    assert await objects.get_file(KEY, tmp_path / "back", max_bytes=1) is None
    await objects.remove(KEY)
    await objects.remove(KEY, KEY + "2")
    await objects.remove()


async def test_empty_object_can_be_stored(objects, tmp_path):
    (tmp_path / "empty").touch()
    await objects.put_file("stories/empty", tmp_path / "empty", "image/jpeg")
    assert (await objects.stat("stories/empty")).size == 0


async def test_prefix_is_listed_and_removed(objects, clip):
    for number in range(12):
        await objects.put_file(f"stories/a/{number:02}", clip, "video/mp4")
    await objects.put_file("stories/ab", clip, "video/mp4")
    assert [each.key async for each in objects.walk("stories/a/")] == [f"stories/a/{number:02}" for number in range(12)]
    assert await objects.remove_prefix("stories/a/") == 12
    assert [each.key async for each in objects.walk("")] == ["stories/ab"]
    with pytest.raises(ValueError, match="whole bucket"):
        await objects.remove_prefix("")


async def test_presigned_get_reads_with_cache_control(objects, clip):
    await objects.put_file(KEY, clip, "video/mp4")
    url = objects.presign_get(
        KEY, 60, datetime.now(UTC), cache_control="private, max-age=60", content_disposition='attachment; filename="a"'
    )
    answer = await fetch(url)
    assert (answer.status_code, len(answer.content)) == (200, 5000)
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["content-disposition"] == 'attachment; filename="a"'
    assert answer.headers["content-type"] == "video/mp4"
    assert (await fetch(url, Range="bytes=0-4")).content == b"\0clip"


async def test_tampered_or_expired_presigned_get_is_rejected(objects, clip):
    await objects.put_file(KEY, clip, "video/mp4")
    url = objects.presign_get(KEY, 1, datetime.now(UTC), cache_control="private, max-age=1")
    assert (await fetch(url.replace("max-age%3D1", "max-age%3D9"))).status_code == 403
    assert (await fetch(url.replace("media.mp4", "other.mp4"))).status_code == 403
    assert (await fetch(url.split("?")[0])).status_code == 403
    async with asyncio.timeout(5):
        while (await fetch(url)).status_code == 200:  # noqa: ASYNC110  (the store tells nobody)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("key", [KEY, "a b+c&d=é/ü~._-%2F", "x"])
def test_signature_equals_the_sdks(key):
    at = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    objects = Objects("127.0.0.1:1", "https://media.example", "access/key+", "secret", "stories")
    overrides = {
        "response-cache-control": "private, max-age=60",
        "response-content-disposition": 'attachment; filename="é"',
    }
    for seconds, given in ((1, {}), (900, overrides)):
        named = {name.removeprefix("response-").replace("-", "_"): value for name, value in given.items()}
        theirs = objects.public.get_presigned_url(
            "GET", "stories", key, timedelta(seconds=seconds), response_headers=given or None, request_date=at
        )
        ours = objects.presign_get(key, seconds, at, **named)
        assert sorted(re.split("[?&]", ours)) == sorted(re.split("[?&]", theirs))
    objects.close()


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
async def test_only_whole_seconds_up_to_a_week_are_signed(objects, seconds):
    with pytest.raises(ValueError, match="not between"):
        objects.presign_get(KEY, seconds, datetime.now(UTC))


async def test_urls_use_the_public_endpoint(namespace):
    objects = objects_of(namespace, public_endpoint="https://media.example:9443")
    url = urlsplit(objects.presign_get(KEY, 7, datetime.now(UTC)))
    assert (url.scheme, url.netloc, url.path) == ("https", "media.example:9443", f"/{namespace['S3_BUCKET']}/{KEY}")
    assert parse_qs(url.query)["X-Amz-Expires"] == ["7"]
    post, _ = objects.presign_post(KEY, "video/mp4", 1, datetime.now(UTC) + timedelta(minutes=1))
    assert post == f"https://media.example:9443/{namespace['S3_BUCKET']}"
    objects.close()


async def test_upload_form_accepts_exactly_its_key_type_and_size(objects):
    assert (await upload(objects, 10)).status_code in {200, 204}
    assert (await objects.stat(KEY)).size == 10
    assert (await objects.stat(KEY)).content_type == "video/mp4"


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (9, {}),
        (11, {}),
        (10, {"key": "stories/other"}),
        (10, {"Content-Type": "text/html"}),
        (10, {"x-amz-signature": "0" * 64}),
    ],
)
async def test_upload_form_rejects_anything_else(objects, size, changes):
    assert (await upload(objects, size, changes)).status_code in {400, 403}
    assert [each async for each in objects.walk("")] == []


async def test_upload_form_expires(objects):
    assert (await upload(objects, 10, until=timedelta(seconds=-1))).status_code in {400, 403}
    assert await objects.stat(KEY) is None


async def test_unfinished_multipart_uploads_are_aborted(objects):
    begun = objects.calls._create_multipart_upload(objects.bucket, KEY, {})
    objects.calls._upload_part(objects.bucket, KEY, b"x" * 5 * 1024 * 1024, None, begun, 1)
    assert await objects.abort_uploads() == 1
    assert await objects.abort_uploads() == 0


async def test_bucket_is_created_once(objects, namespace):
    await objects.ensure_bucket()
    assert await objects.ready()
    other = objects_of(namespace, bucket=namespace["S3_BUCKET"] + "-none")
    assert not await other.ready()
    other.close()


async def test_a_versioned_bucket_stops_the_start(objects):
    from minio.commonconfig import ENABLED
    from minio.versioningconfig import SUSPENDED, VersioningConfig

    objects.calls.set_bucket_versioning(objects.bucket, VersioningConfig(ENABLED))
    with pytest.raises(ValueError, match=re.escape(f"S3_BUCKET: {objects.bucket} is versioned")):
        await objects.ensure_bucket()
    objects.calls.set_bucket_versioning(objects.bucket, VersioningConfig(SUSPENDED))


async def test_without_a_key_nothing_is_read_or_listed(objects, clip):
    await objects.put_file(KEY, clip, "video/mp4")
    for path in (f"/{KEY}", "", "?list-type=2"):
        assert (await fetch(f"{objects.public_url}{path}")).status_code == 403


async def test_stopped_store_is_unavailable_within_three_seconds(namespace, clip, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        objects = objects_of(namespace, endpoint=f"127.0.0.1:{taken.getsockname()[1]}")
        async with asyncio.timeout(3):
            for attempt in (
                objects.stat(KEY),
                objects.ready(),
                objects.remove(KEY),
                objects.remove(KEY, KEY + "2"),
                objects.put_file(KEY, clip, "video/mp4"),
                objects.get_file(KEY, tmp_path / "back", 1),
                objects.remove_prefix("stories/"),
            ):
                with pytest.raises(Unavailable) as refused:
                    await attempt
                assert refused.value.dependency == "s3"
    objects.close()


async def test_unresponsive_store_is_unavailable_within_three_seconds(namespace):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        objects = objects_of(namespace, endpoint=f"127.0.0.1:{silent.getsockname()[1]}")
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await objects.stat(KEY)
        assert asyncio.get_running_loop().time() - began < 3
    objects.close()


async def test_wrong_secret_makes_the_store_unavailable(namespace, objects):
    stranger = objects_of(namespace, secret_key="wrong" * 8)
    with pytest.raises(Unavailable):
        await stranger.ready()
    stranger.close()


async def test_backstop_keeps_other_rules_and_follows_settings(objects):
    client, bucket = objects.calls, objects.bucket
    theirs = Rule(ENABLED, rule_filter=Filter(prefix="logs/"), rule_id="theirs", expiration=Expiration(days=5))
    client.set_bucket_lifecycle(bucket, LifecycleConfig([theirs]))
    for days in ({"staging/": 2, "stories/": 31}, {"staging/": 2, "stories/": 31}, {"staging/": 3, "stories/": 40}):
        await objects.ensure_backstop(days)
        rules = client.get_bucket_lifecycle(bucket).rules
        found = {rule.rule_id: (rule.rule_filter.prefix, rule.expiration.days) for rule in rules}
        ours = {f"stories-{prefix.strip('/')}": (prefix, count) for prefix, count in days.items()}
        assert found == {"theirs": ("logs/", 5), **ours}


async def test_listing_continues_after_a_key(objects, clip):
    keys = [f"stories/{letter}/media.mp4" for letter in "abcde"]
    for key in [*keys, "other/a"]:
        await objects.put_file(key, clip, "video/mp4")
    first = await objects.page("stories/", "", 2)
    rest = await objects.page("stories/", first[-1].key, 10)
    assert [each.key for each in (*first, *rest)] == keys
    assert (first[0].size, await objects.page("stories/", keys[-1], 10)) == (5000, [])


async def test_cors_exposes_object_headers_to_listed_origins(objects, clip):
    await objects.put_file(KEY, clip, "video/mp4")
    for _ in range(2):  # safe to repeat, and follows its setting
        await objects.ensure_cors(["https://other.example", "https://app.example"])
    url = objects.presign_get(KEY, 60, datetime.now(UTC))

    async def exposed() -> set[str]:
        answer = await fetch(url, Origin="https://app.example", Range="bytes=0-4")
        assert answer.status_code == 206
        return {name.strip().lower() for name in answer.headers.get("access-control-expose-headers", "").split(",")}

    async with asyncio.timeout(20):
        while not {"etag", "content-range", "accept-ranges"} <= (found := await exposed()) and found != {"*"}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
