"""History of partition counts: a document per topic with the last time of each count."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from stories_shared.mongo.client import Mongo

from stories_ingest.store.documents import PARTITION_COUNTS


@dataclass(frozen=True, slots=True)
class MongoPartitionCounts:
    """The `PartitionCounts`."""

    mongo: Mongo

    async def record(self, topic: str, count: int, at: datetime) -> None:
        await self.mongo[PARTITION_COUNTS].update_one({"_id": topic}, {"$max": {f"last.{count}": at}}, upsert=True)

    async def since(self, topic: str, at: datetime) -> Collection[int]:
        found = await self.mongo[PARTITION_COUNTS].find_one({"_id": topic}) or {}
        return {int(count) for count, last in found.get("last", {}).items() if last >= at}
