"""How many partitions topics have had: a document a topic, in it the last time of each number."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from stories_shared.mongo.client import Mongo

from stories_ingest.store.documents import PARTITION_COUNTS


@dataclass(frozen=True, slots=True)
class MongoPartitionCounts:
    """Remembers widths."""

    mongo: Mongo

    async def note(self, topic: str, count: int, at: datetime) -> None:
        """The topic has so many partitions now."""
        await self.mongo[PARTITION_COUNTS].update_one({"_id": topic}, {"$max": {f"last.{count}": at}}, upsert=True)

    async def since(self, topic: str, at: datetime) -> Collection[int]:
        """All numbers of partitions that it has had since then, as far as they were noted."""
        found = await self.mongo[PARTITION_COUNTS].find_one({"_id": topic}) or {}
        return {int(count) for count, last in found.get("last", {}).items() if last >= at}
