"""The MongoDB seam, on both drivers."""

import asyncio
import gc
import subprocess
import sys

import pytest
import pytest_asyncio
from pymongo import IndexModel
from pymongo.errors import AutoReconnect, PyMongoError
from stories_shared.errors import MONGODB, failed_dependency
from stories_shared.mongo import data_loader
from stories_shared.mongo.client import Mongo, _cond_wait_same_task
from stories_shared.mongo.data_loader import DataLoader
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture(params=["pymongo", "motor"])
async def mongo(request, namespace):
    made = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], request.param)
    yield made
    await made.close()


async def test_ensuring_a_collection_is_idempotent(mongo):
    for _ in range(2):
        await mongo.ensure(
            "things",
            IndexModel("name", name="by_name"),
            clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by_id"},
        )
    await mongo["things"].insert_one({"_id": 1, "name": "a"})


async def test_a_transaction_is_all_or_nothing(mongo):
    await mongo.ensure("things")

    async def fail(session) -> None:
        await mongo["things"].insert_one({"_id": 1}, session=session)
        raise KeyError("no")

    with pytest.raises(KeyError):
        await mongo.transaction(fail)
    assert await mongo["things"].count_documents({}) == 0


async def test_conflicting_transactions_are_retried_until_all_commit(mongo):
    await mongo.ensure("things")
    await mongo["things"].insert_one({"_id": 1, "n": 0})

    async def count(session) -> None:
        found = await mongo["things"].find_one({"_id": 1}, session=session)
        await mongo["things"].update_one({"_id": 1}, {"$set": {"n": found["n"] + 1}}, session=session)

    await asyncio.gather(*(mongo.transaction(count) for _ in range(8)))
    assert (await mongo["things"].find_one({"_id": 1}))["n"] == 8


HOLD = """
import sys
from pymongo import MongoClient
client = MongoClient(sys.argv[1])
session = client.start_session()
session.start_transaction()
client[sys.argv[2]]["numbers"].update_one({"_id": "held"}, {"$inc": {"n": 1}}, session=session)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.nightly
async def test_transaction_of_a_killed_process_soon_locks_nothing(mongo, namespace):
    await mongo["numbers"].insert_one({"_id": "held", "n": 0})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        namespace["MONGO_URL"],
        namespace["MONGO_DATABASE"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    await process.stdout.readline()
    process.kill()
    await process.wait()

    async def written():
        try:
            return await mongo.transaction(
                lambda session: mongo["numbers"].update_one({"_id": "held"}, {"$inc": {"n": 1}}, session=session)
            )
        except PyMongoError:
            return None

    await eventually(written, 25)
    assert (await mongo["numbers"].find_one({"_id": "held"}))["n"] == 1


async def test_concurrent_point_reads_share_a_query(mongo):
    await mongo["things"].insert_many([{"_id": n, "n": n} for n in range(50)])
    loader = DataLoader(mongo["things"])
    found = await asyncio.gather(*(loader.get(n % 60) for n in range(120)))
    assert [row and row["n"] for row in found] == [n % 60 if n % 60 < 50 else None for n in range(120)]


async def test_abandoned_point_reads_log_nothing_on_failure():
    nowhere = Mongo.connect("mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=300", "x")
    loop, complaints = asyncio.get_running_loop(), []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        loader = DataLoader(nowhere["things"])
        for impatient in (loader.get(1), loader.get_many([2, 3])):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(impatient, 0.05)
        with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
            await loader.get(4)  # whose failure comes after theirs
        del impatient
        gc.collect()
        assert not complaints
    finally:
        loop.set_exception_handler(before)
        await nowhere.close()


async def test_aggregation_returns_all_results(mongo):
    await mongo["things"].insert_many([{"_id": n, "n": n % 2} for n in range(10)])
    rows = await mongo.aggregate(mongo["things"], [{"$group": {"_id": "$n", "count": {"$sum": 1}}}])
    assert sorted((row["_id"], row["count"]) for row in rows) == [(0, 5), (1, 5)]


async def test_the_clocks_of_one_machine_agree(mongo):
    assert abs(await mongo.skew_seconds()) < 2


async def test_missing_server_is_a_failed_dependency():
    nowhere = Mongo.connect("mongodb://127.0.0.1:1/?directConnection=true", "x")
    try:
        with pytest.raises(Exception, match=r"127\.0\.0\.1:1") as caught:
            await nowhere["things"].find_one({})
        assert failed_dependency(caught.value) == MONGODB
    finally:
        await nowhere.close()


async def test_condition_wait_cancelled_at_its_timeout_holds_its_lock():
    condition = asyncio.Condition()

    async def wait() -> None:
        async with condition:
            await _cond_wait_same_task(condition, 0.01)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    async with condition:
        await asyncio.sleep(0.05)  # its time is over, and it waits to take the lock back
        waiting.cancel()
        await asyncio.sleep(0.01)
        assert not waiting.done()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not condition.locked()


async def test_condition_wait_returns_whether_it_was_notified():
    condition = asyncio.Condition()
    async with condition:
        assert not await _cond_wait_same_task(condition, 0.01)


async def test_point_reads_wait_only_after_a_query_that_several_shared(monkeypatch):
    monkeypatch.setattr(data_loader, "INTERVAL_PER_CALLER_S", 0.2)
    monkeypatch.setattr(data_loader, "MAX_INTERVAL_S", 0.2)
    queries = []

    class Counting:
        """A collection that answers at once."""

        def find(self, query, projection, batch_size):
            queries.append(query["_id"]["$in"])
            return self

        async def to_list(self, _):
            return []

    async def one_after_the_other():
        for number in range(3):
            late = asyncio.create_task(loader.get(number))
            await asyncio.sleep(0.01)
            yield late

    loader = DataLoader(Counting())
    alone = [task async for task in one_after_the_other()]
    await asyncio.gather(*alone)
    assert queries == [[0], [1], [2]]
    await asyncio.gather(loader.get(3), loader.get(4))
    together = [task async for task in one_after_the_other()]
    await asyncio.gather(*together)
    assert sorted(queries[-1]) == [0, 1, 2]


async def test_point_reads_fail_when_the_driver_cancels_their_query():
    class Closed:
        """A collection whose connection is closed while it is read."""

        def find(self, query, projection, batch_size):
            return self

        async def to_list(self, _):
            raise asyncio.CancelledError

    with pytest.raises(AutoReconnect):
        await asyncio.wait_for(DataLoader(Closed()).get(1), 5)


async def test_point_reads_are_batched_while_a_query_runs():
    queries = []

    class Slow:
        """A collection that answers on command."""

        def find(self, query, projection, batch_size):
            ids = query["_id"]["$in"]
            queries.append((ids, asyncio.get_running_loop().create_future()))
            return self

        async def to_list(self, _):
            ids, answered = queries[-1]
            await answered
            return [{"_id": each} for each in ids]

    loader = DataLoader(Slow())
    first = asyncio.create_task(loader.get(1))
    await eventually(lambda: len(queries) == 1)
    rest = [asyncio.create_task(loader.get(number)) for number in range(2, 6)]
    await asyncio.sleep(0)
    assert len(queries) == 1
    rest[0].cancel()
    queries[0][1].set_result(None)
    assert await first == {"_id": 1}
    await eventually(lambda: len(queries) == 2)
    assert sorted(queries[1][0]) == [2, 3, 4, 5]
    queries[1][1].set_result(None)
    assert [each["_id"] for each in await asyncio.gather(*rest[1:])] == [3, 4, 5]

    stuck = asyncio.create_task(loader.get(6))
    await eventually(lambda: len(queries) == 3)
    late = asyncio.create_task(loader.get(7))
    await eventually(lambda: len(queries) == 4)
    queries[3][1].set_result(None)
    assert await late == {"_id": 7}
    assert not stuck.done()
    queries[2][1].set_result(None)
    await stuck
