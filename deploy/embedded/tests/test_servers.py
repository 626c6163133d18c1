"""The real servers support what the services need."""

import asyncio
import io

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from minio import Minio
from pymongo import AsyncMongoClient
from stories_embedded.testing import IsolatedNamespace, Servers

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def mongo(namespace: IsolatedNamespace):
    client = AsyncMongoClient(namespace["MONGO_URL"])
    yield client[namespace["MONGO_DATABASE"]]
    await client.close()


async def test_mongod_logs_no_slow_queries(namespace: IsolatedNamespace) -> None:
    """A logged query contains what it writes, such as captions."""
    async with AsyncMongoClient(namespace["MONGO_URL"]) as client:
        profile = await client["admin"].command({"profile": -1})
    assert profile["slowms"] > 24 * 3600 * 1000


def bucket_of(namespace: IsolatedNamespace) -> Minio:
    client = Minio(namespace["S3_ENDPOINT"], namespace["S3_ACCESS_KEY"], namespace["S3_SECRET_KEY"], secure=False)
    client.make_bucket(namespace["S3_BUCKET"])
    return client


async def publish(namespace: IsolatedNamespace, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=namespace["KAFKA_BOOTSTRAP_SERVERS"], enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(namespace.prefix + topic, value)
    finally:
        await producer.stop()


async def consume(namespace: IsolatedNamespace, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(
        namespace.prefix + topic,
        bootstrap_servers=namespace["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=f"{namespace.prefix}reader",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        return (await asyncio.wait_for(consumer.getone(), 20)).value
    finally:
        await consumer.stop()


async def test_mongod_supports_transactions(mongo) -> None:
    await mongo.create_collection("rows")
    async with mongo.client.start_session() as session, await session.start_transaction():
        await mongo["rows"].insert_one({"_id": 1}, session=session)
    assert await mongo["rows"].count_documents({}) == 1


async def test_kafka_delivers_a_record_to_a_group(namespace: IsolatedNamespace) -> None:
    await namespace.topic("events")
    await publish(namespace, "events", b"hello")
    assert await consume(namespace, "events") == b"hello"


@pytest.mark.objects
async def test_object_store_returns_stored_objects(namespace: IsolatedNamespace) -> None:
    client = bucket_of(namespace)
    client.put_object(namespace["S3_BUCKET"], "a", io.BytesIO(b"bytes"), 5)
    assert client.get_object(namespace["S3_BUCKET"], "a").read() == b"bytes"


async def test_killed_servers_keep_everything_acknowledged(
    servers: Servers, namespace: IsolatedNamespace, mongo
) -> None:
    await namespace.topic("events")
    await publish(namespace, "events", b"kept")
    await mongo["rows"].insert_one({"_id": "kept"})
    client = bucket_of(namespace)
    client.put_object(namespace["S3_BUCKET"], "kept", io.BytesIO(b"bytes"), 5)
    for server in (servers.kafka, servers.mongod, servers.s3):
        servers.kill(server)
        servers.start(server)
    assert await consume(namespace, "events") == b"kept"
    assert await mongo["rows"].find_one({"_id": "kept"})
    assert client.get_object(namespace["S3_BUCKET"], "kept").read() == b"bytes"
