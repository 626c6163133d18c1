"""Ended stories are erased: receipts, collections, object keys and topics, and there are no orphans.

Besides ids the checks search for words: every story has a unique word in its caption, layers and comments.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from minio import Minio
from pymongo import MongoClient
from stories_cli.retained_fields import content_fields, record_has_content

from ..cluster import RETENTION_S
from ..log_recorder import LogRecorder
from ..model import Model, Story
from ..timing import sleep_until
from .stories import StoryChecks

RECEIPT_S = 60.0
ARCHIVED_S = 5.0
SWEPT_S = 90.0
"""Staged objects are swept within a minute."""
LOG_S = RETENTION_S * 1.1 + 25.0
"""Retention, segment, and slack for a broker that has just recovered; `log_clears_by` promises minutes more."""
POLL_S = 1.0
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


COPIES = "stories_engagement.reported"
"""Copies of what was reported outlive the story (docs/privacy.md)."""
ARCHIVE = "stories_ingest.archive"


@dataclass
class ErasureChecks:
    """Reads the servers directly, without services and proxies."""

    ask: StoryChecks
    settings: Mapping[str, str]
    cleared: int = 0
    """Ended stories whose records must have left the log by now."""
    completed: dict[str, float] = field(default_factory=dict)

    def ended(self) -> list[Story]:
        """Stories that were live and have certainly ended."""
        now = time.time()
        return [
            each for each in self.ask.model.stories if each.id and each.state == "live" and each.lives(now) is False
        ]

    async def receipts(self) -> None:
        """every ended story has a complete receipt"""
        deadline = time.time() + RECEIPT_S
        open_ = {story.id or "": story for story in self.ended()}
        last: dict[str, Any] = {}
        while open_ and time.time() < deadline:
            for story_id, story in list(open_.items()):
                answer = await self.ask.known(story.author, f"/v1/stories/{story_id}/receipt")
                last[story_id] = answer.body if answer.status == 200 else answer.status
                if answer.status == 200 and answer.body["complete"]:
                    del open_[story_id]
                    self._judge(story, answer.body)
            if open_:
                await asyncio.sleep(POLL_S)
        for story_id in open_:
            self.ask.wrong("every ended story has a complete receipt", story=story_id, receipt=last.get(story_id))

    def _judge(self, story: Story, receipt: Mapping[str, Any]) -> None:
        right = set(receipt["erased"]) - {"archive"} == {"media", "feed", "engagement"} and receipt["log_clears_by"]
        if not right or (receipt["ended"] == "deleted" and not story.maybe_deleted):
            self.ask.wrong("a receipt is correct", story=story.id, receipt=receipt)
        if wrong_archived(receipt, self.ask.model.archived(story, time.time()), story):
            self.ask.wrong("a receipt tells of the archive", story=story.id, receipt=receipt)

    async def databases(self) -> None:
        """no collection has anything of an ended story beyond ids, times and counts"""
        ended = {story.id: story for story in self.ended()}
        discarded = [story for story in self.ask.model.stories if story.state == "gone" and story.id]
        words = {story.word.encode(): story.id for story in (*ended.values(), *discarded)}
        kept = {id_ for id_, story in ended.items() if True in self.ask.model.archived(story, time.time())}
        for where, raw in await asyncio.to_thread(lambda: list(self._documents())):
            found = [words[word] for word in re.findall(rb"word[0-9a-f]{16}", raw) if word in words]
            if where == ARCHIVE and kept.issuperset(found) and bson.decode(raw)["_id"] in kept:
                continue
            if found and where != COPIES:
                self.ask.wrong("databases keep nothing of ended stories", where=where, stories=found)
                continue
            named = {found.decode() for found in UUID.findall(raw)} & ended.keys()
            document = bson.decode(raw) if named else {}
            for story_id in sorted(named):
                if content := content_fields(where, document, story_id):
                    self.ask.wrong(
                        "databases keep nothing of ended stories", where=where, story=story_id, fields=content
                    )

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        with MongoClient[Any](self.settings["MONGO_URL"], serverSelectionTimeoutMS=5000) as client:
            for name in client.list_database_names():
                for collection in client[name].list_collection_names() if name.startswith("stories_") else ():
                    for batch in client[name][collection].find_raw_batches():
                        for document in bson.decode_iter(batch):
                            yield f"{name}.{collection}", bson.encode(document)

    async def bucket(self) -> None:
        """no orphaned object, no unfinished upload, and no story without its object"""
        deadline = time.time() + SWEPT_S
        while True:
            wrong = await asyncio.to_thread(self._bucket)
            if not wrong or time.time() > deadline:
                break
            await asyncio.sleep(POLL_S)
        for each in wrong:
            self.ask.wrong("the bucket contains exactly the live stories", **each)

    def _bucket(self) -> list[dict[str, Any]]:
        keys = self.settings
        client = Minio(keys["S3_ENDPOINT"], keys["S3_ACCESS_KEY"], keys["S3_SECRET_KEY"], secure=False)
        now, bucket = time.time(), keys["S3_BUCKET"]
        objects = [str(each.object_name) for each in client.list_objects(bucket, recursive=True)]
        uploads = [str(each.object_name) for each in client._list_multipart_uploads(bucket).uploads]
        live = {story.id for story in self.ask.model.stories if story.lives(now) is not False}
        wrong: list[dict[str, Any]] = [
            {"orphan": key} for key in objects if key.split("/")[1] not in live and not key.startswith("archive/")
        ]
        wrong += list(wrong_archived_objects(objects, self.ask.model, now))
        wrong += [{"unfinished": key} for key in uploads]
        with MongoClient[Any](keys["MONGO_URL"], serverSelectionTimeoutMS=5000) as database:
            for story in database["stories_ingest"]["stories"].find({"state": "live"}):
                stored = [key for key in objects if key.startswith(f"stories/{story['_id']}/")]
                if len(stored) != 2 and story["_id"] in {s.id for s in self.ask.model.stories if s.lives(time.time())}:
                    wrong.append({"without": story["_id"], "objects": stored})
        return wrong

    async def log(self, recorder: LogRecorder, republished: Mapping[str, float], after: float) -> None:
        """after the retention, no topic has anything of an ended story beyond ids"""
        await sleep_until(after)
        now = time.time()
        over = {}
        for story in self.ended():
            last = max(self._ended_at(story), republished.get(story.id or "", 0.0))
            if now > last + LOG_S:
                over[story.id or ""] = story
        self.cleared = len(over)
        words = {story.word.encode(): story.id for story in over.values()}
        for topic, key, value in await recorder.everything():
            found = [words[word] for word in re.findall(rb"word[0-9a-f]{16}", value) if word in words]
            origin = topic.partition(".")[0]
            if found or (key.decode(errors="replace") in over and record_has_content(origin, value)):
                self.ask.wrong("the log keeps nothing of ended stories", topic=topic, key=key.decode(errors="replace"))

    @staticmethod
    def _ended_at(story: Story) -> float:
        acks = [change.over or 0.0 for change in story.deleted.changes if change.value]
        return max([*acks, 0.0]) or story.expires_at or 0.0


def wrong_archived(receipt: Mapping[str, Any], archived: set[bool], story: Story) -> bool:
    """Whether a receipt says something else about the archive than the model."""
    erased_at = receipt["erased"].get("archive")
    if bool(receipt["archived"]) not in archived or (receipt["archived"] and erased_at is not None):
        return True
    removed = story.unarchived.final == {True} and receipt["ended"] == "expired"
    return removed and archived == {False} and erased_at is None


def wrong_archived_objects(keys: Sequence[str], model: Model, now: float) -> Iterator[dict[str, Any]]:
    """Objects of the archive that belong to no archived story of that author, and stories without objects there."""
    found: dict[str, set[str]] = {}
    for key in keys:
        if key.startswith("archive/"):
            _, author, story_id, _ = key.split("/", 3)
            story = model.by_id.get(story_id)
            if story is None or story.author != author or True not in model.archived(story, now):
                yield {"orphan": key}
            found.setdefault(story_id, set()).add(key)
    for story in model.stories:
        if story.id and model.archived(story, now - ARCHIVED_S) == {True} and len(found.get(story.id, ())) < 2:
            yield {"without": story.id, "archived": sorted(found.get(story.id, ()))}
