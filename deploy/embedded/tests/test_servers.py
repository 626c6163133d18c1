"""The real servers support what the services need."""

import asyncio
import io

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from minio import Minio
from pymongo import AsyncMongoClient
from stories_embedded.testing import Realm, Servers

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def mongo(realm: Realm):
    client = AsyncMongoClient(realm["MONGO_URL"])
    yield client[realm["MONGO_DATABASE"]]
    await client.close()


async def test_mongod_logs_no_slow_queries(realm: Realm) -> None:
    """A logged query contains what it writes, such as captions."""
    async with AsyncMongoClient(realm["MONGO_URL"]) as client:
        profile = await client["admin"].command({"profile": -1})
    assert profile["slowms"] > 24 * 3600 * 1000


def bucket_of(realm: Realm) -> Minio:
    client = Minio(realm["S3_ENDPOINT"], realm["S3_ACCESS_KEY"], realm["S3_SECRET_KEY"], secure=False)
    client.make_bucket(realm["S3_BUCKET"])
    return client


async def publish(realm: Realm, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=realm["KAFKA_BOOTSTRAP_SERVERS"], enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(realm.prefix + topic, value)
    finally:
        await producer.stop()


async def consume(realm: Realm, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(
        realm.prefix + topic,
        bootstrap_servers=realm["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=f"{realm.prefix}reader",
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


async def test_kafka_delivers_a_record_to_a_group(realm: Realm) -> None:
    await realm.topic("events")
    await publish(realm, "events", b"hello")
    assert await consume(realm, "events") == b"hello"


@pytest.mark.objects
async def test_object_store_returns_stored_objects(realm: Realm) -> None:
    client = bucket_of(realm)
    client.put_object(realm["S3_BUCKET"], "a", io.BytesIO(b"bytes"), 5)
    assert client.get_object(realm["S3_BUCKET"], "a").read() == b"bytes"


async def test_killed_servers_keep_everything_acknowledged(servers: Servers, realm: Realm, mongo) -> None:
    await realm.topic("events")
    await publish(realm, "events", b"kept")
    await mongo["rows"].insert_one({"_id": "kept"})
    client = bucket_of(realm)
    client.put_object(realm["S3_BUCKET"], "kept", io.BytesIO(b"bytes"), 5)
    for server in (servers.kafka, servers.mongod, servers.s3):
        servers.kill(server)
        servers.start(server)
    assert await consume(realm, "events") == b"kept"
    assert await mongo["rows"].find_one({"_id": "kept"})
    assert client.get_object(realm["S3_BUCKET"], "kept").read() == b"bytes"
