"""A unit of work: the rows of one story that a transaction reads and changes.

Rows are read with one `$in` a collection, changed in memory, and written with one bulk write a collection. The
increments of the story's counters follow from the rows (see `kinds`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo import DeleteOne, InsertOne, ReplaceOne
from stories_shared.events import Event
from stories_shared.mongo.client import Document, Mongo, Session

from stories_engagement.store.kinds import BY_COLLECTION, Delta

Key = tuple[str, str]
"""A collection and an `_id` in it."""


class Rows:
    """The rows that a transaction has read and will write."""

    def __init__(self, mongo: Mongo, session: Session) -> None:
        self._mongo = mongo
        self._session = session
        self._read: dict[Key, Document | None] = {}
        self._changes: dict[Key, Document | None] = {}

    async def load(self, keys: Iterable[Key]) -> bool:
        """Read the documents that are not loaded yet, by one query for each collection; whether there were any."""
        missing: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            if key not in self._read:
                missing[key[0]].add(key[1])
        for collection, ids in missing.items():
            self._read |= dict.fromkeys((collection, _id) for _id in ids)
            query = {"_id": {"$in": sorted(ids)}}
            self._record(collection, await self._mongo[collection].find(query, session=self._session).to_list(None))
        return bool(missing)

    async def find(self, collection: str, query: Mapping[str, Any], limit: int) -> list[str]:
        """Read the first documents by their ids that match; their ids."""
        found = (
            await self._mongo[collection]
            .find(query, sort=[("_id", 1)], limit=limit, session=self._session)
            .to_list(None)
        )
        self._record(collection, found)
        return [document["_id"] for document in found]

    def loaded(self, collection: str, _id: str) -> bool:
        """Whether the document was read, or found missing."""
        return (collection, _id) in self._read

    def get(self, collection: str, _id: str) -> Document | None:
        """A loaded document with the changes so far. Do not modify it."""
        return self._changes.get((collection, _id), self._read[collection, _id])

    def document(self, collection: str, _id: str) -> Document:
        """A loaded document that exists."""
        found = self.get(collection, _id)
        assert found is not None
        return found

    def put(self, collection: str, document: Document) -> None:
        """Insert or replace a document."""
        self._changes[collection, document["_id"]] = document

    def delete(self, collection: str, _id: str) -> None:
        """Delete a document."""
        self._changes[collection, _id] = None

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return any(after != self._read[key] for key, after in self._changes.items())

    def delta(self) -> Delta:
        """The increments of the story's counters."""
        delta: Delta = Counter()
        for (collection, _id), after in self._changes.items():
            kind, before = BY_COLLECTION.get(collection), self._read[collection, _id]
            if kind is not None:
                delta.update(kind.delta_of(after) if after else {})
                delta.subtract(kind.delta_of(before) if before else {})
        return Counter({path: by for path, by in delta.items() if by})

    def events(self, author_id: str, now: datetime) -> list[Event]:
        """The events of the changes, in the order of their rows."""
        found: list[Event] = []
        for key, after in self._changes.items():
            kind = BY_COLLECTION.get(key[0])
            event = kind.event_of(self._read[key], after, author_id, now) if kind and kind.event_of else None
            if event is not None:
                found.append(event)
        return found

    async def write(self) -> None:
        """Write the changes."""
        writes: dict[str, list[Any]] = defaultdict(list)
        for key, after in self._changes.items():
            before, (collection, _id) = self._read[key], key
            if after == before:
                continue
            if after is None:
                writes[collection].append(DeleteOne({"_id": _id}))
            elif before is None:
                writes[collection].append(InsertOne(after))
            else:
                writes[collection].append(ReplaceOne({"_id": _id}, after))
        for collection, operations in writes.items():
            await self._mongo[collection].bulk_write(operations, ordered=False, session=self._session)

    def _record(self, collection: str, found: list[Document]) -> None:
        for document in found:
            self._read[collection, document["_id"]] = document
