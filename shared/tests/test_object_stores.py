"""Stores that check the region, accounts that the platform issues, and authorities of one's own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from stories_shared.errors import Unavailable
from stories_shared.s3.objects import Objects
from stories_shared.testing import eventually
from stories_shared.testing.signed_store import signed_store

KEY = "stories/a/media.mp4"
ALSO_ELSEWHERE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def objects_of(store, **changed) -> Objects:
    given = {"access_key": store.access_key, "secret_key": store.secret_key, "region": store.region}
    return Objects(store.address, None, bucket="stories", **(given | changed))


async def everything(objects: Objects, folder) -> None:
    """Every kind of request and URL."""
    (folder / "clip").write_bytes(b"clip")
    assert await objects.ready()
    await objects.put_file(KEY, folder / "clip", "video/mp4")
    assert (await objects.stat(KEY)).size == 4
    assert (await objects.get_file(KEY, folder / "back", 4)).size == 4
    now = datetime.now(UTC)
    async with httpx.AsyncClient() as client:
        shown = await client.get(objects.presign_get(KEY, 60, now, cache_control="private"))
        assert (shown.status_code, shown.content) == (200, b"clip"), shown.text
        url, fields = objects.presign_post("stories/b", "video/mp4", 4, now + timedelta(minutes=1))
        posted = await client.post(url, data=fields, files={"file": ("f", b"clip")})
        assert posted.status_code == 204, posted.text
    await objects.remove(KEY)


async def test_requests_and_urls_are_signed_for_the_region(tmp_path):
    with signed_store(region="eu-central-1") as store:
        objects = objects_of(store)
        await everything(objects, tmp_path)
        assert store.regions_asked == {"eu-central-1"}
        objects.close()


async def test_store_of_another_region_is_unavailable():
    with signed_store(region="eu-central-1") as store:
        objects = objects_of(store, region="us-east-1")
        with pytest.raises(Unavailable):
            await objects.stat(KEY)
        objects.close()


@pytest.mark.parametrize("endpoint", ["s3.eu-central-1.amazonaws.com", "s3.amazonaws.com"])
def test_urls_on_amazon_are_on_the_region_s_own_host(endpoint):
    objects = Objects(endpoint, None, "account", "secret", "stories", True, region="eu-central-1")
    url = objects.presign_get(KEY, 60, datetime.now(UTC))
    assert url.startswith(f"https://stories.s3.eu-central-1.amazonaws.com/{KEY}?")
    assert "eu-central-1%2Fs3" in url
    assert objects.public_url == "https://stories.s3.eu-central-1.amazonaws.com"
    objects.close()


@contextmanager
def container_endpoint(answers: list[dict[str, str]]) -> Iterator[str]:
    """What a platform has beside a container: an address that issues credentials, the last ones again and again."""

    class Issuing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/credentials"
    server.shutdown()
    server.server_close()


def issued(until: datetime, key: str = "issued") -> dict[str, str]:
    return {
        "AccessKeyId": key,
        "SecretAccessKey": "issued secret",
        "Token": "a+session/token==",
        "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@pytest.fixture
def platform(monkeypatch):
    """An environment that names no account."""
    for name in ALSO_ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_credentials_come_from_the_environment(platform, tmp_path):
    platform.setenv("AWS_ACCESS_KEY_ID", "given")
    platform.setenv("AWS_SECRET_ACCESS_KEY", "given secret")
    with signed_store(region="eu-west-1", access_key="given", secret_key="given secret") as store:
        objects = objects_of(store, access_key=None, secret_key=None)
        await everything(objects, tmp_path)
        objects.close()


async def test_credentials_are_issued_by_the_container_s_endpoint(platform, tmp_path):
    account = {"access_key": "issued", "secret_key": "issued secret", "session_token": "a+session/token=="}
    with (
        container_endpoint([issued(datetime.now(UTC) + timedelta(hours=1))]) as endpoint,
        signed_store(region="eu-west-1", **account) as store,
    ):
        platform.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint)
        objects = objects_of(store, access_key=None, secret_key=None)
        await everything(objects, tmp_path)
        objects.close()


async def test_issued_credentials_are_renewed_before_they_expire(platform, monkeypatch):
    monkeypatch.setattr("stories_shared.s3.credentials.MIN_RENEW_INTERVAL_S", 0.0)
    now = datetime.now(UTC)
    answers = [issued(now + timedelta(minutes=5), "first"), issued(now + timedelta(hours=1), "second")]
    with container_endpoint(answers) as endpoint, signed_store(region="eu-west-1") as store:
        platform.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint)
        objects = objects_of(store, access_key=None, secret_key=None)
        with pytest.raises(Unavailable):
            objects.presign_get(KEY, 60, now)
        await eventually(lambda: signed_by(objects, "first", now), within_s=20)
        await eventually(lambda: signed_by(objects, "second", now), within_s=20)
        objects.close()


def signed_by(objects: Objects, key: str, now: datetime) -> bool:
    try:
        return f"X-Amz-Credential={key}%2F" in objects.presign_get(KEY, 60, now)
    except Unavailable:
        return False


async def test_missing_credentials_make_the_store_unavailable(platform):
    with signed_store(region="eu-west-1") as store:
        platform.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
        objects = objects_of(store, access_key=None, secret_key=None)
        with pytest.raises(Unavailable):
            await objects.stat(KEY)
        objects.close()
