"""What is left of a story in databases, bucket and topics."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import bson
from pymongo import MongoClient
from stories_shared.clock import from_epoch_ms
from stories_shared.topics import Topics

from .log import Log
from .reach import SERVICES, bucket

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORD = re.compile(r"[a-z_-]{0,24}")
HASH = re.compile(r"[0-9a-f]{32,128}")
# An `_id` may be made of several ids; one that is an object's key is more than that.
IDS = re.compile(r"(?!stories/|staging/)[A-Za-z0-9_.:@|+~/-]{1,400}")
# Whose fields hold an id of a person who may be named beside an ended story: its author.
AUTHORS = frozenset({"author_id", "user_id", "author", "user"})
TELLING = frozenset({"story-posted", "story-viewed"})


@dataclass(frozen=True, slots=True)
class InDatabase:
    """One document that names the story; `content` lists the fields that are more than ids, times and counts."""

    service: str
    collection: str
    document: str
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InTopic:
    """How many records of a topic name the story, how many of them tell more than that, and when all are gone."""

    topic: str
    records: int
    telling: int
    gone_by: datetime


@dataclass
class Traces:
    """Everything found. Databases may keep ids, times and counts; the bucket nothing; topics until `gone_by`."""

    story_id: str
    documents: list[InDatabase] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    topics: list[InTopic] = field(default_factory=list)

    @property
    def erased(self) -> bool:
        """Whether databases and bucket hold nothing of it but ids, times and counts."""
        return not (self.objects or self.uploads or any(each.content for each in self.documents))


def in_databases(client: MongoClient[Any], databases: Mapping[str, str], story_id: str) -> Iterator[InDatabase]:
    """Every document of the services' databases that has the id anywhere, found by reading all of them."""
    wanted = story_id.encode()
    for service, name in databases.items():
        database = client[name]
        for collection in sorted(database.list_collection_names(filter={"type": "collection"})):
            if collection.startswith("system."):
                continue
            for batch in database[collection].find_raw_batches():
                if wanted not in batch:
                    continue
                for document in bson.decode_all(batch):
                    if wanted in bson.encode(document):
                        content = tuple(content_of(document))
                        yield InDatabase(service, collection, str(document.get("_id")), content)


def content_of(document: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The fields whose values are more than ids, times, counts, switches and the words of our own vocabulary."""
    for name, value in document.items():
        here = f"{path}{name}"
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield from content_of(each, f"{here}.")
            elif isinstance(each, bytes) or (isinstance(each, str) and not harmless(name, each)):
                yield here


def harmless(name: str, text: str) -> bool:
    """Whether a text is an id, a hash or one of our own words."""
    if name == "_id" and IDS.fullmatch(text):
        return True
    return name in AUTHORS or any(kind.fullmatch(text) for kind in (UUID, WORD, HASH))


def in_bucket(settings: Mapping[str, str], story_id: str) -> tuple[list[str], list[str]]:
    """The keys of objects, staged ones too, and of unfinished uploads that have the id."""
    store = bucket(settings)
    prefixes = (f"stories/{story_id}", f"staging/{story_id}")
    objects = [
        str(each.object_name)
        for prefix in prefixes
        for each in store.calls.list_objects(store.bucket, prefix, recursive=True)
    ]
    uploads = store.calls._list_multipart_uploads(store.bucket).uploads  # noqa: SLF001  (the SDK offers no other way)
    return objects, [str(each.object_name) for each in uploads if story_id in str(each.object_name)]


async def in_topics(log: Log, topics: Topics, story_id: str) -> list[InTopic]:
    """Every record that has the id in its key, value or headers, counted by topic."""
    wanted = story_id.encode()
    found: dict[str, list[tuple[int, bool]]] = {}
    async for records in log.read(*(topic for topic in log.topics if topic in topics)):
        name = log.kafka.plain(records[0].topic)
        telling = (topics[name].parked_of or (name, ""))[0] in TELLING
        for record in records:
            if names(record, wanted):
                found.setdefault(name, []).append((record.timestamp, telling and record.value is not None))
    return [summary(name, times, topics[name].clears_after) for name, times in sorted(found.items())]


def names(record: Any, wanted: bytes) -> bool:
    """Whether a record has these bytes anywhere."""
    parts: Iterable[bytes | None] = (record.key, record.value, *(value for _, value in record.headers or ()))
    return any(wanted in part for part in parts if part)


def summary(name: str, times: list[tuple[int, bool]], clears_after: timedelta) -> InTopic:
    """One topic's line."""
    last = from_epoch_ms(max(at for at, _ in times))
    return InTopic(name, len(times), sum(telling for _, telling in times), last + clears_after)


def database_names(services: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Each service's database: as the running stack says, else by the default."""
    return {name: services.get(name, {}).get("MONGO_DATABASE") or f"stories_{name}" for name in SERVICES}
