"""erasure verify and erasure replay, on real servers."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from minio import Minio
from pymongo import MongoClient
from stories_shared.clock import system_now
from stories_shared.events import Event, StoryDeleted, StoryErased, StoryViewed, UserErased
from stories_shared.events.cloudevents import SERVICES, decode_record
from stories_shared.events.ids import new_id
from stories_shared.kafka.publisher import Publisher
from stories_shared.s3.objects import REGION

pytestmark = pytest.mark.servers


@pytest.fixture
def databases(installation: Any) -> Iterator[MongoClient[Any]]:
    """The services' databases under their default names, emptied afterwards."""
    with MongoClient(installation.settings["MONGO_URL"]) as client:
        yield client
        for service in SERVICES:
            client.drop_database(f"stories_{service}")


@pytest.fixture
def bucket(installation: Any) -> Minio:
    namespace = installation.settings
    client = Minio(
        namespace["S3_ENDPOINT"], namespace["S3_ACCESS_KEY"], namespace["S3_SECRET_KEY"], secure=False, region=REGION
    )
    client.make_bucket(namespace["S3_BUCKET"])
    return client


def publish_all(installation: Any, *events: Event, event_id: str | None = None) -> None:
    async def publish() -> None:
        publisher = Publisher(installation.kafka, "ingest")
        await publisher.start()
        for event in events:
            await publisher.publish(event, event_id=event_id)
        await publisher.stop()

    asyncio.run(publish())


def verified(installation: Any, story_id: str) -> tuple[int, dict[str, Any]]:
    ran = installation.run("erasure", "verify", story_id, "--json")
    return ran.exit_code, json.loads(ran.stdout)


def test_ids_times_and_counts_may_remain_but_content_may_not(
    installation: Any, databases: MongoClient[Any], bucket: Minio
) -> None:
    story_id = new_id()
    counts = {"_id": story_id, "author_id": "ann.b", "ended": datetime.now(UTC), "viewers": 2, "plays": 3}
    databases["stories_engagement"]["views"].insert_one(counts)
    code, found = verified(installation, story_id)
    assert (code, found["erased"]) == (0, True)
    assert [document["content"] for document in found["documents"]] == [[]]
    databases["stories_engagement"]["comments"].insert_one({"story_id": story_id, "text": "sunset"})
    code, found = verified(installation, story_id)
    assert (code, found["erased"]) == (1, False)
    (comment,) = [each for each in found["documents"] if each["content"]]
    assert (comment["collection"], comment["content"]) == ("comments", ["_id", "story_id", "text"])


@pytest.mark.parametrize("key", ["stories/{}/media.mp4", "staging/{}"])
def test_an_object_or_an_unfinished_upload_is_found(
    installation: Any, databases: MongoClient[Any], bucket: Minio, key: str
) -> None:
    story_id = new_id()
    name = installation.settings["S3_BUCKET"]
    bucket.put_object(name, key.format(new_id()), io.BytesIO(b"another"), 7)
    assert verified(installation, story_id)[0] == 0
    bucket.put_object(name, key.format(story_id), io.BytesIO(b"this"), 4)
    code, found = verified(installation, story_id)
    assert (code, found["objects"]) == (1, [key.format(story_id)])
    bucket.remove_object(name, key.format(story_id))
    bucket._create_multipart_upload(name, key.format(story_id), {})
    code, found = verified(installation, story_id)
    assert (code, found["uploads"]) == (1, [key.format(story_id)])


def archive(databases: MongoClient[Any], bucket: Minio, name: str, story_id: str) -> None:
    """A story in its author's archive, and in a highlight."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    kept = {"_id": story_id, "author_id": "ann", "created_at": at, "archived_at": at, "words": {"caption": "sunset"}}
    databases["stories_ingest"]["archive"].insert_one(kept)
    shown = {"_id": new_id(), "author_id": "ann", "title": "Sea", "story_ids": [story_id]}
    databases["stories_ingest"]["highlights"].insert_one(shown)
    bucket.put_object(name, f"archive/ann/{story_id}/media.mp4", io.BytesIO(b"kept"), 4)


def test_intact_archive_is_no_leftover_and_a_planted_one_is(
    installation: Any, databases: MongoClient[Any], bucket: Minio
) -> None:
    name = installation.settings["S3_BUCKET"]
    story_id = new_id()
    archive(databases, bucket, name, story_id)
    code, found = verified(installation, story_id)
    assert (code, found["erased"], found["archived"]) == (0, True, True)
    assert "its author's archive keeps it" in " ".join(installation.run("erasure", "verify", story_id).stderr.split())

    ingest = databases["stories_ingest"]
    planted = {"_id": new_id(), "author_id": "eve", "title": "Stolen", "story_ids": [story_id]}
    ingest["highlights"].insert_one(planted)
    assert verified(installation, story_id)[0] == 1
    ingest["highlights"].delete_one({"_id": planted["_id"]})
    for key in (f"archive/eve/{story_id}/media.mp4", f"stories/{story_id}/poster.jpg"):
        bucket.put_object(name, key, io.BytesIO(b"left"), 4)
        code, found = verified(installation, story_id)
        assert (code, key in found["objects"]) == (1, True)
        bucket.remove_object(name, key)
    assert verified(installation, story_id)[0] == 0


def test_archive_of_an_erased_story_or_account_is_a_leftover(
    installation: Any, databases: MongoClient[Any], bucket: Minio
) -> None:
    name = installation.settings["S3_BUCKET"]
    of_account, removed = new_id(), new_id()
    archive(databases, bucket, name, of_account)
    databases["stories_ingest"]["erased_users"].insert_one({"_id": "ann", "at": datetime(2026, 1, 2, tzinfo=UTC)})
    code, found = verified(installation, of_account)
    assert (code, found["archived"]) == (1, False)

    mark = {"_id": removed, "author_id": "ann", "removed_at": datetime.now(UTC), "erase_at": datetime.now(UTC)}
    databases["stories_ingest"]["archive"].insert_one(mark)
    assert verified(installation, removed)[0] == 0
    bucket.put_object(name, f"archive/ann/{removed}/media.mp4", io.BytesIO(b"left"), 4)
    code, found = verified(installation, removed)
    assert (code, found["objects"]) == (1, [f"archive/ann/{removed}/media.mp4"])


def test_topics_are_listed_with_their_erasure_time(
    installation: Any, databases: MongoClient[Any], bucket: Minio
) -> None:
    story_id = new_id()
    view = StoryViewed(story_id=story_id, viewer_id="bob", viewed_at=system_now())
    deleted = StoryDeleted(story_id=story_id, author_id="ann", deleted_at=system_now(), by="author")
    publish_all(installation, view, view, deleted)
    installation.put("story-posted", story_id.encode(), None)
    code, found = verified(installation, story_id)
    assert code == 0
    topics = {each["topic"]: each for each in found["topics"]}
    assert {name: (each["records"], each["with_content"]) for name, each in topics.items()} == {
        "story-viewed": (2, 2),
        "story-deleted": (1, 0),
        "story-posted": (1, 0),
    }
    until = datetime.fromisoformat(topics["story-viewed"]["gone_by"]) - system_now()
    assert timedelta(hours=72) < until < timedelta(hours=80)
    shown = installation.run("erasure", "verify", story_id)
    assert "2 with content or a viewer" in shown.stdout


def test_invalid_story_id_is_rejected(installation: Any) -> None:
    assert installation.run("erasure", "verify", "stories").exit_code == 2


def test_endings_since_a_time_are_republished_unchanged(installation: Any) -> None:
    old = StoryDeleted(story_id=new_id(), author_id="ann", deleted_at=system_now(), by="author")
    publish_all(installation, old)
    since = system_now()
    new = StoryDeleted(story_id=new_id(), author_id="ann", deleted_at=system_now(), by="author")
    event_id, erased = new_id(), UserErased(user_id="eve", at=system_now(), receipt_id=new_id())
    publish_all(installation, new, new, event_id=event_id)
    publish_all(installation, erased)
    kept_no_more = [StoryErased(story_id=new.story_id, store=store, erased_at=since) for store in ("media", "archive")]
    publish_all(installation, *kept_no_more)
    ran = installation.run("erasure", "replay", "--since", since.isoformat())
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines() == ["story-deleted 1", "story-erased 1", "user-erased 1"]
    decoded = [decode_record(record, StoryDeleted) for record in installation.records("story-deleted")]
    republished = [each for each in decoded if each.event == new]
    assert len(republished) == 3
    assert {(each.id, each.source) for each in republished} == {(event_id, "/stories/ingest")}
    assert sum(each.event == old for each in decoded) == 1


def test_invalid_time_is_rejected(installation: Any) -> None:
    assert installation.run("erasure", "replay", "--since", "yesterday").exit_code == 2
