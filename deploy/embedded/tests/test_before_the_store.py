"""A CDN or proxy in front of the object store, and CORS, as in docs/operations/edge.md."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from stories_embedded import paths
from stories_embedded.ports import free_port
from stories_embedded.processes import spawn, stop
from stories_embedded.s3 import SeaweedFS
from stories_embedded.server import Server, start, wait_until_ready
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_shared.s3.objects import Objects

pytestmark = pytest.mark.servers

ORIGIN = "https://app.example"
CADDYFILE = """
{{
    admin off
    auto_https off
    persist_config off
}}
http://127.0.0.1:{port} {{
    reverse_proxy {store}
}}
"""


@contextmanager
def before(namespace: IsolatedNamespace, folder: Path) -> Iterator[Objects]:
    """The bucket under the public name of a proxy."""
    port = free_port(set())
    caddyfile = folder / "Caddyfile"
    caddyfile.write_text(CADDYFILE.format(port=port, store=namespace["S3_ENDPOINT"]))
    command = [str(paths.script("caddy")), "run", "--config", str(caddyfile), "--adapter", "caddyfile"]
    process = spawn(command, folder / "proxy.log", {**os.environ, "XDG_DATA_HOME": str(folder)})
    try:
        wait_until_ready("proxy", process, lambda: answers(port), folder / "proxy.log", 20)
        yield Objects(
            namespace["S3_ENDPOINT"],
            f"127.0.0.1:{port}",
            namespace["S3_ACCESS_KEY"],
            namespace["S3_SECRET_KEY"],
            namespace["S3_BUCKET"],
        )
    finally:
        stop(process, 2)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code > 0
    except httpx.HTTPError:
        return False


async def test_proxy_that_keeps_host_path_and_query_serves_signed_urls(
    namespace: IsolatedNamespace, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with before(namespace, tmp_path) as objects:
            await objects.ensure_bucket()
            url, fields = objects.presign_post("staging/x", "image/jpeg", 4, datetime.now(UTC) + timedelta(minutes=1))
            sent = await http.post(url, data=fields, files={"file": ("x", b"four", "image/jpeg")})
            assert sent.is_success, sent.text
            signed = objects.presign_get("staging/x", 60, datetime.now(UTC), cache_control="private, max-age=60")
            got = await http.get(signed)
            assert (got.content, got.headers["cache-control"]) == (b"four", "private, max-age=60")
            objects.close()


@pytest.fixture
def store_of_an_app(servers: Servers, tmp_path: Path) -> Iterator[Server]:
    """The object store with one CORS origin."""
    taken: set[int] = set()
    ports = [free_port(taken) for _ in range(4)]
    server = SeaweedFS(tmp_path / "s3", ports[0], ports[1], ports[2], ports[3], servers.keys.s3(), ORIGIN)
    server.prepare()
    log = tmp_path / "s3.log"
    process = start(server, log, os.environ)
    try:
        wait_until_ready("s3", process, server.ready, log, 60)
        yield server
    finally:
        stop(process, 2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_listed_origins_may_upload_and_fetch(store_of_an_app: Server, method: str) -> None:
    def allowed(origin: str) -> str | None:
        preflight = {"Origin": origin, "Access-Control-Request-Method": method}
        answer = httpx.options(f"{store_of_an_app.url}/stories/stories/x", headers=preflight, trust_env=False)
        return answer.headers.get("access-control-allow-origin")

    assert allowed(ORIGIN) == ORIGIN
    assert allowed("https://evil.example") is None
