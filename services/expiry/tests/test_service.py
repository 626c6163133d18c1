"""The whole service on real servers, through Kafka and HTTP."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition
from fastapi import FastAPI
from stories_embedded.testing import IsolatedNamespace
from stories_expiry.app import build_app, init
from stories_expiry.domain.endings import Deletion
from stories_expiry.settings import ExpirySettings
from stories_expiry.store.stories import MongoStories
from stories_expiry.testing import story_posted
from stories_expiry.usecases.timers import Timer
from stories_shared.clock import rfc3339, system_now, truncate_to_ms
from stories_shared.events import (
    EVENTS,
    Event,
    StoryDeleted,
    StoryErased,
    StoryExpired,
    UserDataErased,
    UserErased,
)
from stories_shared.events.cloudevents import ReceivedEvent, decode_record
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.topics import Topics, ensure_topics
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually
from stories_shared.timeouts import abandon

pytestmark = pytest.mark.servers
STORES = ("media", "feed", "engagement")


class Harness:
    """A publisher, a consumer of every topic, and replicas of expiry."""

    def __init__(self, namespace: IsolatedNamespace, settings: ExpirySettings, publisher: Publisher) -> None:
        self.namespace = namespace
        self.settings = settings
        self.publisher = publisher
        self.records: list[ReceivedEvent[Any]] = []

    async def publish(self, *events: Event, event_id: str | None = None) -> None:
        for event in events:
            await self.publisher.publish(event, event_id=event_id)

    def events(self, event: type[Event]) -> list[ReceivedEvent[Any]]:
        """Every record of a topic so far."""
        return [record for record in self.records if isinstance(record.event, event)]

    async def consume(self) -> None:
        """Consume every topic from its beginning, until cancelled."""
        kafka = self.publisher.kafka
        reader = kafka.reader()
        await reader.start()
        try:
            parts = [TopicPartition(kafka.topic(topic), number) for topic in EVENTS for number in range(3)]
            reader.assign(parts)
            await reader.seek_to_beginning(*parts)
            while True:
                for partition, records in (await reader.getmany(timeout_ms=50)).items():
                    event = EVENTS[kafka.plain(partition.topic)]
                    self.records.extend(decode_record(record, event) for record in records)
        finally:
            await reader.stop()

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[httpx.AsyncClient]:
        """Run a replica; yield a client once it is ready."""
        app: FastAPI = build_app(self.settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://expiry") as client:
                await eventually(lambda: ready(client), within_s=60)
                yield client

    def as_user(self, user: str, *roles: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.namespace.servers.token(user, roles=roles)}"}


async def ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@pytest.fixture
async def expiry(namespace: IsolatedNamespace) -> AsyncIterator[Harness]:
    settings = load(ExpirySettings, {name.lower(): value for name, value in namespace.items()})
    kafka = Kafka.of(settings)
    await init(settings)
    await ensure_topics(kafka, Topics.for_settings(settings), 3, 1)
    publisher = Publisher(kafka, "ingest", system_now)
    await publisher.start()
    harness = Harness(namespace, settings, publisher)
    consuming = asyncio.create_task(harness.consume())
    yield harness
    abandon(consuming)  # aiokafka may swallow the cancellation
    await publisher.stop()


async def receipt_of(client: httpx.AsyncClient, story_id: str, headers: dict[str, str]) -> dict[str, Any] | None:
    answer = await client.get(f"/v1/stories/{story_id}/receipt", headers=headers)
    return answer.json() if answer.status_code == 200 else None


async def test_story_expires_on_time_and_its_receipt_completes(expiry: Harness) -> None:
    async with expiry.replica() as client:
        story = story_posted(truncate_to_ms(system_now()), lives=timedelta(seconds=2))
        await expiry.publish(story, story)
        assert await receipt_of(client, story.story_id, expiry.as_user("ann")) is None
        (record,) = await eventually(lambda: expiry.events(StoryExpired))
        assert record.source == "/stories/expiry"
        assert record.event.author_id == "ann"
        assert story.expires_at <= record.event.expired_at < story.expires_at + timedelta(milliseconds=500)
        receipt = await receipt_of(client, story.story_id, expiry.as_user("ann"))
        assert receipt is not None
        assert (receipt["ended"], receipt["ended_at"]) == ("expired", rfc3339(story.expires_at))
        assert receipt["erased"] == {"media": None, "feed": None, "engagement": None}
        for store in STORES:
            answer = StoryErased(story_id=story.story_id, store=store, erased_at=system_now())  # type: ignore[arg-type]
            await expiry.publish(answer, answer)
        complete = await eventually(lambda: complete_receipt(client, story.story_id, expiry))
        assert complete["log_clears_by"] > complete["completed_at"] > complete["ended_at"]
        assert complete["held"] is None
        assert await receipt_of(client, story.story_id, expiry.as_user("eve")) is None
        assert await receipt_of(client, story.story_id, expiry.as_user("root", "admin")) == complete


async def complete_receipt(client: httpx.AsyncClient, story_id: str, expiry: Harness) -> dict[str, Any] | None:
    receipt = await receipt_of(client, story_id, expiry.as_user("ann"))
    return receipt if receipt and receipt["complete"] else None


async def test_deleted_story_never_expires_and_replays_change_nothing(expiry: Harness) -> None:
    async with expiry.replica() as client:
        story = story_posted(truncate_to_ms(system_now()), lives=timedelta(seconds=3))
        deleted = StoryDeleted(
            story_id=story.story_id, author_id="ann", deleted_at=truncate_to_ms(system_now()), by="author"
        )
        answers = [StoryErased(story_id=story.story_id, store=s, erased_at=system_now()) for s in STORES]  # type: ignore[arg-type]
        await expiry.publish(story, deleted, *answers)
        before = await eventually(lambda: complete_receipt(client, story.story_id, expiry))
        assert before["ended"] == "deleted"
        await expiry.publish(story, deleted, *answers)
        other = story_posted(truncate_to_ms(system_now()), lives=timedelta(seconds=3))
        await expiry.publish(other)
        await eventually(lambda: expiry.events(StoryExpired))
        assert {record.event.story_id for record in expiry.events(StoryExpired)} == {other.story_id}
        assert await receipt_of(client, story.story_id, expiry.as_user("ann")) == before


async def test_remaining_replica_ends_the_share_of_a_stopped_one(expiry: Harness) -> None:
    lives = timedelta(seconds=8)
    stories = [story_posted(truncate_to_ms(system_now()), lives=lives) for _ in range(40)]
    async with AsyncExitStack() as stack:
        survivor = await stack.enter_async_context(expiry.replica())
        async with expiry.replica() as stopped:
            await asyncio.gather(*(expiry.publish(story) for story in stories))
            await eventually(lambda: all_handled(40, survivor, stopped))
        records = await eventually(lambda: at_least(expiry, StoryExpired, 40), within_s=25)
    published_ids = {(record.event.story_id, record.id) for record in records}
    assert {story_id for story_id, _ in published_ids} == {story.story_id for story in stories}
    assert len(published_ids) == len(stories)
    ends = {story.story_id: story.expires_at for story in stories}
    assert max(record.event.expired_at - ends[record.event.story_id] for record in records) < timedelta(seconds=4)


async def all_handled(number: int, *clients: httpx.AsyncClient) -> bool:
    pages = [(await client.get("/metrics")).text for client in clients]
    lines = [line for page in pages for line in page.splitlines() if line.startswith("stories_event_age_seconds_count")]
    return sum(float(line.split()[-1]) for line in lines if "story-posted" in line) >= number


def at_least(expiry: Harness, event: type[Event], number: int) -> list[ReceivedEvent[Any]]:
    records = expiry.events(event)
    return records if len({record.event.key for record in records}) >= number else []


async def test_stories_expired_during_an_outage_end_after_it(expiry: Harness) -> None:
    stories = [
        story_posted(truncate_to_ms(system_now()) - timedelta(hours=1), lives=timedelta(minutes=5)) for _ in range(30)
    ]
    await expiry.publish(*stories)
    async with expiry.replica():
        records = await eventually(lambda: at_least(expiry, StoryExpired, 30))
    assert len(records) == 30


async def test_overdue_stories_end_soon_after_start(expiry: Harness) -> None:
    mongo = Mongo.connect(expiry.namespace["MONGO_URL"], expiry.namespace["MONGO_DATABASE"])
    due = truncate_to_ms(system_now()) - timedelta(seconds=30)
    timers = [Timer(new_id(), "ann", due - timedelta(hours=1), due, 1) for _ in range(10)]
    await MongoStories(mongo, timedelta(days=90)).arm(timers)
    await mongo.close()
    async with expiry.replica():
        records = await eventually(lambda: at_least(expiry, StoryExpired, 10), within_s=8)
    assert {record.event.story_id for record in records} == {timer.story_id for timer in timers}


async def test_unconfirmed_ending_is_republished_with_the_same_id(
    expiry: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stories_expiry.store.update_pipelines.FIRST_RESEND_DELAY", timedelta(seconds=0.5))
    async with expiry.replica() as client:
        event_id = new_id()
        deleted = StoryDeleted(story_id=new_id(), author_id="ann", deleted_at=truncate_to_ms(system_now()), by="author")
        await expiry.publish(deleted, event_id=event_id)
        expired = story_posted(truncate_to_ms(system_now()) - timedelta(hours=2), lives=timedelta(hours=1))
        await expiry.publish(expired)
        first, second = (await eventually(lambda: twice(expiry, StoryDeleted)))[:2]
        assert first.event == second.event == deleted
        assert first.id == second.id == event_id
        first, second = (await eventually(lambda: twice(expiry, StoryExpired)))[:2]
        assert (first.event, first.id) == (second.event, second.id)
        audit = (await client.get("/v1/admin/erasure", headers=expiry.as_user("root", "admin"))).json()
        assert audit["open"] == {"media": 2, "feed": 2, "engagement": 2}
        assert audit["oldest_s"] >= 3600


async def backed_off(expiry: Harness, number: int) -> list[str]:
    """Insert unconfirmed endings whose next resend is minutes away."""
    mongo = Mongo.connect(expiry.namespace["MONGO_URL"], expiry.namespace["MONGO_DATABASE"])
    stories, now = MongoStories(mongo, timedelta(days=90)), truncate_to_ms(system_now())
    ids = [new_id() for _ in range(number)]
    for story_id in ids:
        await stories.delete([Deletion(story_id, "ann", now, "author", new_id())], now)
    later = {"send_count": 6, "backing_off": True, "resend_at": now + timedelta(minutes=8)}
    await stories.collection.update_many({"_id": {"$in": ids}}, {"$set": later})
    await mongo.close()
    return ids


async def begun(expiry: Harness) -> list[str]:
    """Wait until the first republication of a replica; the ids."""
    ids = await backed_off(expiry, 1)
    await eventually(lambda: published(expiry, ids) >= 1, within_s=30)
    return ids


def published(expiry: Harness, ids: list[str]) -> int:
    """The least number of publications of these endings."""
    counts = Counter(record.event.key for record in expiry.events(StoryDeleted))
    return min(counts[story_id] for story_id in ids)


async def answer(expiry: Harness, ids: list[str]) -> None:
    """Publish confirmations of all stores for these endings."""
    at = truncate_to_ms(system_now())
    answers = [StoryErased(story_id=story_id, store=store, erased_at=at) for story_id in ids for store in STORES]  # type: ignore[arg-type]
    await expiry.publisher.publish_all([OutgoingEvent(answer) for answer in answers])


async def test_open_endings_are_republished_when_kafka_recovers(expiry: Harness) -> None:
    servers = expiry.namespace.servers
    async with expiry.replica() as client:
        before = await begun(expiry)
        ids = await backed_off(expiry, 120)
        soon = story_posted(truncate_to_ms(system_now()), lives=timedelta(seconds=4))
        await expiry.publish(soon)
        await eventually(lambda: timer_in_store(expiry, soon.story_id))
        servers.kill(servers.kafka)
        await eventually(lambda: impaired(client), within_s=30)
        await eventually(lambda: ended_in_store(expiry, soon.story_id), within_s=30)
        await asyncio.to_thread(servers.start, servers.kafka)
        await eventually(lambda: published(expiry, ids) >= 1 and expiry.events(StoryExpired), within_s=25)
        await answer(expiry, [*before, *ids, soon.story_id])
        await eventually(lambda: nothing_open(client, expiry), within_s=25)


async def impaired(client: httpx.AsyncClient) -> bool:
    return "kafka" in (await client.get("/readyz")).json()["problems"]


async def timer_in_store(expiry: Harness, story_id: str) -> bool:
    mongo = Mongo.connect(expiry.namespace["MONGO_URL"], expiry.namespace["MONGO_DATABASE"])
    try:
        return await mongo["stories"].find_one({"_id": story_id}) is not None
    finally:
        await mongo.close()


async def ended_in_store(expiry: Harness, story_id: str) -> bool:
    mongo = Mongo.connect(expiry.namespace["MONGO_URL"], expiry.namespace["MONGO_DATABASE"])
    try:
        return await MongoStories(mongo, timedelta(days=90)).receipt(story_id) is not None
    finally:
        await mongo.close()


async def nothing_open(client: httpx.AsyncClient, expiry: Harness) -> bool:
    answer = await client.get("/v1/admin/erasure", headers=expiry.as_user("root", "admin"))
    return answer.status_code == 200 and not any(answer.json()["open"].values())


async def test_open_endings_are_republished_when_a_store_recovers(expiry: Harness) -> None:
    async with expiry.replica():
        await begun(expiry)
        ids = await backed_off(expiry, 120)
        await answer(expiry, [new_id()])
        await eventually(lambda: published(expiry, ids) >= 1, within_s=30)


def twice(expiry: Harness, event: type[Event]) -> list[ReceivedEvent[Any]]:
    records = expiry.events(event)
    return records if len(records) >= 2 else []


async def test_account_erasure_is_idempotent_and_completes(
    expiry: Harness,
) -> None:
    async with expiry.replica() as client:
        admin = expiry.as_user("root", "admin")
        path = "/v1/admin/users/ann/erasure"
        assert (await client.get(path, headers=admin)).status_code == 404
        answers = [await client.post(path, headers=admin | {"Idempotency-Key": "k1"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        receipt_id = answers[0].json()["receipt_id"]
        assert answers[1].json()["receipt_id"] == receipt_id
        (record,) = await eventually(lambda: expiry.events(UserErased))
        assert (record.event.user_id, record.event.receipt_id) == ("ann", receipt_id)
        own = await eventually(lambda: expiry.events(UserDataErased))
        assert {event.event.service for event in own} == {"expiry"}
        for name in ("ingest", "feed", "engagement"):
            answer = UserDataErased(receipt_id=receipt_id, user_id="ann", service=name, erased_at=system_now())  # type: ignore[arg-type]
            await expiry.publish(answer, answer)
        receipt = await eventually(lambda: complete_account(client, path, admin))
        assert set(receipt["erased"]) == {"ingest", "feed", "engagement", "expiry"}


async def complete_account(client: httpx.AsyncClient, path: str, admin: dict[str, str]) -> dict[str, Any] | None:
    receipt: dict[str, Any] = (await client.get(path, headers=admin)).json()
    return receipt if receipt["complete"] else None


async def test_external_account_erasure_gets_one_receipt(expiry: Harness) -> None:
    outsider = Publisher(expiry.publisher.kafka, "ingest", system_now)
    outsider.source = "/accounts"
    await outsider.start()
    erasure = UserErased(user_id="bob", at=truncate_to_ms(system_now()))
    event_id = new_id()
    for _ in range(2):
        await outsider.publish(erasure, event_id=event_id)
    await outsider.stop()
    async with expiry.replica() as client:
        own = await eventually(lambda: twice(expiry, UserDataErased))
        assert len({event.event.receipt_id for event in own}) == 1
        answer = await client.get("/v1/admin/users/bob/erasure", headers=expiry.as_user("root", "admin"))
        assert answer.json()["receipt_id"] == own[0].event.receipt_id


async def test_external_deletion_by_the_author_is_dead_lettered(expiry: Harness) -> None:
    outsider = Publisher(expiry.publisher.kafka, "ingest", system_now)
    outsider.source = "/moderation"
    await outsider.start()
    forged = StoryDeleted(story_id=new_id(), deleted_at=truncate_to_ms(system_now()), by="author")
    honest = StoryDeleted(story_id=new_id(), deleted_at=truncate_to_ms(system_now()), by="admin")
    await outsider.publish(forged)
    await outsider.publish(honest)
    await outsider.stop()
    async with expiry.replica() as client:
        admin = expiry.as_user("root", "admin")
        await eventually(lambda: receipt_of(client, honest.story_id, admin))
        await eventually(lambda: dead_letter_one(client))
        assert await receipt_of(client, forged.story_id, admin) is None


async def dead_letter_one(client: httpx.AsyncClient) -> bool:
    return 'reason="invalid"' in (await client.get("/metrics")).text


@pytest.mark.parametrize("path", ["/v1/admin/erasure", "/v1/admin/users/ann/erasure", "/v1/stories/{id}/receipt"])
async def test_routes_require_a_token_and_hide_from_other_users(expiry: Harness, path: str) -> None:
    async with expiry.replica() as client:
        url = path.replace("{id}", new_id())
        assert (await client.get(url)).status_code == 401
        assert (await client.get(url, headers=expiry.as_user("eve"))).status_code == 404


async def test_frozen_mongodb_is_answered_with_503_in_time(expiry: Harness) -> None:
    async with expiry.replica() as client:
        servers = expiry.namespace.servers
        with servers.frozen(servers.mongod):
            began = time.monotonic()
            answer = await client.get(f"/v1/stories/{new_id()}/receipt", headers=expiry.as_user("ann"))
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:stories:unavailable")
            assert "retry-after" in answer.headers
            assert time.monotonic() - began < 3


async def test_reads_are_limited(namespace: IsolatedNamespace, expiry: Harness) -> None:
    expiry.settings = expiry.settings.model_copy(update={"limit_reads": 2})
    async with expiry.replica() as client:
        path, ann = f"/v1/stories/{new_id()}/receipt", expiry.as_user("ann")
        codes = [(await client.get(path, headers=ann)).status_code for _ in range(3)]
        assert codes == [404, 404, 429]


async def test_gauges_are_set_by_one_of_two_replicas(expiry: Harness) -> None:
    async with expiry.replica() as one, expiry.replica() as other:
        await backed_off(expiry, 3)

        async def open_receipts() -> list[float]:
            pages = [(await client.get("/metrics")).text for client in (one, other)]
            lines = [line for page in pages for line in page.splitlines() if 'receipts_open{store="feed"}' in line]
            return [float(line.split()[-1]) for line in lines]

        async def one_counts() -> bool:
            return sorted(await open_receipts()) == [0.0, 3.0]

        await eventually(one_counts, within_s=60)


async def test_erasures_are_limited_as_writes(expiry: Harness) -> None:
    expiry.settings = expiry.settings.model_copy(update={"limit_writes": 1})
    async with expiry.replica() as client:
        path, admin = "/v1/admin/users/ann/erasure", expiry.as_user("root", "admin")
        answers = [await client.post(path, headers=admin) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 429]
        assert answers[0].headers["ratelimit-policy"] == '"writes";q=1;w=60'
        assert (await client.get(path, headers=admin)).status_code == 200


async def test_metrics_are_exposed_and_every_event_has_a_group(expiry: Harness) -> None:
    async with expiry.replica() as client:
        page = await eventually(lambda: counted_all(client))
        for name in ("timers_overdue", "timer_oldest_overdue_seconds", "expiry_lateness_seconds_bucket"):
            assert f"stories_{name}" in page
    topics = {"story-posted", "story-deleted", "story-erased", "user-erased", "user-data-erased"}
    groups = {subscriber.group_id for subscriber in build_app(expiry.settings).state.runtime.subscribers}
    assert groups == {f"{expiry.namespace.prefix}expiry.{topic}" for topic in topics}
    assert topics <= EVENTS.keys()


async def counted_all(client: httpx.AsyncClient) -> str | None:
    page = (await client.get("/metrics")).text
    return page if 'stories_receipts_open{store="media"} 0.0' in page else None
