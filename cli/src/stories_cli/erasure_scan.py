"""Finds what is left of a story in databases, bucket and topics."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import bson
from pymongo import MongoClient
from pymongo.database import Database
from stories_shared.clock import from_epoch_ms
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.topics import Topics

from .clients import bucket
from .kafka_reader import TopicReader
from .retained_fields import content_fields, record_has_content

ARCHIVE = "archive/"
OF_ARCHIVE = frozenset({"archive", "highlights"})
"""Collections of ingest with what authors keep."""


@dataclass(frozen=True, slots=True)
class InDatabase:
    """One document with the story's id; `content` lists the fields that may not remain.

    `kept` is true for the story itself in its author's archive. `author_id` is the owner of an archive's document.
    """

    service: str
    collection: str
    document: str
    content: tuple[str, ...]
    kept: bool = False
    author_id: str | None = None


@dataclass(frozen=True, slots=True)
class InTopic:
    """The number of records with the story's id, of those with more than may remain, and when all are deleted."""

    topic: str
    records: int
    with_content: int
    gone_by: datetime


@dataclass
class ScanResult:
    """All findings. Databases may keep ids, times and counts; the bucket nothing; topics until `gone_by`."""

    story_id: str
    documents: list[InDatabase] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    topics: list[InTopic] = field(default_factory=list)

    @property
    def erased(self) -> bool:
        """Whether databases and bucket hold only its ids, times and counts. Its author's archive does not count."""
        owner = next((each.author_id for each in self.documents if each.kept), None)
        archive = f"{ARCHIVE}{owner}/{self.story_id}/" if owner else None
        content = [each for each in self.documents if each.content and not self._is_archive(each, owner)]
        objects = [key for key in self.objects if not (archive and key.startswith(archive))]
        return not (objects or self.uploads or content)

    @property
    def archived(self) -> bool:
        """Whether its author's archive keeps it, as it may."""
        return any(each.kept for each in self.documents)

    @staticmethod
    def _is_archive(document: InDatabase, owner: str | None) -> bool:
        return owner is not None and document.collection in OF_ARCHIVE and document.author_id == owner


def in_databases(client: MongoClient[Any], databases: Mapping[str, str], story_id: str) -> Iterator[InDatabase]:
    """Every document of the services' databases that contains the id; reads all documents."""
    needle = story_id.encode()
    for service, name in databases.items():
        database = client[name]
        for collection in sorted(database.list_collection_names(filter={"type": "collection"})):
            if collection.startswith("system."):
                continue
            for batch in database[collection].find_raw_batches():
                if needle not in batch:
                    continue
                for document in bson.decode_all(batch):
                    if needle in bson.encode(document):
                        content = tuple(content_fields(f"stories_{service}.{collection}", document, story_id))
                        owner = document.get("author_id") if collection in OF_ARCHIVE else None
                        kept = collection == "archive" and document["_id"] == story_id and is_kept(database, document)
                        yield InDatabase(service, collection, str(document.get("_id")), content, kept, owner)


def is_kept(database: Database[Any], archived: Mapping[str, Any]) -> bool:
    """Whether an archive rightly keeps this story: it was not removed, and its author's account not erased since."""
    erased = {"_id": archived["author_id"], "at": {"$gte": archived.get("created_at")}}
    return "archived_at" in archived and database["erased_users"].find_one(erased) is None


def in_bucket(settings: Mapping[str, str], story_id: str) -> tuple[list[str], list[str]]:
    """The keys of objects, staged ones too, and of unfinished uploads with the id."""
    store = bucket(settings)
    prefixes = (f"stories/{story_id}", f"staging/{story_id}", f"held/{story_id}")
    objects = [
        str(each.object_name)
        for prefix in prefixes
        for each in store.calls.list_objects(store.bucket, prefix, recursive=True)
    ]
    archived = (str(each.object_name) for each in store.calls.list_objects(store.bucket, ARCHIVE, recursive=True))
    objects += [key for key in archived if f"/{story_id}/" in key]
    uploads = store.calls._list_multipart_uploads(store.bucket).uploads  # noqa: SLF001  (the SDK offers no other way)
    return objects, [str(each.object_name) for each in uploads if story_id in str(each.object_name)]


async def in_topics(log: TopicReader, topics: Topics, story_id: str) -> list[InTopic]:
    """Every record with the id in its key, value or headers, counted by topic."""
    needle = story_id.encode()
    found: dict[str, list[tuple[int, bool]]] = {}
    async for records in log.read(*(topic for topic in log.topics if topic in topics)):
        name = log.kafka.plain(records[0].topic)
        origin = (topics[name].dead_letters_of or (name, ""))[0]
        for record in records:
            if contains(record, needle):
                content = record_has_content(origin, record.value)
                found.setdefault(name, []).append((record.timestamp, content))
    return [summary(name, times, topics[name].max_record_age) for name, times in sorted(found.items())]


def contains(record: Any, needle: bytes) -> bool:
    """Whether a record contains these bytes."""
    parts: Iterable[bytes | None] = (record.key, record.value, *(value for _, value in record.headers or ()))
    return any(needle in part for part in parts if part)


def summary(name: str, times: list[tuple[int, bool]], clears_after: timedelta) -> InTopic:
    """The result of one topic."""
    last = from_epoch_ms(max(at for at, _ in times))
    return InTopic(name, len(times), sum(content for _, content in times), last + clears_after)


def database_names(services: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The database of each service: of the running stack, else the default."""
    return {name: services.get(name, {}).get("MONGO_DATABASE") or f"stories_{name}" for name in SERVICES}
