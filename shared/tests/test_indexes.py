"""Indexes of two releases on one database, on both drivers."""

from datetime import UTC, datetime

import pytest
import pytest_asyncio
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, IndexModel
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.indexes import TTL_NEVER

pytestmark = pytest.mark.servers

ENDS = IndexModel([("ends", 1)], name="ends")
CHANGED = [
    IndexModel([("ends", 1), ("author", 1)], name="ends"),
    IndexModel([("ends", -1)], name="ends"),
    IndexModel([("ends", 1)], name="ends", sparse=True),
    IndexModel([("ends", 1)], name="ends", partialFilterExpression={"ends": {"$exists": True}}),
    IndexModel([("ends", 1)], name="ends", unique=True),
]


@pytest_asyncio.fixture(params=["pymongo", "motor"])
async def mongo(request, namespace):
    made = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], request.param)
    yield made
    await made.close()


async def indexes(mongo: Mongo) -> dict[str, dict]:
    """Of the collection, but for that of every `_id`."""
    found = (await mongo.database.command({"listIndexes": "things"}))["cursor"]["firstBatch"]
    return {each["name"]: each for each in found if each["name"] != "_id_"}


async def settle(mongo: Mongo, *wanted: IndexModel) -> None:
    mongo.drop_superseded = True
    await mongo.ensure("things", *wanted)
    mongo.drop_superseded = False


@pytest.mark.parametrize("changed", CHANGED)
async def test_changed_index_is_built_beside_the_old_one_until_settled(mongo, changed):
    await mongo.ensure("things", ENDS)
    for _ in range(2):  # the new release's init, on each of its replicas
        await mongo.ensure("things", changed)
    await mongo.ensure("things", ENDS)  # an old replica starts again meanwhile
    assert set(await indexes(mongo)) == {"ends", "ends.2"}
    await settle(mongo, changed)
    assert list((await indexes(mongo))["ends.2"]["key"].items()) == list(changed.document["key"].items())
    assert set(await indexes(mongo)) == {"ends.2"}


async def test_rollback_after_settling_rebuilds_the_old_index(mongo):
    await settle(mongo, ENDS)
    await settle(mongo, CHANGED[0])
    await mongo.ensure("things", ENDS)
    assert set(await indexes(mongo)) == {"ends", "ends.2"}
    await settle(mongo, ENDS)
    assert set(await indexes(mongo)) == {"ends"}


async def test_third_definition_gets_a_third_name(mongo):
    for wanted in (ENDS, CHANGED[0], CHANGED[1]):
        await mongo.ensure("things", wanted)
    assert set(await indexes(mongo)) == {"ends", "ends.2", "ends.3"}
    await settle(mongo, CHANGED[1])
    assert set(await indexes(mongo)) == {"ends.3"}


@pytest.mark.parametrize(("before", "after"), [(3600, 60), (None, 60), (60, None)])
async def test_changed_ttl_is_changed_in_place(mongo, before, after):
    def kept(seconds):
        return IndexModel([("at", 1)], name="kept", **({"expireAfterSeconds": seconds} if seconds else {}))

    await mongo.ensure("things", kept(before))
    for _ in range(2):
        await mongo.ensure("things", kept(after))
    (index,) = (await indexes(mongo)).values()
    assert index["expireAfterSeconds"] == (after or TTL_NEVER)
    await settle(mongo, kept(after))
    assert set(await indexes(mongo)) == {"kept"}


async def test_equal_index_under_another_name_is_reused(mongo):
    await mongo["things"].create_index([("ends", 1)])  # as MongoDB names it
    await mongo.ensure("things", ENDS)
    assert set(await indexes(mongo)) == {"ends_1"}


async def test_indexes_of_the_operator_are_kept(mongo):
    await mongo["things"].create_index([("author", 1)], name="by_hand")
    await mongo["things"].create_index([("author", 1), ("ends", 1)], name="ends_of_author")
    await settle(mongo, ENDS, *CHANGED[:0])
    assert set(await indexes(mongo)) == {"by_hand", "ends_of_author", "ends"}


async def test_index_without_an_explicit_name_is_rejected(mongo):
    with pytest.raises(ValueError, match="things: give the index ends_1 a name"):
        await mongo.ensure("things", IndexModel([("ends", 1)]))


@pytest.mark.parametrize("kind", [AsyncMongoClient, AsyncIOMotorClient])
async def test_index_build_beyond_the_socket_timeout_is_awaited(namespace, kind):
    patient = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"])
    rows = [{"ends": datetime(2026, 1, 1, tzinfo=UTC), "n": n, "text": f"{n:0200}"} for n in range(20_000)]
    for _ in range(5):
        await patient["things"].insert_many([dict(row) for row in rows])
    hasty = Mongo(kind(namespace["MONGO_URL"], socketTimeoutMS=40), namespace["MONGO_DATABASE"])
    try:
        await hasty.ensure("things", IndexModel([("text", 1), ("n", 1), ("ends", 1)], name="long"))
        assert set(await indexes(patient)) == {"long"}
    finally:
        await hasty.close()
        await patient.close()
