"""Servers whose certificate an authority of one's own has signed: S3, the JWKS URL, MongoDB and Kafka."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from pymongo.errors import PyMongoError
from stories_shared.auth.jwks import keys_from
from stories_shared.clock import system_now
from stories_shared.errors import Unavailable
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.topics import Topics, missing_topics
from stories_shared.mongo.client import Mongo
from stories_shared.s3.objects import Objects
from stories_shared.testing.authority import Authority
from stories_shared.testing.signed_store import signed_store
from stories_shared.tls import refused_certificate


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def another(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "another")


@pytest.fixture
def bundle(ours: Authority, another: Authority, monkeypatch) -> str:
    """CA_BUNDLE, on a machine whose system trusts another authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(another.pem))
    return str(ours.pem)


async def stat(authority: Authority, ca_bundle: str | None) -> None:
    with signed_store(authority.server, region="eu-west-1") as store:
        account = store.access_key, store.secret_key
        objects = Objects(store.address, None, *account, "stories", region=store.region, ca_bundle=ca_bundle)
        try:
            assert await objects.stat("none") is None
        finally:
            objects.close()


async def test_store_with_a_certificate_of_the_bundle_is_trusted(ours, another, bundle):
    with pytest.raises(Unavailable):
        await stat(ours, None)
    await stat(ours, bundle)
    await stat(another, bundle)


class KeySetHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, A.2
        body = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


async def fetch_keys(authority: Authority, ca_bundle: str | None) -> bool:
    server = ThreadingHTTPServer(("127.0.0.1", 0), KeySetHandler)
    server.socket = authority.server.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        keys = keys_from(f"https://localhost:{server.server_port}/", system_now, ca_bundle)
        return (await keys.current()).knows("a")
    finally:
        server.shutdown()
        server.server_close()


async def test_jwks_url_with_a_certificate_of_the_bundle_is_trusted(ours, another, bundle):
    with pytest.raises(Unavailable):
        await fetch_keys(ours, None)
    assert await fetch_keys(ours, bundle)
    assert await fetch_keys(another, bundle)


@asynccontextmanager
async def over_tls(authority: Authority, url: str):
    """The database behind TLS."""
    location = urlsplit(url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection(location.hostname, location.port)
        await asyncio.gather(pump(reader, behind), pump(behind_reader, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=authority.server)
    try:
        yield f"mongodb://localhost:{server.sockets[0].getsockname()[1]}/?directConnection=true&tls=true"
    finally:
        server.close()


async def ping(authority: Authority, url: str, driver: str, ca_bundle: str | None) -> None:
    async with over_tls(authority, url) as behind:
        mongo = Mongo.connect(behind, "trust", driver, ca_bundle=ca_bundle)
        try:
            assert (await mongo.database.command("ping"))["ok"] == 1
        finally:
            await mongo.close()


@pytest.mark.servers
@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_database_with_a_certificate_of_the_bundle_is_trusted(servers, ours, another, bundle, driver):
    with pytest.raises(PyMongoError):
        await ping(ours, servers.mongo_url, driver, None)
    await ping(ours, servers.mongo_url, driver, bundle)
    await ping(another, servers.mongo_url, driver, bundle)


@pytest.mark.servers
async def test_database_without_tls_needs_no_bundle(servers, bundle):
    mongo = Mongo.connect(servers.mongo_url, "trust", ca_bundle=bundle)
    assert (await mongo.database.command("ping"))["ok"] == 1
    await mongo.close()


async def test_error_says_why_a_certificate_of_mongodb_is_refused(ours, another, bundle):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=ours.server)
    url = f"mongodb://localhost:{server.sockets[0].getsockname()[1]}/?directConnection=true&tls=true"
    mongo = Mongo.connect(url, "trust")
    try:
        with pytest.raises(PyMongoError) as refused:
            await mongo.check_access()
    finally:
        await mongo.close()
        server.close()
    assert refused_certificate(refused.value).startswith("certificate verify failed: ")
    assert refused_certificate(PyMongoError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF (_ssl.c:1006)")) is None


async def test_error_says_why_a_certificate_of_kafka_is_refused(ours, another):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=ours.server)
    address = f"localhost:{server.sockets[0].getsockname()[1]}"
    kafka = Kafka(address, protocol="SSL", context=ssl.create_default_context(cafile=str(another.pem)))
    with pytest.raises(Unavailable) as refused:
        await missing_topics(kafka, Topics([]))
    server.close()
    assert refused_certificate(refused.value).startswith("certificate verify failed: ")
