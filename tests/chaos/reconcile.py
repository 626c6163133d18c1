"""After the faults: resolves operations whose result is unknown, and waits until the log is consumed."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient

from tests.journeys.offsets import groups_of, unread

from .author_operations import AuthorOperations
from .model import LATE_EFFECT_S, Story
from .timing import POLL_S, sleep_until

DRAINED_S = 120.0
ROUNDS = 3
"""Attempts at a story whose result stays unknown because the machine is slow."""
SCHEDULED_S = 45.0
"""Until the last scheduled story is live."""


@dataclass
class Reconciliation:
    """Makes the model exact where results are unknown."""

    operations: AuthorOperations

    async def run(self, last_attempt: float) -> None:
        """Once no abandoned attempt can take effect any more, repeat the last operation of each value in doubt."""
        await sleep_until(last_attempt + LATE_EFFECT_S)
        model = self.operations.model
        for _ in range(ROUNDS):
            for story in [each for each in model.stories if each.unknown]:
                await self.operations.bring_live(story)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SCHEDULED_S):
                scheduled = [story for story in model.stories if story.state == "scheduled"]
                await asyncio.gather(*(self._scheduled(story) for story in scheduled))
        await self.operations.discard_unknown_drafts()
        for (kind, user, target), edge in sorted(model.edges.items(), key=lambda each: each[0][0] != "blocked"):
            if not edge.settled(time.time()):
                await self.operations.decide(kind, user, target, on=edge.intended)
        await asyncio.gather(*(self._settle(story) for story in model.stories if story.state == "live"))

    async def _scheduled(self, story: Story) -> None:
        if not story.deleted.settled(time.time()):
            await self.operations.cancel(story)
        await self.operations.observe(story)

    async def _settle(self, story: Story) -> None:
        now = time.time()
        follows = story.original is not None and True in story.original.deleted.possible(0, now)
        if not story.deleted.settled(now) and not follows:
            await self.operations.delete_story(story)
        if story.lives(time.time()) is False:
            return
        if not story.rule.settled(now):
            await self.operations.set_audience(story, story.rule.intended)
        for user, reaction in story.reactions.items():
            if not reaction.settled(now):
                op = self.operations.client.history.invoke("unreact", user=user, story=story.id)
                await self.operations.set_reaction(op, user, story, None, None)
        for user, answered in story.answers.items():
            if not answered.settled(now) and answered.intended is not None:
                item = await self.operations.client.once(user, "GET", f"/v1/stories/{story.id}")
                if item.status == 200:
                    await self.operations.set_answer(user, story, answered.intended, item.body["ticket"])
        for key, comment in story.comments.items():
            if comment.id is None and not comment.refused:
                path = f"/v1/stories/{story.id}"
                item = await self.operations.client.once(comment.viewer, "GET", path)
                if item.status == 200:
                    await self.operations.send_comment(story, key, item.body["ticket"])


async def lags(bootstrap: str) -> Mapping[str, int]:
    """The number of unprocessed records by group."""
    return await unread(bootstrap, await groups_of(bootstrap))


async def pending(mongo_url: str) -> dict[str, int]:
    """The number of documents with an unpublished event, by collection."""
    found: dict[str, int] = {}
    async with AsyncMongoClient[dict[str, Any]](mongo_url, serverSelectionTimeoutMS=5000) as client:
        for name in await client.list_database_names():
            if name.startswith("stories_"):
                for collection in await client[name].list_collection_names(filter={"type": "collection"}):
                    if count := await client[name][collection].count_documents({"pending.since": {"$exists": True}}):
                        found[f"{name}.{collection}"] = count
    return found


async def drained(bootstrap: str, mongo_url: str) -> dict[str, Any]:
    """Wait until every group has consumed everything and every outbox is empty; returns what is left on timeout."""
    deadline = time.time() + DRAINED_S
    while True:
        left: dict[str, Any] = {**await lags(bootstrap), **await pending(mongo_url)}
        if not left or time.time() > deadline:
            return left
        await asyncio.sleep(POLL_S)
