"""Query plans are explained by MongoDB itself, so a missing or unusable index is seen."""

import pytest
from pymongo import IndexModel
from stories_shared.mongo.client import Mongo
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

pytestmark = pytest.mark.servers


@pytest.fixture
async def recorded(namespace):
    """A database with 200 rows of three fields, `a` indexed, and the recorder of its client."""
    recorder = CommandRecorder()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[recorder])
    rows = mongo["rows"]
    await rows.insert_many([{"a": n, "b": n % 7, "c": str(n)} for n in range(200)])
    await rows.create_indexes([IndexModel([("a", 1)], name="a")])
    yield mongo, rows, recorder
    await mongo.close()


async def test_queries_with_an_index_are_not_reported(recorded):
    mongo, rows, recorder = recorded
    await rows.find({"a": {"$gt": 5}}).sort("a", 1).to_list(None)
    await rows.update_one({"a": 3}, {"$set": {"c": "x"}})
    await rows.find_one({"_id": 1})

    assert len(recorder.commands) == 3
    assert await slow_plans(mongo, recorder.commands) == []


async def test_collection_scans_and_sorts_in_memory_are_reported(recorded):
    mongo, rows, recorder = recorded
    await rows.find({"b": 1}).to_list(None)
    await rows.find({"a": {"$gt": 5}}).sort("b", 1).to_list(None)
    await rows.delete_many({"c": "none"})
    await (await rows.aggregate([{"$match": {"a": 1}}, {"$sort": {"b": 1}}])).to_list(None)

    assert [line.split(":")[0] for line in await slow_plans(mongo, recorder.commands)] == [
        "COLLSCAN",
        "SORT",
        "COLLSCAN",
        "SORT",
    ]


async def test_a_partial_index_with_type_in_its_filter_is_unused(recorded):
    mongo, rows, recorder = recorded
    await rows.create_indexes([IndexModel([("b", 1)], name="b", partialFilterExpression={"b": {"$type": "int"}})])
    await rows.find({"b": 1}).to_list(None)

    (line,) = await slow_plans(mongo, recorder.commands)
    assert line.startswith("COLLSCAN")


async def test_same_query_on_two_collections_is_recorded_twice(recorded):
    mongo, rows, recorder = recorded
    for collection in (rows, mongo["others"], rows):
        await collection.find({"a": 3}).to_list(None)

    assert [command["find"] for command in recorder.commands] == ["rows", "others"]
