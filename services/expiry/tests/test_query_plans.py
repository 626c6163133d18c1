"""Every query of expiry's stores has an index, on collections with data."""

from datetime import timedelta

import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_expiry import store
from stories_expiry.domain.accounts import SERVICES, ErasureRequest, ServiceConfirmation
from stories_expiry.domain.endings import STORES, Deletion, ErasureConfirmation
from stories_expiry.domain.timers import Timer
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.testing import FakeClock
from stories_shared.testing.query_plans import ANY_DATE, CommandRecorder, slow_plans

pytestmark = pytest.mark.servers
KEPT = timedelta(days=90)
MANY = 300


async def fill(
    stories: store.MongoStories, accounts: store.MongoAccounts, clock: FakeClock
) -> tuple[list[str], list[str]]:
    """Live stories, open receipts that back off or not, complete ones, and the same of accounts."""
    timers = [Timer(new_id(), f"user{n % 9}", clock(), clock() + timedelta(seconds=n + 1)) for n in range(3 * MANY)]
    ids = [timer.story_id for timer in timers]
    await stories.arm(timers)
    clock.forward(seconds=MANY)
    await stories.fire(ids[:MANY], clock())
    for n, story_id in enumerate(ids[MANY : MANY + 50]):
        await stories.delete([Deletion(story_id, "ann", clock(), "author", new_id())], clock())
        await stories.accept([ErasureConfirmation(story_id, name, clock()) for name in STORES[: n % 4]], clock())
    requests = [ErasureRequest(new_id(), f"user{n}", clock(), new_id()) for n in range(50)]
    for n, erasure in enumerate(requests):
        await accounts.open_receipt(erasure, clock(), published=bool(n % 2))
        for service in SERVICES[: n % 5]:
            await accounts.accept(ServiceConfirmation(erasure.receipt_id, erasure.user_id, service, clock()), clock())
    for seconds in (15, 30, 60):
        clock.forward(seconds=seconds)
        await stories.mark_for_resend(clock(), MANY - 50)
        await accounts.mark_for_resend(clock(), 40)
    return ids, [erasure.receipt_id for erasure in requests]


async def test_every_query_has_an_index(namespace: IsolatedNamespace, clock: FakeClock) -> None:
    recorder = CommandRecorder()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[recorder])
    await store.ensure(mongo)
    stories, accounts, replicas = (
        store.MongoStories(mongo, KEPT),
        store.MongoAccounts(mongo, KEPT),
        store.MongoReplicas(mongo),
    )
    ids, _ = await fill(stories, accounts, clock)
    await stories.arm([Timer(ids[-1], "ann", clock(), clock() + timedelta(days=1), revision=2)])
    assert await stories.due(clock() - timedelta(days=1), clock() + timedelta(days=1), 10)
    await stories.fire(ids[-5:], clock.forward(days=1))
    assert await stories.hasten(clock(), 10, "feed") == 10
    assert await stories.hasten(clock(), 10) == 10
    assert await accounts.hasten(clock(), 1, "feed") == 1
    assert await accounts.hasten(clock(), 1) == 1
    await stories.forget_author("user1", clock(), clock())
    assert await stories.receipt(ids[0])
    assert (await stories.audit(clock())).open["media"]
    assert (await stories.count_timers(clock())).overdue
    assert await accounts.latest("user1")
    for _ in range(30):
        await replicas.heartbeat(new_id(), clock.forward(seconds=1))
    assert await slow_plans(mongo, recorder.commands) == []
    query = {"_id": {"$in": [ids[-1], ids[-MANY], ids[0]]}, "due": {"$lte": clock()}}
    for filter_ in (query, {"_id": query["_id"]}, {"_id": query["_id"], "due": {"$exists": True}}):
        find = {"explain": {"find": "stories", "filter": filter_}, "verbosity": "executionStats"}
        stats = (await mongo.database.command(find, codec_options=ANY_DATE))["executionStats"]
        assert stats["totalDocsExamined"] <= 3, filter_
    await mongo.close()
