"""Direct access to MongoDB and the bucket, for data that must be erased."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from minio import Minio
from pymongo import MongoClient


class Stores:
    """The databases and the bucket of a running stack."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._mongo_url, self._bucket = settings["MONGO_URL"], settings["S3_BUCKET"]
        self._s3 = Minio(settings["S3_ENDPOINT"], settings["S3_ACCESS_KEY"], settings["S3_SECRET_KEY"], secure=False)

    async def objects(self, story_id: str) -> list[str]:
        """The keys of a story's objects, staged ones too."""
        return [key for key in await asyncio.to_thread(self._keys) if story_id in key]

    async def documents(self, *words: str) -> list[str]:
        """Documents of any service that contain all of these strings."""
        found = await asyncio.to_thread(self._documents)
        return [each for each in found if all(word in each for word in words)]

    async def content(self, story_id: str, *words: str) -> list[str]:
        """What the stores have of a story besides ids, times and counts: objects, and documents with such strings."""
        with_words = [each for word in words for each in await self.documents(word)]
        return await self.objects(story_id) + with_words

    async def viewers(self, story_id: str, viewer_id: str) -> list[str]:
        """Documents with both viewer and story, except the seen marks of feed, which are ids and expire."""
        found = await self.documents(story_id, viewer_id)
        return [each for each in found if not each.startswith("stories_feed.seen:")]

    def _keys(self) -> list[str]:
        return [str(found.object_name) for found in self._s3.list_objects(self._bucket, recursive=True)]

    def _documents(self) -> list[str]:
        client: MongoClient[dict[str, Any]] = MongoClient(self._mongo_url, serverSelectionTimeoutMS=5000)
        with client:
            return [
                f"{name}.{collection}: {json.dumps(document, default=str, ensure_ascii=False)}"
                for name in client.list_database_names()
                if name.startswith("stories_")
                for collection in client[name].list_collection_names()
                for document in client[name][collection].find()
            ]
