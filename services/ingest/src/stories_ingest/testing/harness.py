"""Ingest on real servers, for tests: the application in this process, its authors, bucket and topics."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from PIL import Image
from stories_shared.kafka.client import Kafka
from stories_shared.mongo.client import Mongo
from stories_shared.s3.objects import Objects
from stories_shared.testing import eventually, records_of

from stories_ingest.app import SWEEP_EVERY, build_app, init
from stories_ingest.settings import IngestSettings


def photo(width: int = 320, height: int = 480, color: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "JPEG")
    return file.getvalue()


@dataclass
class Author:
    """A user of the HTTP API."""

    http: httpx.AsyncClient
    user_id: str

    async def create(self, media: bytes = b"", content_type: str = "image/jpeg", **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
        request = {"media": {"content_type": content_type, "size": len(media) or 100}, **body}
        return await self.http.post("/v1/stories", json=request, headers=headers)

    async def drafted(self, media: bytes, content_type: str = "image/jpeg", **body: Any) -> dict[str, Any]:
        """A draft whose media is uploaded."""
        answer = await self.create(media, content_type, **body)
        assert answer.status_code == 201, answer.text
        draft: dict[str, Any] = answer.json()
        uploaded = await upload(draft["upload"], media)
        assert uploaded.status_code in (200, 204), uploaded.text
        return draft

    async def publish(self, story_id: str, wait: float = 30) -> httpx.Response:
        return await self.http.post(f"/v1/stories/{story_id}/publish", params={"wait": wait})

    async def post(self, media: bytes | None = None, **body: Any) -> dict[str, Any]:
        """A live story."""
        draft = await self.drafted(media or photo(), **body)
        answer = await self.publish(draft["id"])
        assert answer.status_code == 200, answer.text
        story: dict[str, Any] = answer.json()
        return story

    async def show(self, story_id: str) -> httpx.Response:
        return await self.http.get(f"/v1/me/stories/{story_id}")

    async def quota(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.get("/v1/me/quota")).json()
        return answer


async def upload(form: dict[str, Any], media: bytes) -> httpx.Response:
    """Upload with a presigned form."""
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.request(form["method"], form["url"], data=form["fields"], files={"file": ("f", media)})


@dataclass
class Ingest:
    """A running replica of ingest with clients for its servers."""

    namespace: Any
    settings: IngestSettings
    app: Any
    http: httpx.AsyncClient
    objects: Objects
    mongo: Mongo
    transport: httpx.ASGITransport

    def author(self, user_id: str = "ann", **claims: Any) -> Author:
        token = self.namespace.servers.token(user_id, **claims)
        client = httpx.AsyncClient(
            transport=self.transport,
            base_url="http://ingest",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        return Author(client, user_id)

    async def ready(self) -> bool:
        return (await self.http.get("/readyz")).status_code == 200

    async def keys(self, prefix: str = "") -> list[str]:
        return [found.key async for found in self.objects.walk(prefix)]

    async def records(self, topic: str, key: str | None = None) -> list[Any]:
        """The records of a topic, or of one key, ordered by timestamp."""
        found = sorted(await records_of(Kafka.of(self.settings), topic), key=lambda record: record.timestamp)
        return [record for record in found if key is None or (record.key or b"").decode() == key]

    async def events_of(self, topic: str, story_id: str) -> list[dict[str, Any] | None]:
        """The values of a topic for one story (or user), in order; None for a tombstone."""
        values = [record.value for record in await self.records(topic, story_id)]
        return [msgspec.json.decode(value) if value is not None else None for value in values]

    async def produce(self, topic: str, key: str, value: dict[str, Any] | None, **headers: str) -> None:
        """Produce one record as an external producer."""
        producer = AIOKafkaProducer(bootstrap_servers=self.namespace["KAFKA_BOOTSTRAP_SERVERS"])
        await producer.start()
        try:
            raw = msgspec.json.encode(value) if value is not None else None
            sent = [(name, text.encode()) for name, text in headers.items()]
            await producer.send_and_wait(self.namespace.prefix + topic, raw, key.encode(), headers=sent)
        finally:
            await producer.stop()


def settings_of(namespace: Any, **changed: Any) -> IngestSettings:
    values = {name.lower(): value for name, value in namespace.items()}
    return IngestSettings(**{"limit_create": 10_000, "limit_writes": 10_000, **values, **changed})


@asynccontextmanager
async def running(
    namespace: Any, sweep_every: timedelta = SWEEP_EVERY, *, prepare: bool = True, **changed: Any
) -> AsyncIterator[Ingest]:
    """One replica of ingest; `prepare` creates topics, bucket and indexes first."""
    settings = settings_of(namespace, **changed)
    if prepare:
        await init(settings)
    app = build_app(settings, sweep_every=sweep_every)
    mongo = Mongo.of(settings)
    objects = Objects.of(settings, settings.ca_bundle)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as http,
    ):
        ingest = Ingest(namespace, settings, app, http, objects, mongo, transport)
        try:
            await eventually(ingest.ready, within_s=60)
            yield ingest
        finally:
            objects.close()
            await mongo.close()
