"""Dead-lettered is exactly what was poison, and a key that was used once gives the same answer again."""

import asyncio
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from ..http_client import Answer
from ..log_recorder import LogRecorder
from ..model import Comment, Story
from .stories import StoryChecks

PARKED_S = 20.0
POLL_S = 0.5


@dataclass
class LeftoverChecks:
    """What lies beside the stories."""

    ask: StoryChecks
    recorder: LogRecorder

    async def dead_letter(self, poison: Mapping[str, Set[bytes]]) -> None:
        """dead-lettered topics hold exactly the poison (`poison`: keys of the records by dead-lettered topic)"""
        deadline = time.time() + PARKED_S
        while any(not keys <= self.recorder.dead_letter.get(topic, {}).keys() for topic, keys in poison.items()):
            if time.time() > deadline:
                break
            await asyncio.sleep(POLL_S)
        for topic in sorted({*poison, *self.recorder.dead_letter}):
            found, due = self.recorder.dead_letter.get(topic, {}), poison.get(topic, frozenset())
            if missing := due - found.keys():
                self.ask.wrong("poison is dead-lettered", topic=topic, missing=sorted(missing))
            if others := {key: why for key, why in found.items() if key not in due}:
                self.ask.wrong("only poison is dead-lettered", topic=topic, others=others)

    async def ends(self) -> None:
        """no end is said before its time"""
        for each in self.recorder.early:
            self.ask.wrong("no story ends before its time", **each)

    async def keys(self) -> None:
        """no idempotency key answers differently: the same id, or gone with what it made"""
        for story in self.ask.model.stories:
            if story.id is not None:
                await self._story(story)
                for key, comment in story.comments.items():
                    if comment.id is not None:
                        await self._comment(story, key, comment)

    async def _story(self, story: Story) -> None:
        answer = await self._again(story.author, "/v1/stories", story.key, json=story.asked)
        same = answer.status == 201 and answer.body["id"] == story.id
        gone = answer.status == 404 and (story.state != "live" or story.lives(time.time()) is not True)
        if not (same or gone):
            self.ask.wrong("a key answers as it did", story=story.id, status=answer.status, body=answer.body)

    async def _comment(self, story: Story, key: str, comment: Comment) -> None:
        path = f"/v1/stories/{story.id}"
        item = await self.ask.known(comment.viewer, path)
        if item.status != 200:
            return
        body = {"text": comment.text}
        ticket = item.body["ticket"]
        answer = await self._again(comment.viewer, f"{path}/comments", key, json=body, ticket=ticket)
        same = answer.status == 201 and answer.body["id"] == comment.id
        over = answer.status in {404, 403} and story.lives(time.time()) is not True
        if not (same or over):
            self.ask.wrong("a key answers as it did", comment=comment.id, status=answer.status, body=answer.body)

    async def _again(self, user: str, path: str, key: str, **asked: Any) -> Answer:
        for _ in range(20):
            answer = await self.ask.client.once(user, "POST", path, key=key, **asked)
            if answer.tells:
                break
            await asyncio.sleep(POLL_S)
        return answer
